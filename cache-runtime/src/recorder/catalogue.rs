//! Every metric that there is: its name, its unit, and what it means.

use metrics::{KeyName, Recorder, Unit};

/// A metric.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    kind: Kind,
    unit: Unit,
    help: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    const fn counter(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, unit, help)
    }

    const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, unit, help)
    }

    const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, Unit::Seconds, help)
    }

    const fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self { name, kind, unit, help }
    }

    fn describe(&self, recorder: &dyn Recorder) {
        let (name, unit, help) = (KeyName::from_const_str(self.name), Some(self.unit), self.help.into());
        match self.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
            Kind::Histogram => recorder.describe_histogram(name, unit, help),
        }
    }
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident($name:literal, $($rest:expr),+);)+) => {
        /// The metrics, by what they measure.
        pub(crate) mod names {
            use metrics::Unit;

            use super::Metric;

            $(pub(crate) static $constant: Metric = Metric::$kind($name, $($rest),+);)+
        }

        static ALL: &[&Metric] = &[$(&names::$constant),+];
    };
}

metrics! {
    REQUESTS = counter("cache_requests_total", Unit::Count, "Calls of cached functions, by resource and by what became of them.");
    LOADS = counter("cache_loads_total", Unit::Count, "Bodies run.");
    LOAD_FAILURES = counter("cache_load_failures_total", Unit::Count, "Bodies run that returned an error.");
    LOAD_TIMEOUTS = counter("cache_load_timeouts_total", Unit::Count, "Loads that were not waited for any longer.");
    SHARED_LOADS = counter("cache_shared_loads_total", Unit::Count, "Calls that were given the value of a load that another call ran.");
    QUEUED_LOADS = counter("cache_queued_loads_total", Unit::Count, "Calls that waited for their turn to load.");
    TAKEN_OVER_LOADS = counter("cache_taken_over_loads_total", Unit::Count, "Loads beside one that had stalled or did not end.");
    LOAD_SAVED = counter("cache_load_saved_seconds_total", Unit::Seconds, "Time that loads took which calls were spared by hits.");
    REFRESHES = counter("cache_refreshes_total", Unit::Count, "Loads begun in the background.");
    REFRESH_FAILURES = counter("cache_refresh_failures_total", Unit::Count, "Loads in the background that failed.");
    FILLS = counter("cache_fills_total", Unit::Count, "Entries stored.");
    FILL_FAILURES = counter("cache_fill_failures_total", Unit::Count, "Entries that could not be stored, or were too large.");
    READ_BYTES = counter("cache_read_bytes_total", Unit::Bytes, "Bytes of the entries that the store answered calls with.");
    FILLED_BYTES = counter("cache_filled_bytes_total", Unit::Bytes, "Bytes of the entries stored.");
    STALE_DETECTED = counter("cache_stale_detected_total", Unit::Count, "Verified hits that were not what their body loads.");
    REJECTIONS = counter("cache_rejections_total", Unit::Count, "Entries that were found and refused, by the cause.");
    INVALIDATIONS = counter("cache_invalidations_total", Unit::Count, "Invalidations applied, each of any number of stamps.");
    SWEEPS = counter("cache_sweeps_total", Unit::Count, "Sweeps that have ended, by whether they were given up.");
    SWEPT_ENTRIES = counter("cache_swept_entries_total", Unit::Count, "Dead entries that sweeps removed.");
    RELAYED_CHANGES = counter("cache_relayed_changes_total", Unit::Count, "Changes of a database that this process has relayed.");
    NEAR_EVICTIONS = counter("cache_near_evictions_total", Unit::Count, "Values that the near cache had no room for any more.");
    BREAKER_OPENINGS = counter("cache_breaker_openings_total", Unit::Count, "Times that the breaker opened.");
    LOOKUP_DURATION = histogram("cache_lookup_duration_seconds", "How long the store was asked.");
    LOAD_DURATION = histogram("cache_load_duration_seconds", "How long bodies ran.");
    FILL_DURATION = histogram("cache_fill_duration_seconds", "How long it took to store entries.");
    INVALIDATION_DURATION = histogram("cache_invalidation_duration_seconds", "How long invalidations were waited for, by their result.");
    INVALIDATION_LAG = histogram("cache_invalidation_lag_seconds", "From an invalidation's acknowledgement to the end of near values, as this process's watch sees it.");
    NEAR_VALUES = gauge("cache_near_values", Unit::Count, "Values in the near cache.");
    NEAR_BYTES = gauge("cache_near_bytes", Unit::Bytes, "Bytes that the values in the near cache take, roughly.");
    NEAR_CAPACITY = gauge("cache_near_capacity_bytes", Unit::Bytes, "Bytes that the values in the near cache may take.");
    NEAR_WATCHING = gauge("cache_near_watching", Unit::Count, "1 while the store reports changes of stamps, else 0: then near values are checked.");
    BREAKER_OPEN = gauge("cache_breaker_open", Unit::Count, "1 while calls do not ask the store, else 0.");
    JOURNAL_LINES = gauge("cache_journal_lines", Unit::Count, "Invalidations that wait for an acknowledgement.");
    FLIGHTS = gauge("cache_flights", Unit::Count, "Loads under way that other calls can share.");
    RELAY_LAG = gauge("cache_relay_lag_seconds", Unit::Seconds, "How long the oldest change of a database has been waiting to be relayed.");
}

/// Tells a recorder what each metric means.
pub(super) fn describe_all(recorder: &dyn Recorder) {
    for metric in ALL {
        metric.describe(recorder);
    }
}
