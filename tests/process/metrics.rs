//! What a recorder of the `metrics` facade is told: every metric, as Prometheus reads it.

#![expect(
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "Prometheus has no other numbers, and these are small"
)]

use std::{collections::BTreeSet, time::Duration};

use ::metrics::set_default_local_recorder;
use cache_runtime::{Cache, DURATION_BUCKETS, bypass, cached, invalidates, refresh};
use cache_testkit::{Gate, LoadCounter, PATIENCE, RedisServer, isolated, isolated_in, patient, reaching, until};
use futures_util::FutureExt as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use prometheus_parse::{Sample, Scrape, Value};
use support::spy;
use tokio::time::{advance, sleep};

const LOAD: Duration = Duration::from_millis(300);

#[cached(resource = "rows")]
async fn row(id: u32) -> u32 {
    sleep(LOAD).await;
    id
}

#[cached(resource = "pages", near = "tracked")]
async fn page(id: u32) -> String {
    format!("{id:0>800}")
}

#[invalidates("pages")]
async fn change_pages() {}

#[cached(resource = "rates")]
async fn rate(id: u32) -> u32 {
    id
}

#[invalidates("rates")]
async fn change_rates() {}

#[cached(
    resource = "hidden",
    skip(loads),
    stale_while_revalidate = "1m",
    stale_if_error = "1m"
)]
async fn once(loads: LoadCounter) -> Result<u32, String> {
    loads.record();
    if loads.count() == 1 {
        Ok(1)
    } else {
        Err("out of order".to_owned())
    }
}

#[cached(resource = "ledger", skip(gate))]
async fn booked(id: u32, gate: &Gate) -> u32 {
    gate.pass().await;
    id
}

#[invalidates("ledger")]
async fn book() {}

#[cached(resource = "answers", load_timeout(hard = "1s"))]
async fn late() -> Result<u32, cache_runtime::LoadTimeout> {
    sleep(Duration::from_mins(1)).await;
    Ok(1)
}

/// A recorder whose durations are histograms.
fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Prefix("cache_".to_owned()), DURATION_BUCKETS)
        .expect("there are buckets")
        .build_recorder()
}

/// What a recorder has been told, as Prometheus reads it.
struct Told(Scrape);

impl Told {
    fn by(cache: &Cache, handle: &PrometheusHandle) -> Self {
        cache.publish_metrics();
        Self::so_far(handle)
    }

    fn so_far(handle: &PrometheusHandle) -> Self {
        let lines = handle.render();
        let lines = lines.lines().map(|line| Ok(line.to_owned()));
        Self(Scrape::parse(lines).expect("Prometheus reads it"))
    }

    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Sample> {
        let has = |sample: &&Sample| {
            labels
                .iter()
                .all(|(label, value)| sample.labels.get(label) == Some(value))
        };
        self.0.samples.iter().filter(|sample| sample.metric == name).find(has)
    }

    /// The number of a counter or a gauge.
    fn number(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        match self.find(name, labels).map(|sample| &sample.value) {
            Some(Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number)) => *number,
            other => panic!("{name}{labels:?}: {other:?}"),
        }
    }

    /// What the durations of a histogram are, and how many.
    fn durations(&self, name: &str, labels: &[(&str, &str)]) -> (f64, f64) {
        let part = |part| self.number(&format!("{name}_{part}"), labels);
        assert!(matches!(
            self.find(name, labels).expect("buckets").value,
            Value::Histogram(_)
        ));
        (part("count"), part("sum"))
    }

    fn requests(&self, resource: &str, outcome: &str) -> f64 {
        self.number("cache_requests_total", &[("resource", resource), ("outcome", outcome)])
    }

    fn of(&self, name: &str, resource: &str) -> f64 {
        self.number(name, &[("resource", resource)])
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_resource_and_outcome_with_what_their_hits_have_spared() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated(async |cache| {
        for _ in 0..8 {
            row(1).await;
        }
        bypass(row(1)).await;
        refresh(row(1)).await;
        let told = Told::by(&cache, &recorder.handle());
        let outcomes = [
            "hit",
            "miss",
            "bypass",
            "refreshed",
            "near_hit",
            "stale_hit",
            "rejected",
        ];
        assert_eq!(
            outcomes.map(|outcome| told.requests("rows", outcome)),
            [7.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(told.of("cache_loads_total", "rows"), 3.0);
        assert_eq!(told.of("cache_fills_total", "rows"), 2.0);
        assert_eq!(
            told.of("cache_load_saved_seconds_total", "rows"),
            2.0,
            "the whole seconds of 2.1"
        );
        let of = cache
            .resource_stats()
            .into_iter()
            .find(|of| of.resource == "rows")
            .expect("it is declared");
        assert_eq!(told.of("cache_filled_bytes_total", "rows"), of.bytes_filled as f64);
        assert_eq!(told.of("cache_read_bytes_total", "rows"), of.bytes_read as f64);
        assert_eq!(
            told.durations("cache_load_duration_seconds", &[("resource", "rows")]),
            (2.0, 0.6)
        );
        assert_eq!(
            told.durations("cache_lookup_duration_seconds", &[("resource", "rows")])
                .0,
            9.0
        );
        assert_eq!(
            told.durations("cache_fill_duration_seconds", &[("resource", "rows")]).0,
            2.0
        );
        assert!(
            told.find("cache_requests_total", &[("resource", "pages")]).is_none(),
            "nobody has called it"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn loads_are_counted_by_what_became_of_them() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated(async |cache| {
        let loads = LoadCounter::new();
        once(loads.clone()).await.expect("it does not fail yet");
        advance(Duration::from_secs(6)).await;
        assert_eq!(once(loads.clone()).await, Ok(1), "old, and loaded again");
        until("the load has failed", async || cache.stats().failed_refreshes == 1).await;
        late().await.expect_err("it takes too long");
        let gate = Gate::closed();
        let waiting = async {
            gate.until_waiting(1).await;
            gate.open();
        };
        tokio::join!(booked(1, &gate), booked(1, &gate), waiting);
        gate.close();
        let queued = async {
            gate.until_waiting(1).await;
            until("one waits for its turn", async || cache.stats().queued_loads == 1).await;
            gate.open();
        };
        tokio::join!(booked(2, &gate), booked(3, &gate), queued);
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(told.requests("hidden", "stale_hit"), 1.0);
        assert_eq!(told.of("cache_refreshes_total", "hidden"), 1.0);
        assert_eq!(told.of("cache_refresh_failures_total", "hidden"), 1.0);
        assert_eq!(told.of("cache_load_failures_total", "hidden"), 1.0);
        assert_eq!(told.of("cache_load_timeouts_total", "answers"), 1.0);
        assert_eq!(told.of("cache_shared_loads_total", "ledger"), 1.0);
        assert_eq!(told.of("cache_queued_loads_total", "ledger"), 1.0);
        assert_eq!(told.of("cache_taken_over_loads_total", "ledger"), 0.0);
    })
    .await;
}

#[tokio::test]
async fn a_load_beside_one_that_has_stalled_is_counted() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated(async |cache| {
        let gate = Gate::closed();
        let mut kept = Box::pin(booked(1, &gate));
        assert!(kept.as_mut().now_or_never().is_none());
        gate.open();
        assert_eq!(booked(1, &gate).await, 1);
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(told.of("cache_taken_over_loads_total", "ledger"), 1.0);
        drop(kept);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn flights_under_way_are_counted_while_they_are() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated(async |cache| {
        let gate = Gate::closed();
        let looking = async {
            gate.until_waiting(1).await;
            assert_eq!(Told::by(&cache, &recorder.handle()).number("cache_flights", &[]), 1.0);
            gate.open();
        };
        tokio::join!(booked(1, &gate), looking);
        assert_eq!(Told::by(&cache, &recorder.handle()).number("cache_flights", &[]), 0.0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_near_cache_says_how_full_it_is_and_what_it_had_no_room_for() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    let cache = Cache::builder().near_capacity(64 << 10).build();
    isolated_in(cache, async |cache| {
        for id in 0..1_000 {
            page(id).await;
            tokio::task::yield_now().await;
        }
        let (told, stats) = (Told::by(&cache, &recorder.handle()), cache.stats());
        assert!(stats.near_evictions > 800, "{stats:?}");
        assert_eq!(
            told.number("cache_near_evictions_total", &[]),
            stats.near_evictions as f64
        );
        assert_eq!(told.number("cache_near_values", &[]), stats.near_entries as f64);
        assert_eq!(told.number("cache_near_bytes", &[]), stats.near_bytes as f64);
        assert_eq!(told.number("cache_near_capacity_bytes", &[]), f64::from(64 << 10));
        assert_eq!(told.number("cache_near_watching", &[]), 1.0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_breaker_and_the_journal_are_told_of_and_invalidations_by_their_result() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        assert!(cache.ready(PATIENCE).await);
        book().await;
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(
            (
                told.number("cache_breaker_open", &[]),
                told.number("cache_journal_lines", &[])
            ),
            (0.0, 0.0)
        );
        spy.fail_all(cache_runtime::store::StoreErrorKind::Unavailable);
        until("the breaker is open", async || {
            rate(1).await;
            !cache.is_available()
        })
        .await;
        book().await;
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(
            (
                told.number("cache_breaker_open", &[]),
                told.number("cache_journal_lines", &[])
            ),
            (1.0, 1.0)
        );
        assert_eq!(told.number("cache_breaker_openings_total", &[]), 1.0);
        assert_eq!(told.number("cache_invalidations_total", &[]), 2.0);
        let durations = |result| {
            told.durations("cache_invalidation_duration_seconds", &[("result", result)])
                .0
        };
        assert_eq!((durations("acknowledged"), durations("pending")), (1.0, 1.0));
        spy.heal();
        assert!(cache.ready(PATIENCE).await);
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(
            (
                told.number("cache_breaker_open", &[]),
                told.number("cache_journal_lines", &[])
            ),
            (0.0, 0.0)
        );
    })
    .await;
}

#[tokio::test]
async fn sweeps_are_counted_with_what_they_removed() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    let server = RedisServer::start().expect("a server");
    isolated_in(reaching(&server, patient()).await, async |cache| {
        rate(1).await;
        rate(2).await;
        change_rates().await;
        until("both are swept", async || cache.stats().swept == 2).await;
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(told.number("cache_sweeps_total", &[("result", "done")]), 1.0);
        assert_eq!(told.number("cache_sweeps_total", &[("result", "given_up")]), 0.0);
        assert_eq!(told.number("cache_swept_entries_total", &[]), 2.0);
    })
    .await;
}

#[tokio::test]
async fn refused_entries_are_counted_by_their_cause() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    let server = RedisServer::start().expect("a server");
    isolated_in(reaching(&server, patient()).await, async |cache| {
        rate(1).await;
        let (key, _) = support::entry(&server);
        support::overwrite(&server, &key, b"not an entry");
        rate(1).await;
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(told.number("cache_rejections_total", &[("cause", "signature")]), 0.0);
        assert_eq!(told.number("cache_rejections_total", &[("cause", "magic")]), 1.0);
        assert_eq!(told.requests("rates", "rejected"), 1.0);
    })
    .await;
}

#[tokio::test]
async fn the_lag_of_invalidations_is_measured_on_the_watch_of_this_process() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    let server = RedisServer::start().expect("a server");
    isolated_in(reaching(&server, patient()).await, async |cache| {
        until("twenty lags are measured", async || {
            // Twice: the first value may be kept before it is known that its stamp was made.
            page(1).await;
            page(1).await;
            change_pages().await;
            let told = Told::by(&cache, &recorder.handle());
            let any = told.find("cache_invalidation_lag_seconds_count", &[]).is_some();
            any && told.number("cache_invalidation_lag_seconds_count", &[]) >= 20.0
        })
        .await;
        let told = Told::by(&cache, &recorder.handle());
        let (count, sum) = told.durations("cache_invalidation_lag_seconds", &[]);
        assert!(count <= cache.stats().invalidations as f64, "one each at most");
        assert!(sum < 10.0, "{sum}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_reported_later_than_it_is_acknowledged_lags_by_that() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated(async |cache| {
        until("a value is in the near cache", async || {
            page(1).await;
            cache.stats().near_hits > 0
        })
        .await;
        change_pages().await;
        change_pages().await;
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(
            told.durations("cache_invalidation_lag_seconds", &[]),
            (1.0, 0.0),
            "a store in the process reports before it acknowledges; and what nothing depends on is not measured"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_is_installed_late_is_told_of_all_that_was_counted_before() {
    isolated(async |cache| {
        row(1).await;
        cache.publish_metrics();
        let recorder = recorder();
        let _local = set_default_local_recorder(&recorder);
        row(1).await;
        let told = Told::by(&cache, &recorder.handle());
        assert_eq!(
            (told.requests("rows", "miss"), told.requests("rows", "hit")),
            (1.0, 1.0)
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_is_published_every_second_without_being_asked_for() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated(async |_| {
        row(1).await;
        row(1).await;
        advance(Duration::from_millis(1_001)).await;
        until("it is published", async || {
            let told = Told::so_far(&recorder.handle());
            let hits = told.find("cache_requests_total", &[("resource", "rows"), ("outcome", "hit")]);
            hits.is_some_and(|hits| hits.value == Value::Counter(1.0))
        })
        .await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_disabled_cache_publishes_the_calls_that_pass_it() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated_in(Cache::disabled(), async |_| {
        row(1).await;
        until("it is published", async || {
            let told = Told::so_far(&recorder.handle());
            let passed = told.find("cache_requests_total", &[("resource", "rows"), ("outcome", "bypass")]);
            passed.is_some_and(|passed| passed.value == Value::Counter(1.0))
        })
        .await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn several_caches_add_up_and_one_that_is_gone_leaves_its_counts_and_takes_its_gauges() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    let (one, other) = (Cache::builder().build(), Cache::builder().build());
    isolated_in(one.clone(), async |_| row(1).await).await;
    isolated_in(other.clone(), async |_| row(1).await).await;
    one.publish_metrics();
    let told = Told::by(&other, &recorder.handle());
    assert_eq!(told.requests("rows", "miss"), 2.0);
    let capacity = told.number("cache_near_capacity_bytes", &[]);
    drop(one);
    let told = Told::by(&other, &recorder.handle());
    assert_eq!(told.requests("rows", "miss"), 2.0);
    assert_eq!(told.number("cache_near_capacity_bytes", &[]), capacity / 2.0);
}

#[tokio::test(start_paused = true)]
async fn no_metric_has_another_label_than_those_that_are_documented() {
    let recorder = recorder();
    let _local = set_default_local_recorder(&recorder);
    isolated(async |cache| {
        cache_runtime::with_tenant("acme", async {
            row(1).await;
            page(1).await;
            change_pages().await;
        })
        .await;
        Told::by(&cache, &recorder.handle());
        let lines = recorder.handle().render();
        assert!(!lines.contains("acme"), "tenants are no label");
        let labels: BTreeSet<&str> = lines
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0))
            .flat_map(|labels| labels.split(','))
            .filter_map(|label| Some(label.split_once('=')?.0))
            .collect();
        assert_eq!(labels, BTreeSet::from(["cause", "le", "outcome", "resource", "result"]));
    })
    .await;
}
