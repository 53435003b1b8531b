//! What a cache has done so far: public counts, and the figures of each resource behind them.

mod counters;
mod figures;
mod latencies;

use std::time::Duration;

use serde::{Serialize, Serializer};

pub(crate) use self::figures::{FigureSlot, Figures, ResourceFigures};
pub use self::latencies::Latencies;

/// The counts that there are of each resource, and of all of them.
macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counts since the cache was built, and what is in this process now. A call that waited for another one's load counts as a miss and as shared.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)+
            /// How long the loads took, added up, that calls were spared by values in the store and in the near cache: of each hit, the time
            /// that its value took to load. What was loaded in the background, or to verify a hit, is not taken off.
            #[serde(serialize_with = "seconds")]
            pub load_time_saved: Duration,
            /// Invalidations applied, each of any number of stamps.
            pub invalidations: u64,
            /// Sweeps that went through the store.
            pub sweeps: u64,
            /// Sweeps that were given up: what they were to remove stays until its time is over.
            pub failed_sweeps: u64,
            /// Entries that sweeps removed.
            pub swept: u64,
            /// Values in the near cache now.
            pub near_entries: u64,
            /// The bytes that they take, roughly.
            pub near_bytes: u64,
            /// Values that the near cache had no room for any more.
            pub near_evictions: u64,
            /// Times that the breaker opened: from then on calls did not ask the store.
            pub breaker_openings: u64,
            /// Invalidations that wait for an acknowledgement now, in lines of the journal: at most `CACHE_JOURNAL_LIMIT`.
            pub pending_invalidations: u64,
            /// Changes of a database that this process has relayed ([`Cache::follow`](crate::Cache::follow)).
            pub relayed_changes: u64,
            /// How long the oldest change has been waiting to be relayed; zero if none waits, as far as this process knows.
            #[serde(serialize_with = "seconds")]
            pub relay_lag: Duration,
        }

        /// What a cache has done with the calls of one resource since it was built. The counts are those of [`Stats`].
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        #[non_exhaustive]
        pub struct ResourceStats {
            /// The resource's name; `~` stands for values by key ([`Cache::set`](crate::Cache::set)).
            pub resource: &'static str,
            $($(#[$doc])* pub $name: u64,)+
            /// How long the loads took, added up, that calls were spared: as [`Stats::load_time_saved`].
            #[serde(serialize_with = "seconds")]
            pub load_time_saved: Duration,
            /// How many bytes the entries had that calls were answered with by the store. After the first hundred lookups this is an
            /// estimate from one in eight, chosen at random.
            pub bytes_read: u64,
            /// How many bytes the entries had that were stored.
            pub bytes_filled: u64,
            /// How long the store was asked, whatever came of it. After the first hundred lookups one in eight is measured, chosen at
            /// random, and counts as eight. What the near cache answers by itself is no lookup.
            pub lookup_latency: Latencies,
            /// How long bodies ran; not those of calls that have not asked the store (`bypasses`).
            pub load_latency: Latencies,
        }

        impl Stats {
            /// Adds what was counted of one resource.
            fn add(&mut self, of: &ResourceStats) {
                $(self.$name += of.$name;)+
                self.load_time_saved += of.load_time_saved;
            }
        }

        impl ResourceStats {
            /// What was counted since an earlier look at the same resource: for the rates and the latencies of a while.
            ///
            /// ```
            /// # let cache = cache_runtime::Cache::disabled();
            /// let earlier = cache.resource_stats();
            /// // ... a minute later ...
            /// for (now, earlier) in cache.resource_stats().iter().zip(&earlier) {
            ///     println!("{}: {} calls", now.resource, now.since(earlier).calls());
            /// }
            /// ```
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self {
                    resource: self.resource,
                    $($name: self.$name.saturating_sub(earlier.$name),)+
                    load_time_saved: self.load_time_saved.saturating_sub(earlier.load_time_saved),
                    bytes_read: self.bytes_read.saturating_sub(earlier.bytes_read),
                    bytes_filled: self.bytes_filled.saturating_sub(earlier.bytes_filled),
                    lookup_latency: self.lookup_latency.since(&earlier.lookup_latency),
                    load_latency: self.load_latency.since(&earlier.load_latency),
                }
            }

            /// What was counted of this and another resource together.
            #[cfg(feature = "dashboard")]
            pub(crate) fn plus(&self, other: &Self) -> Self {
                Self {
                    resource: self.resource,
                    $($name: self.$name + other.$name,)+
                    load_time_saved: self.load_time_saved + other.load_time_saved,
                    bytes_read: self.bytes_read + other.bytes_read,
                    bytes_filled: self.bytes_filled + other.bytes_filled,
                    lookup_latency: self.lookup_latency.plus(&other.lookup_latency),
                    load_latency: self.load_latency.plus(&other.load_latency),
                }
            }
        }
    };
}

counts! {
    /// Calls answered by the store.
    hits,
    /// Calls answered by the near cache.
    near_hits,
    /// Calls answered with a value past its time, as their policy allows.
    stale_hits,
    /// Calls that found nothing valid.
    misses,
    /// Calls that did not ask the store (disabled, breaker open, `when` false, or an invalidation still unacknowledged), or
    /// asked and had no answer in time.
    bypasses,
    /// Calls that found an entry and refused it.
    rejected,
    /// Calls that loaded anew inside of [`refresh`](crate::refresh).
    refreshed,
    /// Hits that were not what their body loads, of those that `verify` has checked.
    stale_detected,
    /// Bodies run.
    loads,
    /// Those that have returned an error; of bodies that ran without the cache nothing is known.
    failed_loads,
    /// Calls that were given the value of a load that another call ran.
    shared_loads,
    /// Calls that waited for their turn to load, because as many loads of their resource were running as are allowed.
    queued_loads,
    /// Calls that waited for a load and then ran one of their own beside it: because it had stalled, or after the backstop.
    taken_over_loads,
    /// Loads that were begun in the background, of values that were returned meanwhile.
    refreshes,
    /// Those that have failed: the old values stay.
    failed_refreshes,
    /// Loads that were not waited for any longer: `load_timeout(hard = …)`.
    timed_out_loads,
    /// Entries stored.
    fills,
    /// Entries that could not be stored, or were too large.
    failed_fills,
}

impl Stats {
    /// The share of calls answered without a load of any kind, from 0 to 1; 0 before the first call.
    pub fn hit_rate(&self) -> f64 {
        let hits = self.hits + self.near_hits + self.stale_hits;
        rate(hits, self.misses + self.bypasses + self.rejected + self.refreshed)
    }
}

impl ResourceStats {
    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.answered() + self.unanswered()
    }

    /// The share of calls answered without a load of any kind, from 0 to 1; 0 before the first call.
    pub fn hit_rate(&self) -> f64 {
        rate(self.answered(), self.unanswered())
    }

    fn answered(&self) -> u64 {
        self.hits + self.near_hits + self.stale_hits
    }

    fn unanswered(&self) -> u64 {
        self.misses + self.bypasses + self.rejected + self.refreshed
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
fn rate(answered: u64, unanswered: u64) -> f64 {
    let calls = answered + unanswered;
    if calls == 0 {
        0.0
    } else {
        answered as f64 / calls as f64
    }
}

/// A duration as other programs read it.
fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
