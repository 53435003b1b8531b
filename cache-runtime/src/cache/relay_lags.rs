//! How far behind their databases the relays of a cache are.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::sync::Mutex;

/// Of each relay that runs.
#[derive(Debug, Default)]
pub(crate) struct RelayLags(Mutex<Vec<Weak<RelayLag>>>);

/// Of one relay, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct RelayLag(AtomicU64);

impl RelayLags {
    /// That of a relay that begins; it counts until it is dropped.
    pub(crate) fn begin(&self) -> Arc<RelayLag> {
        let lag = Arc::default();
        let mut lags = self.0.lock();
        lags.retain(|lag| lag.strong_count() > 0);
        lags.push(Arc::downgrade(&lag));
        lag
    }

    /// The longest.
    pub(super) fn longest(&self) -> Duration {
        self.of_running().unwrap_or_default()
    }

    /// The longest; `None` if no relay runs.
    pub(super) fn of_running(&self) -> Option<Duration> {
        let lags = self.0.lock();
        let lags = lags.iter().filter_map(Weak::upgrade);
        let longest = lags.map(|lag| lag.0.load(Ordering::Relaxed)).max();
        longest.map(Duration::from_micros)
    }
}

impl RelayLag {
    pub(crate) fn set(&self, lag: Duration) {
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros, Ordering::Relaxed);
    }
}
