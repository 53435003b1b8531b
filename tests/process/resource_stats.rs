//! What is counted of each resource: outcomes, loads and what hits have spared, bytes, and how long things took.

use std::time::Duration;

use cache_runtime::{Cache, ResourceStats, Stats, bypass, cached, refresh};
use cache_testkit::{LoadCounter, OperationKind, PATIENCE, isolated, isolated_in, until};
use support::spy;
use tokio::time::{advance, sleep};

const LOAD: Duration = Duration::from_millis(30);

/// Shorter than a read may take.
const LOOKUP: Duration = Duration::from_millis(20);

#[cached(resource = "rows")]
async fn row(id: u32) -> u32 {
    sleep(LOAD).await;
    id
}

#[cached(resource = "pages", near = "tracked")]
async fn page(id: u32) -> u32 {
    sleep(LOAD).await;
    id
}

#[cached(resource = "pages", near = "checked")]
async fn checked_page(id: u32) -> u32 {
    sleep(LOAD).await;
    id
}

#[cached(resource = "answers", negative_ttl = "10s", cache_err = |error: &String| error == "known")]
async fn answer(error: &str) -> Result<u32, String> {
    sleep(LOAD).await;
    Err(error.to_owned())
}

#[cached(resource = "listed", each = ids)]
async fn listed(ids: &[u32]) -> Vec<Option<u32>> {
    sleep(LOAD).await;
    ids.iter().map(|id| (*id > 0).then_some(*id)).collect()
}

#[cached(resource = "hidden", skip(loads), stale_if_error = "1m")]
async fn once(loads: &LoadCounter) -> Result<u32, String> {
    loads.record();
    sleep(LOAD).await;
    if loads.count() == 1 {
        Ok(1)
    } else {
        Err("out of order".to_owned())
    }
}

/// What is counted of a resource.
fn of(cache: &Cache, resource: &str) -> ResourceStats {
    let each = cache.resource_stats();
    let found = each.into_iter().find(|of| of.resource == resource);
    found.expect("it is declared")
}

#[tokio::test(start_paused = true)]
async fn every_declared_resource_is_there_in_order_whether_it_was_called_or_not() {
    isolated(async |cache: Cache| {
        row(1).await;
        let each = cache.resource_stats();
        assert!(each.is_sorted_by_key(|of| of.resource));
        let called: Vec<_> = each.iter().filter(|of| of.calls() > 0).map(|of| of.resource).collect();
        assert_eq!(called, ["rows"]);
        let idle = each.iter().find(|of| of.resource == "ledger").expect("it is declared");
        assert_eq!((idle.hit_rate(), idle.load_latency.mean()), (0.0, None));
        assert!(each.iter().all(|of| of.resource != "~"), "nothing was set by key");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_of_each_resource_adds_up_to_what_the_cache_has_done() {
    isolated(async |cache: Cache| {
        row(1).await;
        row(1).await;
        refresh(row(1)).await;
        bypass(row(1)).await;
        until("a value in the near cache", async || {
            page(1).await;
            cache.stats().near_hits > 0
        })
        .await;
        assert!(answer("some").await.is_err());
        listed(&[1, 2, 3]).await;
        listed(&[2, 3, 4]).await;
        assert!(cache.set("key", &1, Duration::from_mins(1)).await);

        let rows = of(&cache, "rows");
        assert_eq!((rows.misses, rows.hits, rows.refreshed, rows.bypasses), (1, 1, 1, 1));
        assert_eq!((rows.loads, rows.fills, rows.calls()), (3, 2, 4));
        assert!((rows.hit_rate() - 0.25).abs() < f64::EPSILON);
        let listed = of(&cache, "listed");
        assert_eq!((listed.misses, listed.hits, listed.loads, listed.fills), (4, 2, 2, 4));
        assert_eq!(of(&cache, "~").fills, 1, "values by key are counted by themselves");

        let (each, all): (Vec<ResourceStats>, Stats) = (cache.resource_stats(), cache.stats());
        let sum = |count: fn(&ResourceStats) -> u64| each.iter().map(count).sum::<u64>();
        assert_eq!(sum(|of| of.hits), all.hits);
        assert_eq!(sum(|of| of.near_hits), all.near_hits);
        assert_eq!(sum(|of| of.misses), all.misses);
        assert_eq!(sum(|of| of.bypasses), all.bypasses);
        assert_eq!(sum(|of| of.refreshed), all.refreshed);
        assert_eq!(sum(|of| of.loads), all.loads);
        assert_eq!(sum(|of| of.failed_loads), all.failed_loads);
        assert_eq!(sum(|of| of.fills), all.fills);
        assert_eq!(
            each.iter().map(|of| of.load_time_saved).sum::<Duration>(),
            all.load_time_saved
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_hit_spares_the_time_that_its_value_took_to_load() {
    isolated(async |cache: Cache| {
        row(1).await;
        assert_eq!(of(&cache, "rows").load_time_saved, Duration::ZERO);
        for _ in 0..3 {
            row(1).await;
        }
        assert_eq!(of(&cache, "rows").load_time_saved, 3 * LOAD);
        bypass(row(1)).await;
        refresh(row(1)).await;
        assert_eq!(
            of(&cache, "rows").load_time_saved,
            3 * LOAD,
            "these have spared nothing"
        );

        listed(&[1, 2]).await;
        listed(&[1, 2]).await;
        assert_eq!(
            of(&cache, "listed").load_time_saved,
            2 * LOAD,
            "each id was loaded in as long"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hit_of_the_near_cache_spares_as_much_whether_the_value_was_loaded_read_or_checked() {
    isolated(async |cache: Cache| {
        for _ in 0..5 {
            page(1).await;
            tokio::task::yield_now().await;
        }
        let loaded = of(&cache, "pages");
        assert!(loaded.near_hits > 1, "{loaded:?}");
        assert_eq!(loaded.load_time_saved, 4 * LOAD);
        for _ in 0..5 {
            checked_page(1).await;
        }
        let checked = of(&cache, "pages");
        assert!(checked.near_hits >= loaded.near_hits + 3, "{checked:?}");
        assert_eq!(checked.load_time_saved, 8 * LOAD);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_old_value_in_the_place_of_an_error_spares_nothing() {
    isolated(async |cache: Cache| {
        let loads = LoadCounter::new();
        once(&loads).await.expect("it does not fail yet");
        advance(Duration::from_secs(5)).await;
        assert_eq!(once(&loads).await, Ok(1));
        let of = of(&cache, "hidden");
        assert_eq!((of.stale_hits, of.loads, of.failed_loads), (1, 2, 1));
        assert_eq!(of.load_time_saved, Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn loads_that_return_an_error_have_failed_whether_that_is_stored_or_not() {
    isolated(async |cache: Cache| {
        for _ in 0..2 {
            assert!(answer("unknown").await.is_err());
            assert!(answer("known").await.is_err());
        }
        let of = of(&cache, "answers");
        assert_eq!((of.loads, of.failed_loads), (3, 3));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn loads_and_lookups_are_timed_each_by_itself() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        assert!(cache.ready(PATIENCE).await);
        for id in [1, 2, 3] {
            row(id).await;
        }
        let loads = of(&cache, "rows").load_latency;
        assert_eq!((loads.count(), loads.total(), loads.mean()), (3, 3 * LOAD, Some(LOAD)));
        let median = loads.quantile(0.5).expect("it was measured");
        assert!(median > LOAD * 2 / 3 && median < LOAD * 3 / 2, "{median:?}");

        let before = of(&cache, "rows").lookup_latency;
        assert_eq!((before.count(), before.total()), (3, Duration::ZERO));
        let answer = spy.hold_answer(OperationKind::Read);
        let late = async {
            answer.until_waiting(1).await;
            advance(LOOKUP).await;
            answer.open();
        };
        tokio::join!(row(1), late);
        let lookups = of(&cache, "rows").lookup_latency;
        assert_eq!((lookups.count(), lookups.total()), (4, LOOKUP));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_an_entry_are_counted_when_it_is_stored_and_when_it_is_read() {
    isolated(async |cache: Cache| {
        row(1).await;
        let filled = of(&cache, "rows");
        assert!(
            filled.bytes_filled > 60,
            "the header, a stamp and the value: {filled:?}"
        );
        assert_eq!(filled.bytes_read, 0);
        for _ in 0..3 {
            row(1).await;
        }
        let read = of(&cache, "rows");
        assert_eq!(
            (read.bytes_filled, read.bytes_read),
            (filled.bytes_filled, 3 * filled.bytes_filled)
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_many_lookups_a_sample_tells_how_many_there_were_and_how_much_they_read() {
    isolated(async |cache: Cache| {
        const HITS: u32 = 20_000;
        row(1).await;
        for _ in 0..HITS {
            row(1).await;
        }
        let of = of(&cache, "rows");
        assert_eq!(of.hits, u64::from(HITS), "those are counted, each");
        assert_eq!(of.load_time_saved, HITS * LOAD);
        // Six deviations of what is drawn: 8 × √(20,000 × 1/8 × 7/8) = 374.
        let near = |estimate: u64, right: u64| estimate.abs_diff(right) < right * 12 / 100;
        assert!(near(of.lookup_latency.count(), HITS.into()), "{of:?}");
        assert!(near(of.bytes_read, of.bytes_filled * u64::from(HITS)), "{of:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_disabled_counts_the_calls_that_pass_it() {
    isolated_in(Cache::disabled(), async |cache| {
        row(1).await;
        let of = of(&cache, "rows");
        assert_eq!((of.bypasses, of.loads, of.calls()), (1, 1, 1));
        assert_eq!(of.load_latency.count(), 0, "what runs without the cache is not timed");
    })
    .await;
}
