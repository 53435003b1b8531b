use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Event, Moment, Reach, Verdict, What, check};

/// Records a history in this process. Clones record into the same one.
#[derive(Debug)]
pub struct Recorder<K> {
    node: u64,
    events: Arc<Mutex<Vec<Event<K>>>>,
}

impl<K> Recorder<K> {
    /// An empty history, recorded as node 0.
    pub fn new() -> Self {
        Self {
            node: 0,
            events: Arc::default(),
        }
    }

    /// The same history, recorded as another node: for tests in which one process has several caches.
    #[must_use]
    pub fn node(&self, node: u64) -> Self {
        Self {
            node,
            events: Arc::clone(&self.events),
        }
    }

    /// To be called before a read or a mutation of `key` is made.
    pub fn begin(&self, key: K) -> Underway<'_, K> {
        Underway {
            recorder: self,
            key,
            began: Moment::now(),
        }
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event<K>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Recorder<K> {
    /// What the oracle says of the history so far.
    pub fn verdict(&self) -> Verdict<K> {
        check(&self.events())
    }
}

impl<K> Clone for Recorder<K> {
    fn clone(&self) -> Self {
        self.node(self.node)
    }
}

impl<K> Default for Recorder<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// A call that has begun. Dropped, as by a call that fails, it leaves nothing in the history.
#[derive(Debug)]
#[must_use = "nothing is recorded until the call's end is told"]
pub struct Underway<'a, K> {
    recorder: &'a Recorder<K>,
    key: K,
    began: Moment,
}

impl<K> Underway<'_, K> {
    /// The call has returned this version.
    pub fn read(self, version: u64) {
        self.end(What::Read { version });
    }

    /// The call has committed this version and invalidated. What `cache.invalidate(…).await` returns says whom it reached:
    /// `invalidated.into()`.
    pub fn invalidated(self, version: u64, reach: Reach) {
        self.end(What::Invalidation { version, reach });
    }

    fn end(self, what: What) {
        let ended = Moment::now();
        self.recorder.events().push(Event {
            node: self.recorder.node,
            key: self.key,
            began: self.began,
            ended,
            what,
        });
    }
}
