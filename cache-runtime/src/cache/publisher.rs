//! What a cache has counted is published to the recorder of the `metrics` facade: every second, when it is asked for, and at the end.
//! A call counts as it always does, and knows nothing of a recorder.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use metrics::{Counter, Gauge, Label};

use super::{ResourceStats, Stats, relay_notes::RelayNotes, removals::Removals, stats::Figures, upstream::Upstream};
use crate::{
    entry::Rejection,
    loads::Flights,
    near::Near,
    recorder::{Metric, RecorderId, Registration, has_recorder, names, with_recorder},
    sync::Mutex,
    task::{Claim, Needs, SingleTask, handle_for},
};

/// How old what a recorder knows may be.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is counted of each resource: the metric, the outcome if it is told by that, and the count.
type ResourceCounter = (&'static Metric, Option<&'static str>, fn(&ResourceStats) -> u64);

const RESOURCE_COUNTERS: &[ResourceCounter] = &[
    (&names::REQUESTS, Some("hit"), |of| of.hits),
    (&names::REQUESTS, Some("near_hit"), |of| of.near_hits),
    (&names::REQUESTS, Some("stale_hit"), |of| of.stale_hits),
    (&names::REQUESTS, Some("miss"), |of| of.misses),
    (&names::REQUESTS, Some("bypass"), |of| of.bypasses),
    (&names::REQUESTS, Some("rejected"), |of| of.rejected),
    (&names::REQUESTS, Some("refreshed"), |of| of.refreshed),
    (&names::LOADS, None, |of| of.loads),
    (&names::LOAD_FAILURES, None, |of| of.failed_loads),
    (&names::LOAD_TIMEOUTS, None, |of| of.timed_out_loads),
    (&names::SHARED_LOADS, None, |of| of.shared_loads),
    (&names::QUEUED_LOADS, None, |of| of.queued_loads),
    (&names::TAKEN_OVER_LOADS, None, |of| of.taken_over_loads),
    // A counter counts; what is left of a second is published with the next one.
    (&names::LOAD_SAVED, None, |of| of.load_time_saved.as_secs()),
    (&names::REFRESHES, None, |of| of.refreshes),
    (&names::REFRESH_FAILURES, None, |of| of.failed_refreshes),
    (&names::FILLS, None, |of| of.fills),
    (&names::FILL_FAILURES, None, |of| of.failed_fills),
    (&names::READ_BYTES, None, |of| of.bytes_read),
    (&names::FILLED_BYTES, None, |of| of.bytes_filled),
    (&names::STALE_DETECTED, None, |of| of.stale_detected),
];

/// What is counted of a cache: the metric, what it is told by, and the count.
type CacheCounter = (&'static Metric, Option<(&'static str, &'static str)>, fn(&Stats) -> u64);

const CACHE_COUNTERS: &[CacheCounter] = &[
    (&names::INVALIDATIONS, None, |all| all.invalidations),
    (&names::SWEEPS, Some(("result", "done")), |all| all.sweeps),
    (&names::SWEEPS, Some(("result", "given_up")), |all| all.failed_sweeps),
    (&names::SWEPT_ENTRIES, None, |all| all.swept),
    (&names::RELAYED_CHANGES, None, |all| all.relayed_changes),
    (&names::NEAR_EVICTIONS, None, |all| all.near_evictions),
    (&names::BREAKER_OPENINGS, None, |all| all.breaker_openings),
];

/// What is so now: the metric, and how much.
type NowGauge = (&'static Metric, fn(&Publisher) -> f64);

const GAUGES: &[NowGauge] = &[
    (&names::NEAR_VALUES, |of| f64_of(of.near.len() as u64)),
    (&names::NEAR_BYTES, |of| f64_of(of.near.weight())),
    (&names::NEAR_CAPACITY, |of| f64_of(of.near.capacity())),
    (&names::NEAR_WATCHING, |of| of.near.is_watching().into()),
    (&names::BREAKER_OPEN, |of| of.upstream.health.is_open().into()),
    (&names::JOURNAL_LINES, |of| f64_of(of.removals.journal.len() as u64)),
    (&names::FLIGHTS, |of| f64_of(of.flights.len() as u64)),
];

#[expect(clippy::cast_precision_loss, reason = "more than 2⁵² of anything are not here")]
fn f64_of(count: u64) -> f64 {
    count as f64
}

/// Who publishes what one cache has counted.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) figures: Arc<Figures>,
    pub(super) near: Arc<Near>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) removals: Arc<Removals>,
    pub(super) flights: Arc<Flights>,
    pub(super) relay_notes: Arc<RelayNotes>,
    pub(super) state: PublisherState,
}

#[derive(Debug, Default)]
pub(super) struct PublisherState {
    task: SingleTask,
    published: Mutex<Option<Published>>,
}

impl Publisher {
    /// Starts to publish every second, if there is a recorder and nobody does yet.
    pub(super) fn ensure(self: &Arc<Self>) {
        if self.state.task.is_running() || !has_recorder() || self.upstream.is_closed() {
            return;
        }
        if let Ok(runtime) = handle_for(Needs::Timers)
            && let Some(claim) = self.state.task.claim()
        {
            runtime.spawn(publish_on_and_on(Arc::downgrade(self), claim));
        }
    }

    /// Publishes what has come since the last time, if there is a recorder. One that was not there then is told of everything that this
    /// cache has counted.
    pub(super) fn publish(&self) {
        with_recorder(|recorder| {
            let mut published = self.state.published.lock();
            let known = published.take().filter(|published| published.recorder == recorder.id());
            let known = published.insert(known.unwrap_or_else(|| Published::begin(recorder)));
            known.register(recorder, self);
            known.publish(self);
        });
    }

    /// The stats that do not depend on a resource, and are counted elsewhere.
    fn stats(&self) -> Stats {
        Stats {
            near_evictions: self.near.evictions(),
            breaker_openings: self.upstream.health.openings(),
            ..self.figures.of_all()
        }
    }
}

/// The recorder that there was is told, and nobody looks for another one: that would panic where a thread ends.
impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(mut published) = self.state.published.get_mut().take() {
            published.publish(self);
            published.end();
        }
    }
}

async fn publish_on_and_on(publisher: Weak<Publisher>, _claim: Claim) {
    loop {
        {
            let Some(publisher) = publisher.upgrade() else { return };
            publisher.publish();
            if publisher.upstream.is_closed() {
                return;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What a recorder knows.
#[derive(Debug)]
struct Published {
    recorder: RecorderId,
    /// In the order of [`RESOURCE_COUNTERS`].
    resources: HashMap<&'static str, Vec<PublishedCounter>>,
    /// In the order of [`CACHE_COUNTERS`].
    counters: Vec<PublishedCounter>,
    rejections: Vec<PublishedCounter>,
    /// In the order of [`GAUGES`].
    gauges: Vec<PublishedGauge>,
    /// `None` as long as nothing is relayed.
    relay_lag: Option<Gauge>,
}

impl Published {
    fn begin(recorder: Registration<'_>) -> Self {
        recorder.describe_all();
        let counter = |(metric, label, _): &CacheCounter| {
            let labels = label.iter().map(Label::from).collect();
            PublishedCounter::new(recorder.counter(metric, labels))
        };
        let rejection = |cause: &Rejection| {
            let label = Label::from_static_parts("cause", cause.as_str());
            PublishedCounter::new(recorder.counter(&names::REJECTIONS, vec![label]))
        };
        Self {
            recorder: recorder.id(),
            resources: HashMap::new(),
            counters: CACHE_COUNTERS.iter().map(counter).collect(),
            rejections: Rejection::ALL.iter().map(rejection).collect(),
            gauges: GAUGES
                .iter()
                .map(|(metric, _)| PublishedGauge::new(recorder.gauge(metric)))
                .collect(),
            relay_lag: None,
        }
    }

    /// Registers what is there by now and was not before.
    fn register(&mut self, recorder: Registration<'_>, of: &Publisher) {
        for resource in of.figures.counted() {
            let counters = self.resources.entry(resource);
            counters.or_insert_with(|| resource_counters(recorder, resource));
        }
        if of.relay_notes.has_any() {
            self.relay_lag.get_or_insert_with(|| recorder.gauge(&names::RELAY_LAG));
        }
    }

    fn publish(&mut self, of: &Publisher) {
        for resource in of.figures.of_each() {
            let counters = self.resources.get_mut(resource.resource).into_iter().flatten();
            for (counter, (_, _, count)) in counters.zip(RESOURCE_COUNTERS) {
                counter.publish(count(&resource));
            }
        }
        let stats = of.stats();
        for (counter, (_, _, count)) in self.counters.iter_mut().zip(CACHE_COUNTERS) {
            counter.publish(count(&stats));
        }
        for (counter, cause) in self.rejections.iter_mut().zip(Rejection::ALL) {
            counter.publish(of.figures.rejections(*cause));
        }
        for (gauge, (_, value)) in self.gauges.iter_mut().zip(GAUGES) {
            gauge.publish(value(of));
        }
        if let Some(gauge) = &self.relay_lag {
            gauge.set(of.relay_notes.longest_lag());
        }
    }

    /// The cache is no more.
    fn end(&mut self) {
        for gauge in &mut self.gauges {
            gauge.publish(0.0);
        }
    }
}

fn resource_counters(recorder: Registration<'_>, resource: &'static str) -> Vec<PublishedCounter> {
    let counter = |(metric, outcome, _): &ResourceCounter| {
        let outcome = outcome.map(|outcome| Label::from_static_parts("outcome", outcome));
        let labels = std::iter::once(Label::from_static_parts("resource", resource));
        PublishedCounter::new(recorder.counter(metric, labels.chain(outcome).collect()))
    };
    RESOURCE_COUNTERS.iter().map(counter).collect()
}

/// A counter of a recorder, to which all caches of the program add.
#[derive(Debug)]
struct PublishedCounter {
    counter: Counter,
    published: u64,
}

impl PublishedCounter {
    fn new(counter: Counter) -> Self {
        Self { counter, published: 0 }
    }

    fn publish(&mut self, count: u64) {
        self.counter.increment(count.saturating_sub(self.published));
        self.published = self.published.max(count);
    }
}

/// A gauge of a recorder: the sum over all caches of the program.
#[derive(Debug)]
struct PublishedGauge {
    gauge: Gauge,
    published: f64,
}

impl PublishedGauge {
    fn new(gauge: Gauge) -> Self {
        Self { gauge, published: 0.0 }
    }

    fn publish(&mut self, value: f64) {
        self.gauge.increment(value - self.published);
        self.published = value;
    }
}
