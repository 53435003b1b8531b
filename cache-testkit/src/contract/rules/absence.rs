use std::{sync::Arc, time::Duration};

use cache_runtime::store::{Coherent, StampWatcher, StoreErrorKind};
use tokio::time::timeout;

use super::super::{
    Capability,
    bench::{Bench, Broken, LONG, ensure},
};
use crate::PATIENCE;

/// The cache finds out by its first use of it that a store does without something: each method must say so.
pub(in crate::contract) async fn what_a_store_does_without_is_unsupported(bench: &Bench) -> Result<(), Broken> {
    let store = &*bench.store;
    let address = bench.address("r", "h");
    let (stamps, lease) = (address.stamps(), bench.lease("a"));
    for capability in &bench.without {
        let answers = match capability {
            Capability::Sweeps => vec![("sweep", store.sweep(&[bench.pattern("*")]).await.map(drop))],
            Capability::Watches => {
                // One that can watch does not answer.
                let watch = timeout(PATIENCE, store.watch_stamps(Arc::new(Deaf))).await;
                let answer = watch.map_or(Ok(()), |ended| ended.map(|never| match never {}));
                vec![("watch_stamps", answer)]
            }
            Capability::Holds => vec![
                ("hold", store.hold(stamps, 1, LONG).await),
                ("release", store.release(stamps, 1, Duration::ZERO).await),
                ("is_held", store.is_held(stamps).await.map(drop)),
            ],
            Capability::Leases => vec![
                ("acquire_lease", store.acquire_lease(&lease, 1, LONG).await.map(drop)),
                ("extend_lease", store.extend_lease(&lease, 1, LONG).await),
                ("drop_lease", store.drop_lease(&lease).await),
            ],
            Capability::Inspection => vec![
                ("scan", store.scan(&bench.pattern("*"), None, 10).await.map(drop)),
                (
                    "look_at",
                    store.look_at(&[address.entry().to_owned()], 10).await.map(drop),
                ),
            ],
        };
        for (method, answer) in answers {
            ensure!(
                matches!(&answer, Err(error) if error.kind() == StoreErrorKind::Unsupported),
                "the store is said to do without {capability:?}, and `{method}` answers {answer:?}"
            );
        }
    }
    Ok(())
}

/// One who does not listen.
#[derive(Debug)]
struct Deaf;

impl StampWatcher for Deaf {
    fn began(&self) {}

    fn coherent(&self, _coherent: Coherent) {}

    fn changed(&self, _stamp: &str) {}

    fn all_changed(&self) {}
}
