//! The watchers who are told of changes of stamps.

use std::sync::{Arc, MutexGuard};

use crate::{
    store::{Coherent, StampWatcher},
    sync::Mutex,
};

/// Those who watch now.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Vec<Arc<dyn StampWatcher>>>);

impl Watchers {
    /// Lets somebody watch until what is returned is dropped.
    pub(super) fn register(&self, watcher: Arc<dyn StampWatcher>) -> Registration<'_> {
        let mut watchers = self.watchers();
        watchers.push(Arc::clone(&watcher));
        // Under the lock: no change is reported before.
        watcher.began();
        // A change is reported by whoever makes it, before it goes on.
        watcher.coherent(Coherent::Always);
        drop(watchers);
        Registration {
            watchers: self,
            watcher,
        }
    }

    pub(super) fn changed(&self, stamp: &str) {
        for watcher in &*self.watchers() {
            watcher.changed(stamp);
        }
    }

    pub(super) fn all_changed(&self) {
        for watcher in &*self.watchers() {
            watcher.all_changed();
        }
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Arc<dyn StampWatcher>>> {
        self.0.lock()
    }
}

/// The place of one who watches.
#[must_use]
pub(super) struct Registration<'a> {
    watchers: &'a Watchers,
    watcher: Arc<dyn StampWatcher>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.watchers
            .watchers()
            .retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
    }
}
