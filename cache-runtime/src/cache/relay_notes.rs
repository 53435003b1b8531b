//! What the relays of a cache are doing, and how far behind their databases they are.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use crate::sync::Mutex;

/// Those of the relays that run.
#[derive(Debug, Default)]
pub(crate) struct RelayNotes(Mutex<Vec<Weak<Mutex<RelayNote>>>>);

/// What is known of one relay.
#[derive(Debug, Clone, Default)]
pub(crate) struct RelayNote {
    /// What it follows.
    pub(crate) source: String,
    /// What it is about, in a word.
    pub(crate) state: &'static str,
    /// How long the oldest change has been waiting.
    pub(crate) lag: Duration,
    /// How many changes this process has relayed.
    pub(crate) relayed: u64,
    /// What is wrong, while something is.
    pub(crate) error: Option<String>,
}

impl RelayNotes {
    /// That of a relay that begins to follow this; it is seen until it is dropped.
    pub(crate) fn begin(&self, source: &str) -> Arc<Mutex<RelayNote>> {
        let note = Arc::new(Mutex::new(RelayNote {
            source: source.to_owned(),
            ..RelayNote::default()
        }));
        let mut notes = self.0.lock();
        notes.retain(|note| note.strong_count() > 0);
        notes.push(Arc::downgrade(&note));
        note
    }

    /// Whether a relay runs.
    #[cfg(feature = "metrics")]
    pub(super) fn has_any(&self) -> bool {
        self.0.lock().iter().any(|note| note.strong_count() > 0)
    }

    /// The longest lag.
    pub(super) fn longest_lag(&self) -> Duration {
        let lags = self.all().into_iter().map(|note| note.lag);
        lags.max().unwrap_or_default()
    }

    /// Of each relay, in the order in which they began.
    pub(crate) fn all(&self) -> Vec<RelayNote> {
        let notes = self.0.lock();
        let notes = notes.iter().filter_map(Weak::upgrade);
        notes.map(|note| note.lock().clone()).collect()
    }
}
