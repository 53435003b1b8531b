//! `stale_while_revalidate`: for a while after its time the old value is returned at once, while one call loads.

use std::time::Duration;

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, StaleHit},
    cached, invalidates, with_cache,
};
use cache_testkit::{PATIENCE, RedisServer, isolated, isolated_in, patient, reaching, until};
use futures_util::future::join_all;
use support::outcome_of;
use tokio::time::advance;

use crate::source::{Failure, Source};

impl Source {
    #[cached(resource = "revalidated", stale_while_revalidate)]
    async fn figure(&self) -> Result<i64, Failure> {
        self.load().await
    }

    #[invalidates("revalidated")]
    async fn book(&self, figure: i64) {
        self.set(figure);
    }
}

const TTL: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn after_its_time_the_old_value_is_returned_at_once_while_exactly_one_call_loads() {
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        assert_eq!(source.figure().await, Ok(1));
        advance(TTL).await;
        source.set(2);
        source.gate.close();
        for _ in 0..50 {
            assert_eq!(outcome_of(source.figure()).await, (Ok(1), StaleHit));
        }
        source.gate.until_waiting(1).await;
        assert_eq!(source.loads.count(), 2);
        source.gate.open();
        until("the value is loaded again", async || cache.stats().fills == 2).await;
        assert_eq!(outcome_of(source.figure()).await, (Ok(2), Hit));
        assert_eq!(cache.stats().refreshes, 1);
        assert_eq!(source.loads.count(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_the_window_a_call_waits_for_its_load() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.figure().await, Ok(1));
        advance(TTL + WINDOW).await;
        source.set(2);
        assert_eq!(outcome_of(source.figure()).await, (Ok(2), Miss));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_leaves_the_old_value_and_is_made_again_after_a_second() {
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        assert_eq!(source.figure().await, Ok(1));
        advance(TTL).await;
        source.fail(true);
        source.set(2);
        assert_eq!(outcome_of(source.figure()).await, (Ok(1), StaleHit));
        until("the refresh has failed", async || cache.stats().failed_refreshes == 1).await;
        for _ in 0..10 {
            assert_eq!(outcome_of(source.figure()).await, (Ok(1), StaleHit));
        }
        assert_eq!(source.loads.count(), 2, "nobody tries again at once");
        source.fail(false);
        advance(Duration::from_secs(1)).await;
        assert_eq!(outcome_of(source.figure()).await, (Ok(1), StaleHit));
        until("the value is loaded again", async || cache.stats().fills == 2).await;
        assert_eq!(outcome_of(source.figure()).await, (Ok(2), Hit));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_invalidated_is_never_returned_however_short_its_time_has_been_over() {
    isolated(async |_| {
        let source = Source::new(1);
        assert_eq!(source.figure().await, Ok(1));
        advance(TTL).await;
        source.book(2).await;
        assert_eq!(outcome_of(source.figure()).await, (Ok(2), Miss));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_an_invalidation_overtakes_stores_nothing() {
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        assert_eq!(source.figure().await, Ok(1));
        advance(TTL).await;
        source.gate.close();
        assert_eq!(outcome_of(source.figure()).await, (Ok(1), StaleHit));
        // It has read the old number, and has not returned it.
        source.gate.until_waiting(1).await;
        source.book(2).await;
        source.gate.open();
        assert_eq!(outcome_of(source.figure()).await, (Ok(2), Miss));
        until("the refresh is over", async || {
            let stats = cache.stats();
            stats.refreshes == 1 && source.gate.waiting() == 0
        })
        .await;
        assert_eq!(source.figure().await, Ok(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_old_value_that_is_none_any_more_is_not_returned_once_a_load_has_said_so() {
    #[cached(resource = "revalidated", stale_while_revalidate, skip(source))]
    async fn positive(source: &Source) -> Option<i64> {
        source.load().await.ok().filter(|figure| *figure > 0)
    }
    #[cached(resource = "revalidated", stale_while_revalidate, skip(source), key(what = "small"), unless = |figure| *figure > 9)]
    async fn small(source: &Source) -> i64 {
        source.load().await.unwrap_or_default()
    }
    isolated(async |cache: Cache| {
        let source = Source::new(1);
        assert_eq!((positive(&source).await, small(&source).await), (Some(1), 1));
        advance(TTL).await;
        source.set(-1);
        assert_eq!(outcome_of(positive(&source)).await, (Some(1), StaleHit));
        until("the old value is gone", async || {
            outcome_of(positive(&source)).await == (None, Miss)
        })
        .await;
        source.set(10);
        assert_eq!(outcome_of(small(&source)).await, (1, StaleHit));
        until("the old value is gone", async || {
            outcome_of(small(&source)).await == (10, Miss)
        })
        .await;
        assert_eq!(cache.stats().refreshes, 2);
    })
    .await;
}

#[tokio::test]
async fn with_a_lease_one_process_of_several_loads_again() {
    let server = RedisServer::start().unwrap();
    let processes = [process(&server).await, process(&server).await, process(&server).await];
    let source = Source::new(1);
    let figure = source.leased();
    assert_eq!(with_cache(processes[0].clone(), figure).await, Ok(1));
    until("its time is over", async || {
        let call = with_cache(processes[1].clone(), source.leased());
        outcome_of(call).await.1 == StaleHit
    })
    .await;
    source.gate.close();
    let calls = processes.iter().flat_map(|cache| {
        let calls = (0..10).map(|_| with_cache(cache.clone(), source.leased()));
        calls.collect::<Vec<_>>()
    });
    join_all(calls).await;
    source.gate.open();
    until("the refreshes are over", async || source.gate.waiting() == 0).await;
    for cache in processes {
        cache.close().await;
    }
    let loads = source.loads.count();
    assert!(loads <= 3, "one load at a time, for all processes: {loads}");
}

impl Source {
    #[cached(resource = "leased", ttl = "20ms", stale_while_revalidate = "30s", lease)]
    async fn leased(&self) -> Result<i64, Failure> {
        self.load().await
    }
}

async fn process(server: &RedisServer) -> Cache {
    reaching(server, patient()).await
}

#[tokio::test]
async fn the_store_keeps_an_entry_for_its_time_and_its_window_and_not_longer() {
    let server = RedisServer::start().unwrap();
    let cache = reaching(&server, patient()).await;
    isolated_in(cache, async |_| {
        let source = Source::new(1);
        assert_eq!(source.figure().await, Ok(1));
        let mut connection = cache_testkit::redis::Client::open(server.url())
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let keys = support::keys(&server, "cache:*");
        let mut asked = cache_testkit::redis::cmd("PTTL");
        let left: u64 = asked.arg(&keys[0]).query_async(&mut connection).await.unwrap();
        let whole = u64::try_from((TTL + WINDOW).as_millis()).unwrap();
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
        assert!((whole - patience..=whole).contains(&left), "{left} ms");
    })
    .await;
}
