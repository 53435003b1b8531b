//! The recorder that there is now: it may be installed when the cache was made long ago, and a thread may have one of its own.

use std::mem::size_of_val;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};

use super::catalogue::{Metric, describe_all};

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Where a recorder is: there it stays for as long as the program runs, but for those of single threads, in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecorderId(usize);

/// Registers metrics with a recorder.
#[derive(Clone, Copy)]
pub(crate) struct Registration<'r>(&'r dyn Recorder);

/// Acts on the recorder that there is for the caller's thread; `None` if there is none.
pub(crate) fn with_recorder<T>(act: impl FnOnce(Registration<'_>) -> T) -> Option<T> {
    metrics::with_recorder(|recorder| is_one(recorder).then(|| act(Registration(recorder))))
}

/// Whether there is a recorder for the caller's thread.
pub(crate) fn has_recorder() -> bool {
    metrics::with_recorder(is_one)
}

/// The one that stands for none does not say so. Unlike any that records something it has no state.
fn is_one(recorder: &dyn Recorder) -> bool {
    size_of_val(recorder) > 0
}

impl Registration<'_> {
    pub(crate) fn id(self) -> RecorderId {
        RecorderId(std::ptr::from_ref(self.0).cast::<()>().addr())
    }

    pub(crate) fn describe_all(self) {
        describe_all(self.0);
    }

    pub(crate) fn counter(self, metric: &Metric, labels: Vec<Label>) -> Counter {
        self.0.register_counter(&key(metric, labels), &METADATA)
    }

    pub(crate) fn gauge(self, metric: &Metric) -> Gauge {
        self.0.register_gauge(&key(metric, Vec::new()), &METADATA)
    }

    pub(crate) fn histogram(self, metric: &Metric, labels: Vec<Label>) -> Histogram {
        self.0.register_histogram(&key(metric, labels), &METADATA)
    }
}

fn key(metric: &Metric, labels: Vec<Label>) -> Key {
    Key::from_parts(metric.name, labels)
}
