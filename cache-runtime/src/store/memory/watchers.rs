//! The watchers who are told of changes of stamps.

use std::sync::Arc;

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
        let mut watchers = self.0.lock();
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
        for watcher in &*self.0.lock() {
            watcher.changed(stamp);
        }
    }

    pub(super) fn all_changed(&self) {
        for watcher in &*self.0.lock() {
            watcher.all_changed();
        }
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
            .0
            .lock()
            .retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
    }
}
