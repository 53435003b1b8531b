//! Durations, told to a recorder as they come.

use std::time::Duration;

#[cfg(feature = "metrics")]
use arc_swap::ArcSwapOption;
use tokio::time::Instant;

#[cfg(feature = "metrics")]
use super::{Metric, RecorderId, names, with_recorder};

/// Bounds, in seconds, that suit all durations that a cache measures, for recorders that want to be given some: from 50 microseconds, in
/// which a store answers that is near, to ten seconds.
#[cfg(feature = "metrics")]
pub const DURATION_BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What takes some time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Timed {
    Lookup,
    Load,
    Fill,
    Invalidation,
    #[cfg(feature = "metrics")]
    InvalidationLag,
}

/// Durations of one kind.
#[derive(Debug)]
pub(crate) struct Durations {
    #[cfg(feature = "metrics")]
    metric: &'static Metric,
    #[cfg(feature = "metrics")]
    label: Option<(&'static str, &'static str)>,
    /// That of the recorder that was there last.
    #[cfg(feature = "metrics")]
    histogram: ArcSwapOption<(RecorderId, metrics::Histogram)>,
}

/// When something began; nothing, where nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    #[cfg(feature = "metrics")]
    began: Instant,
}

impl Timer {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: Instant::now(),
        }
    }

    /// It is over.
    pub(crate) fn stop(self, durations: &Durations) {
        #[cfg(feature = "metrics")]
        durations.since(self.began);
        #[cfg(not(feature = "metrics"))]
        let _ = (self, durations);
    }
}

#[cfg(feature = "metrics")]
impl Durations {
    /// With this label, if there is one.
    pub(crate) fn new(timed: Timed, label: Option<(&'static str, &'static str)>) -> Self {
        Self {
            metric: match timed {
                Timed::Lookup => &names::LOOKUP_DURATION,
                Timed::Load => &names::LOAD_DURATION,
                Timed::Fill => &names::FILL_DURATION,
                Timed::Invalidation => &names::INVALIDATION_DURATION,
                Timed::InvalidationLag => &names::INVALIDATION_LAG,
            },
            label,
            histogram: ArcSwapOption::empty(),
        }
    }

    /// Something took so long, as often.
    pub(crate) fn add(&self, took: Duration, times: u8) {
        with_recorder(|recorder| {
            let known = self.histogram.load();
            if let Some((id, histogram)) = known.as_deref()
                && *id == recorder.id()
            {
                return histogram.record_many(took, times.into());
            }
            let labels = self.label.iter().map(metrics::Label::from).collect();
            let histogram = recorder.histogram(self.metric, labels);
            histogram.record_many(took, times.into());
            self.histogram.store(Some((recorder.id(), histogram).into()));
        });
    }

    /// Something is over that began then.
    pub(crate) fn since(&self, began: Instant) {
        self.add(began.elapsed(), 1);
    }
}

#[cfg(not(feature = "metrics"))]
impl Durations {
    pub(crate) const fn new(_timed: Timed, _label: Option<(&'static str, &'static str)>) -> Self {
        Self {}
    }

    #[expect(clippy::unused_self, reason = "there is nobody to tell")]
    pub(crate) const fn add(&self, _took: Duration, _times: u8) {}

    #[expect(clippy::unused_self, reason = "there is nobody to tell")]
    pub(crate) const fn since(&self, _began: Instant) {}
}
