use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cache_runtime::store::{Coherent, StampKey, StampWatcher};
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

/// Once a store says that it has reported everything up to a moment, it has.
pub(in crate::contract) async fn a_change_is_reported_before_the_store_says_that_all_have_been(
    bench: &Bench,
) -> Result<(), Broken> {
    watched(bench, async |notes| {
        for round in 0..3 {
            let address = bench.scoped("r", &[("a", &round.to_string())], "h");
            bench.ticket(&address).await?;
            a_removal_is_reported(bench, notes, &address.stamps()[1]).await?;
        }
        let early = notes.noted().before_it_began.clone();
        ensure!(early.is_empty(), "reported before the watch began: {early:?}");
        Ok(())
    })
    .await
}

/// What was loaded under a stamp may be kept for longer than the store keeps the stamp.
pub(in crate::contract) async fn a_removal_is_reported_though_there_was_no_stamp(bench: &Bench) -> Result<(), Broken> {
    watched(bench, async |notes| {
        let address = bench.scoped("r", &[("a", "1")], "h");
        for _ in 0..3 {
            a_removal_is_reported(bench, notes, &address.stamps()[1]).await?;
            // The next one must be a report of its own.
            notes.noted().changed.clear();
        }
        Ok(())
    })
    .await
}

async fn a_removal_is_reported(bench: &Bench, notes: &Notes, stamp: &StampKey) -> Result<(), Broken> {
    bench.store.remove_stamps(std::slice::from_ref(stamp)).await?;
    let removed = Instant::now();
    until!("the store is coherent again", notes.is_coherent_since(removed));
    ensure!(
        notes.noted().changed.contains(stamp.as_str()),
        "the removal of {stamp} was not reported"
    );
    Ok(())
}

/// Watches while something is done, from when the store reports changes on.
async fn watched(bench: &Bench, changes: impl AsyncFnOnce(&Notes) -> Result<(), Broken>) -> Result<(), Broken> {
    let notes = Arc::new(Notes::default());
    let changes = async {
        let asked = Instant::now();
        until!("the watch begins", notes.is_coherent_since(asked));
        ensure!(notes.noted().began, "it is coherent, and has not begun");
        changes(&notes).await
    };
    let watcher: Arc<dyn StampWatcher> = Arc::<Notes>::clone(&notes);
    select! {
        ended = bench.store.watch_stamps(watcher) => {
            let Err(error) = ended;
            Err(error.into())
        }
        outcome = changes => outcome,
    }
}
