//! The spans that a subscriber is told of, as an OpenTelemetry layer would export them: which there are, of what they are part, and
//! what they follow from.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_runtime::{Cache, cached, invalidates};
use cache_testkit::{Gate, LoadCounter, isolated, until};
use support::recorded;
use tokio::time::advance;
use tracing::{Instrument as _, Subscriber, info_span, span, subscriber::DefaultGuard};
use tracing_subscriber::{
    Layer,
    filter::LevelFilter,
    layer::{Context, SubscriberExt as _},
    registry,
    registry::LookupSpan,
};

#[cached(resource = "rows", skip(gate))]
async fn row(id: u32, gate: &Gate) -> u32 {
    tracing::info!("the body runs");
    gate.pass().await;
    id
}

#[cached(resource = "listed", each = ids)]
async fn listed(ids: &[u32]) -> Vec<Option<u32>> {
    ids.iter().copied().map(Some).collect()
}

#[invalidates("rows")]
async fn change() {}

#[cached(resource = "hidden", skip(loads), stale_while_revalidate = "1m")]
async fn old(loads: LoadCounter) -> u32 {
    loads.record();
    1
}

/// One span, as it was when it ended.
#[derive(Debug, Clone)]
struct Ended {
    id: u64,
    name: &'static str,
    fields: String,
    parent: Option<&'static str>,
    follows: Vec<u64>,
}

/// What is kept of a span that is open.
#[derive(Debug, Default)]
struct Open {
    fields: String,
    follows: Vec<u64>,
}

/// Collects the spans of one thread.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<Ended>>>);

impl Spans {
    fn start(level: LevelFilter) -> (Self, DefaultGuard) {
        let spans = Self::default();
        let guard = tracing::subscriber::set_default(registry().with(spans.clone().with_filter(level)));
        (spans, guard)
    }

    fn ended(&self) -> Vec<Ended> {
        self.0.lock().expect("no panic holds it").clone()
    }

    fn named(&self, name: &str) -> Vec<Ended> {
        self.ended().into_iter().filter(|span| span.name == name).collect()
    }

    /// Their names, in the order in which they ended.
    fn names(&self) -> Vec<&'static str> {
        self.ended()
            .iter()
            .map(|span| span.name)
            .filter(|name| name.starts_with("cache."))
            .collect()
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let span = context.span(id).expect("a new span");
        let fields = recorded(|fields| attributes.record(fields));
        span.extensions_mut().insert(Open {
            fields,
            follows: Vec::new(),
        });
    }

    fn on_follows_from(&self, id: &span::Id, follows: &span::Id, context: Context<'_, S>) {
        let span = context.span(id).expect("an open span");
        let mut extensions = span.extensions_mut();
        extensions
            .get_mut::<Open>()
            .expect("it is kept")
            .follows
            .push(follows.into_u64());
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let span = context.span(&id).expect("a span that closes");
        let Open { fields, follows } = span.extensions_mut().remove().expect("it is kept");
        let parent = span.parent().map(|parent| parent.name());
        let ended = Ended {
            id: id.into_u64(),
            name: span.name(),
            fields,
            parent,
            follows,
        };
        self.0.lock().expect("no panic holds it").push(ended);
    }
}

fn open() -> Gate {
    let gate = Gate::closed();
    gate.open();
    gate
}

#[tokio::test]
async fn a_miss_is_a_lookup_and_a_load_with_its_fill_and_a_hit_a_lookup() {
    let (spans, _guard) = Spans::start(LevelFilter::DEBUG);
    isolated(async |_| {
        row(1, &open()).instrument(info_span!("request")).await;
        assert_eq!(spans.names(), ["cache.lookup", "cache.fill", "cache.load"]);
        let parents: Vec<_> = spans.ended().iter().map(|span| span.parent).collect();
        assert_eq!(parents, [Some("request"), Some("cache.load"), Some("request"), None]);
        assert!(
            spans.ended()[..3].iter().all(|span| span.fields.contains("rows")),
            "{spans:?}"
        );
        row(1, &open()).await;
        assert_eq!(spans.names().split_off(3), ["cache.lookup"]);
    })
    .await;
}

#[tokio::test]
async fn several_ids_are_looked_up_loaded_and_stored_together() {
    let (spans, _guard) = Spans::start(LevelFilter::DEBUG);
    isolated(async |_| {
        listed(&[1, 2, 3]).await;
        assert_eq!(spans.names(), ["cache.lookup", "cache.fill", "cache.load"]);
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_is_a_span_of_its_own_with_the_number_of_its_stamps() {
    let (spans, _guard) = Spans::start(LevelFilter::DEBUG);
    isolated(async |_| {
        change().await;
        let invalidations = spans.named("cache.invalidate");
        assert_eq!(invalidations.len(), 1);
        assert!(invalidations[0].fields.contains("stamps=1"), "{invalidations:?}");
    })
    .await;
}

#[tokio::test]
async fn a_call_that_waits_for_the_load_of_another_follows_from_its_span() {
    let (spans, _guard) = Spans::start(LevelFilter::DEBUG);
    isolated(async |cache: Cache| {
        let gate = Gate::closed();
        let waiting = async {
            gate.until_waiting(1).await;
            tokio::task::yield_now().await;
            gate.open();
        };
        tokio::join!(row(1, &gate), row(1, &gate), row(1, &gate), waiting);
        assert_eq!(cache.stats().shared_loads, 2);
        let loads = spans.named("cache.load");
        let (leaders, waiters): (Vec<_>, Vec<_>) = loads.into_iter().partition(|span| span.follows.is_empty());
        assert_eq!((leaders.len(), waiters.len()), (1, 2));
        assert!(
            waiters.iter().all(|waiter| waiter.follows == [leaders[0].id]),
            "{waiters:?} of {leaders:?}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_in_the_background_follows_from_the_call_that_has_it_made() {
    let (spans, _guard) = Spans::start(LevelFilter::DEBUG);
    isolated(async |cache: Cache| {
        let loads = LoadCounter::new();
        old(loads.clone()).await;
        advance(Duration::from_secs(6)).await;
        old(loads.clone()).instrument(info_span!("request")).await;
        until("it is loaded again", async || cache.stats().fills == 2).await;
        until("the span has ended", async || !spans.named("cache.refresh").is_empty()).await;
        let refresh = &spans.named("cache.refresh")[0];
        assert_eq!(refresh.follows, [spans.named("request")[0].id]);
        assert_eq!(spans.named("cache.load")[1].parent, Some("cache.refresh"));
    })
    .await;
}

#[tokio::test]
async fn who_does_not_listen_at_debug_is_told_of_no_call() {
    let (spans, _guard) = Spans::start(LevelFilter::INFO);
    isolated(async |_| {
        row(1, &open()).await;
        row(1, &open()).await;
        change().await;
        assert_eq!(spans.names(), [""; 0]);
    })
    .await;
}
