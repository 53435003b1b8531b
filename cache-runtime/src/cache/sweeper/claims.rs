//! Who walks, of the processes that share a store: leases of its own kind, which cost a few small commands for each walk. Without
//! them, or without an answer, each process walks for itself.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{Either, join_all, select, try_join_all};
use tokio::time::sleep;

use super::is_passing;
use crate::{
    cache::upstream::{Upstream, within},
    key::Namespace,
    store::{Store, StoreError},
    sync::Mutex,
};

/// For how long a process that was killed keeps others from walking, and how often one that walks shows that it is alive.
const WALK: Duration = Duration::from_secs(10);
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// For how long others leave to a process what it has claimed, beside its rest.
const CLAIM: Duration = Duration::from_mins(1);

/// More patterns than this are not claimed one by one.
const CLAIMED: usize = 64;

/// How long one answer is waited for.
const DEADLINE: Duration = Duration::from_secs(1);

const WHAT: &str = "a claim to a sweep";

/// The claims of one cache.
///
/// That a pattern is claimed means: *a walk for it has not begun yet, and will*. So whoever has invalidated the same, and finds it
/// claimed, can forget about it. The claim is given up before the walk begins.
#[derive(Debug)]
pub(super) struct Claims {
    upstream: Arc<Upstream>,
    namespace: Namespace,
    /// What the store knows this cache as.
    holder: u64,
    /// The keys of the patterns that it has claimed, or may have.
    held: Mutex<BTreeSet<String>>,
}

impl Claims {
    pub(super) fn new(upstream: &Arc<Upstream>, namespace: &Namespace) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            namespace: namespace.clone(),
            holder: fastrand::u64(..),
            held: Mutex::default(),
        }
    }

    /// The store, if others can have it, too.
    fn shared_store(&self) -> Option<&Arc<dyn Store>> {
        let store = self.upstream.store_even_if_closed();
        store.filter(|_| self.upstream.is_remote())
    }

    /// Claims patterns, for as long as the rest and a while. Returns those that other processes have claimed.
    pub(super) async fn claim(&self, patterns: &[String], rest: Duration) -> HashSet<String> {
        let Some(store) = self.shared_store().filter(|_| patterns.len() <= CLAIMED) else {
            return HashSet::new();
        };
        let asked = patterns.iter().map(async |pattern| {
            let digest = blake3::hash(pattern.as_bytes()).to_hex();
            let key = self.namespace.sweep_claim(&digest[..16]);
            // Before it is known: dropped half-way, it would be had all the same.
            self.held.lock().insert(key.clone());
            let acquiring = store.acquire_lease(&key, self.holder, rest.saturating_add(CLAIM));
            let is_another_s = matches!(within(DEADLINE, WHAT, acquiring).await, Ok(false));
            is_another_s.then(|| {
                self.held.lock().remove(&key);
                pattern.clone()
            })
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Gives up what was claimed.
    pub(super) async fn release(&self) -> Result<(), StoreError> {
        let held = std::mem::take(&mut *self.held.lock());
        let Some(store) = self.shared_store() else {
            return Ok(());
        };
        let released = try_join_all(held.iter().map(|key| within(DEADLINE, WHAT, store.drop_lease(key)))).await;
        released.map(drop).or_else(ignore_lasting)
    }

    /// Whether it is this process's turn to walk.
    pub(super) async fn begin_walk(&self) -> Result<bool, StoreError> {
        let Some(store) = self.shared_store() else {
            return Ok(true);
        };
        let key = self.walk();
        let acquired = within(DEADLINE, WHAT, store.acquire_lease(&key, self.holder, WALK)).await;
        acquired.or_else(|error| ignore_lasting(error).map(|()| true))
    }

    /// Lets nobody else walk meanwhile.
    pub(super) async fn walking<T>(&self, walk: impl Future<Output = T> + Unpin) -> T {
        let Some(store) = self.shared_store() else {
            return walk.await;
        };
        let key = self.walk();
        let alive = std::pin::pin!(async {
            loop {
                sleep(SIGN_OF_LIFE).await;
                // Without an answer another process may walk, too: that costs a walk.
                drop(within(DEADLINE, WHAT, store.extend_lease(&key, self.holder, WALK)).await);
            }
        });
        match select(walk, alive).await {
            Either::Left((walked, _)) => walked,
            Either::Right((never, _)) => never,
        }
    }

    /// Lets nobody walk for a while.
    pub(super) async fn rest(&self, lasting: Duration) {
        if let Some(store) = self.shared_store() {
            drop(within(DEADLINE, WHAT, store.extend_lease(&self.walk(), self.holder, lasting)).await);
        }
    }

    /// The key of the claim to walk.
    fn walk(&self) -> String {
        self.namespace.sweep_claim("walk")
    }
}

/// A store that never has claims, or has no room for them, is swept without them.
fn ignore_lasting(error: StoreError) -> Result<(), StoreError> {
    if is_passing(&error) { Err(error) } else { Ok(()) }
}
