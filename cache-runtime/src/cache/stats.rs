//! What a cache has done so far.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::observe::Outcome;

/// Counts since the cache was built, and what is in this process now. A call that waited for another one's load counts as a miss and as shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls answered by the store.
    pub hits: u64,
    /// Calls answered by the near cache.
    pub near_hits: u64,
    /// Calls answered with a value past its time, as their policy allows.
    pub stale_hits: u64,
    /// Calls that found nothing valid.
    pub misses: u64,
    /// Calls that did not ask the store (disabled, breaker open, `when` false, or an invalidation still unacknowledged), or
    /// asked and had no answer in time.
    pub bypasses: u64,
    /// Calls that found an entry and refused it.
    pub rejected: u64,
    /// Calls that loaded anew inside of [`refresh`](crate::refresh).
    pub refreshed: u64,
    /// Hits that were not what their body loads, of those that `verify` has checked.
    pub stale_detected: u64,
    /// Bodies run.
    pub loads: u64,
    /// Calls that were given the value of a load that another call ran.
    pub shared_loads: u64,
    /// Calls that waited for their turn to load, because as many loads of their resource were running as are allowed.
    pub queued_loads: u64,
    /// Calls that waited for a load and then ran one of their own beside it: because it had stalled, or after the backstop.
    pub taken_over_loads: u64,
    /// Loads that were begun in the background, of values that were returned meanwhile.
    pub refreshes: u64,
    /// Those that have failed: the old values stay.
    pub failed_refreshes: u64,
    /// Loads that were not waited for any longer: `load_timeout(hard = …)`.
    pub timed_out_loads: u64,
    /// Entries stored.
    pub fills: u64,
    /// Entries that could not be stored, or were too large.
    pub failed_fills: u64,
    /// Invalidations applied, each of any number of stamps.
    pub invalidations: u64,
    /// Entries that sweeps removed.
    pub swept: u64,
    /// Values in the near cache now.
    pub near_entries: u64,
    /// The bytes that they take, roughly.
    pub near_bytes: u64,
    /// Invalidations that wait for an acknowledgement now, in lines of the journal: at most `CACHE_JOURNAL_LIMIT`.
    pub pending_invalidations: u64,
    /// Changes of a database that this process has relayed ([`Cache::follow`](crate::Cache::follow)).
    pub relayed_changes: u64,
    /// How long the oldest change has been waiting to be relayed; zero if none waits, as far as this process knows.
    pub relay_lag: Duration,
}

impl Stats {
    /// The share of calls answered without a load of any kind, from 0 to 1; 0 before the first call.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
    pub fn hit_rate(&self) -> f64 {
        let hits = self.hits + self.near_hits + self.stale_hits;
        let calls = hits + self.misses + self.bypasses + self.rejected + self.refreshed;
        if calls == 0 { 0.0 } else { hits as f64 / calls as f64 }
    }
}

macro_rules! counters {
    ($($name:ident),+ $(,)?) => {
        /// The counters behind [`Stats`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)+
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.0.load(Ordering::Relaxed),)+ ..Stats::default() }
            }
        }
    };
}

counters! {
    hits, near_hits, stale_hits, misses, bypasses, rejected, refreshed, stale_detected, loads, shared_loads, queued_loads,
    taken_over_loads, refreshes, failed_refreshes, timed_out_loads, fills,
    failed_fills, invalidations, swept, relayed_changes,
}

impl Counters {
    pub(crate) fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Hit => &self.hits,
            Outcome::NearHit => &self.near_hits,
            Outcome::StaleHit => &self.stale_hits,
            Outcome::Miss => &self.misses,
            Outcome::Bypass => &self.bypasses,
            Outcome::Rejected => &self.rejected,
            Outcome::Refreshed => &self.refreshed,
        }
        .add(1);
    }
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}
