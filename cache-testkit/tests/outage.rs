//! A store that fails, hangs or is gone: the call returns what its body returns, within its budget.

use std::time::Duration;

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Bypass, Hit, Miss},
    cached, observe,
    store::{MemoryStore, RedisConfig, StoreErrorKind},
};
use cache_testkit::{OperationKind, RedisServer, SpyStore, expect_outcomes, isolated_in, reaching};
use tokio::time::Instant;

mod cache_resources {
    cache_runtime::resources! {
        answers { ttl = 60 }
    }
}

#[cached(resource = "answers")]
async fn answer(id: u32) -> u32 {
    id
}

const BUDGET: Duration = Duration::from_millis(50);

fn spied() -> (SpyStore, Cache) {
    let spy = SpyStore::new(MemoryStore::new(1 << 20));
    (
        spy.clone(),
        Cache::builder()
            .store(spy)
            .read_timeout(BUDGET)
            .breaker_failures(5)
            .build(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_hung_store_costs_a_call_its_budget_until_the_breaker_opens_and_nothing_afterwards() {
    let (spy, cache) = spied();
    isolated_in(cache, async |cache| {
        answer(1).await;
        let gates = [spy.hold(OperationKind::Read), spy.hold(OperationKind::Probe)];
        let mut slow_calls = 0;
        while cache.is_available() {
            let began = Instant::now();
            assert_eq!(expect_outcomes(&[Bypass], answer(1)).await, 1);
            assert_eq!(began.elapsed(), BUDGET);
            slow_calls += 1;
        }
        // The background probe may have found out, too.
        assert!(
            (1..=5).contains(&slow_calls),
            "{slow_calls} calls until the breaker opened"
        );
        let began = Instant::now();
        expect_outcomes(&[Bypass], answer(1)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        for gate in gates {
            gate.open();
        }
        assert!(cache.ready(Duration::from_secs(10)).await);
        expect_outcomes(&[Hit], answer(1)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hung_fill_costs_a_call_its_budget_and_the_value_is_returned() {
    let (spy, cache) = spied();
    isolated_in(cache, async |_| {
        let _gate = spy.hold(OperationKind::Fill);
        let began = Instant::now();
        assert_eq!(expect_outcomes(&[Miss], answer(1)).await, 1);
        assert_eq!(began.elapsed(), Duration::from_millis(100));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hung_invalidation_is_awaited_for_its_budget_and_then_sent_in_the_background() {
    let (spy, cache) = spied();
    isolated_in(cache, async |cache| {
        answer(1).await;
        let gate = spy.hold(OperationKind::RemoveStamps);
        let began = Instant::now();
        assert_eq!(cache.invalidate("answers").await, Ok(Invalidated::Pending));
        assert_eq!(began.elapsed(), Duration::from_millis(250));
        gate.open();
        spy.until(|operations| {
            operations.iter().any(|operation| {
                operation.kind == OperationKind::RemoveStamps && operation.ended == Some(cache_testkit::Ended::Done)
            })
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn half_of_the_operations_failing_opens_the_breaker_too() {
    let (spy, cache) = spied();
    isolated_in(cache, async |cache| {
        answer(0).await;
        for call in 0..40 {
            if !cache.is_available() {
                return;
            }
            if call % 2 == 0 {
                spy.fail_next(OperationKind::Read, 1, StoreErrorKind::Unavailable);
            }
            answer(0).await;
        }
        panic!("every second read failed and the breaker is still closed");
    })
    .await;
}

#[tokio::test]
async fn an_absent_redis_is_no_error_and_caching_begins_when_it_comes() {
    let server = RedisServer::start().unwrap();
    server.kill();
    let config = RedisConfig::new(server.url()).unwrap();
    isolated_in(Cache::builder().redis(config).build(), async |cache| {
        for id in 0..20 {
            assert_eq!(expect_outcomes(&[Bypass], answer(id)).await, id);
        }
        server.restart().unwrap();
        assert!(cache.ready(Duration::from_secs(10)).await);
        expect_outcomes(&[Miss], answer(1)).await;
        expect_outcomes(&[Hit], answer(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_killed_and_comes_back_is_used_again() {
    let server = RedisServer::start().unwrap();
    isolated_in(reaching(&server, Cache::builder()).await, async |cache| {
        for round in 0..3 {
            answer(round).await;
            expect_outcomes(&[Hit], answer(round)).await;
            server.kill();
            for _ in 0..20 {
                assert_eq!(expect_outcomes(&[Bypass], answer(round)).await, round);
            }
            server.restart().unwrap();
            assert!(cache.ready(Duration::from_secs(10)).await);
        }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_frozen_and_thaws_is_used_again_and_no_reply_reaches_another_call() {
    let server = RedisServer::start().unwrap();
    isolated_in(reaching(&server, Cache::builder()).await, async |cache| {
        for id in 0..50 {
            answer(id).await;
        }
        server.pause();
        for id in 0..50 {
            assert_eq!(expect_outcomes(&[Bypass], answer(id)).await, id);
        }
        server.resume();
        assert!(cache.ready(Duration::from_secs(10)).await);
        for id in 0..50 {
            assert_eq!(answer(id).await, id);
        }
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_made_while_redis_is_frozen_takes_effect_before_it_is_read_again() {
    let server = RedisServer::start().unwrap();
    isolated_in(reaching(&server, Cache::builder()).await, async |cache| {
        answer(1).await;
        server.pause();
        assert_eq!(cache.invalidate("answers").await, Ok(Invalidated::Pending));
        expect_outcomes(&[Bypass], answer(1)).await;
        server.resume();
        while !cache.is_available() {
            tokio::task::yield_now().await;
        }
        let (_, outcomes) = observe(answer(1)).await;
        assert!(
            outcomes.iter().all(|call| call.outcome != Hit),
            "what was stored before is not served: {outcomes:?}"
        );
        // Another process, which knows nothing of the invalidation, is not served it either.
        isolated_in(reaching(&server, Cache::builder()).await, async |_| {
            let (_, outcomes) = observe(answer(2)).await;
            assert!(outcomes.iter().all(|call| call.outcome == Miss));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_no_error_and_heals_when_it_is_mended() {
    let server = RedisServer::builder().password("right").start().unwrap();
    let config = RedisConfig::new(server.url()).unwrap().password("wrong");
    isolated_in(Cache::builder().redis(config).build(), async |cache| {
        assert!(!cache.ready(Duration::from_millis(200)).await);
        assert_eq!(expect_outcomes(&[Bypass], answer(1)).await, 1);
        let () = server.command(["CONFIG", "SET", "requirepass", "wrong"]).unwrap();
        assert!(cache.ready(Duration::from_secs(20)).await);
    })
    .await;
}
