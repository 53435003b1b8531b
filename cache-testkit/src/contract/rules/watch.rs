use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cache_runtime::store::{Coherent, StampWatcher, StoreErrorKind};
use tokio::{select, time::Instant};

use super::super::bench::{Bench, Broken, ensure, until};

/// Notes what is reported.
#[derive(Debug, Default)]
struct Notes(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    began: bool,
    before_it_began: Vec<String>,
    changed: HashSet<String>,
    coherent: Option<Coherent>,
}

impl Notes {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_coherent_since(&self, moment: Instant) -> bool {
        match self.noted().coherent {
            Some(Coherent::AsOf(asked)) => asked >= moment,
            Some(Coherent::Always) => true,
            None => false,
        }
    }
}

impl StampWatcher for Notes {
    fn began(&self) {
        self.noted().began = true;
    }

    fn coherent(&self, coherent: Coherent) {
        self.noted().coherent = Some(coherent);
    }

    fn changed(&self, stamp: &str) {
        let mut noted = self.noted();
        if !noted.began {
            noted.before_it_began.push(stamp.to_owned());
        }
        noted.changed.insert(stamp.to_owned());
    }

    fn all_changed(&self) {}
}

/// Once a store says that it has reported everything up to a moment, it has. A store that cannot report changes at all says
/// so.
pub(in crate::contract) async fn a_change_is_reported_before_the_store_says_that_all_have_been(
    bench: &Bench,
) -> Result<(), Broken> {
    let notes = Arc::new(Notes::default());
    let changes = async {
        let asked = Instant::now();
        until!("the watch begins", notes.is_coherent_since(asked));
        ensure!(notes.noted().began, "it is coherent, and has not begun");
        for round in 0..3 {
            let address = bench.scoped("r", &[("a", &round.to_string())], "h");
            bench.ticket(&address).await?;
            bench.store.remove_stamps(&address.stamps()[1..]).await?;
            let removed = Instant::now();
            until!("the store is coherent again", notes.is_coherent_since(removed));
            ensure!(
                notes.noted().changed.contains(&address.stamps()[1]),
                "the removal of {} was not reported",
                address.stamps()[1]
            );
        }
        let early = notes.noted().before_it_began.clone();
        ensure!(early.is_empty(), "reported before the watch began: {early:?}");
        Ok(())
    };
    let watcher: Arc<dyn StampWatcher> = Arc::<Notes>::clone(&notes);
    select! {
        ended = bench.store.watch_stamps(watcher) => match ended {
            Err(error) if error.kind() == StoreErrorKind::Unsupported => Ok(()),
            Err(error) => Err(error.into()),
            Ok(never) => match never {},
        },
        outcome = changes => outcome,
    }
}
