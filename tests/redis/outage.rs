//! A store that fails, hangs or is gone: the call returns what its body returns, within its budget.

use std::time::Duration;

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Bypass, Hit, Miss},
    cached, observe,
    store::{RedisConfig, StoreErrorKind},
};
use cache_testkit::{
    Direction, OperationKind, PATIENCE, RedisServer, SpyStore, expect_outcomes, isolated_in, reaching, recovered,
};
use futures_util::future::join_all;
use support::{spy, through_a_proxy};
use tokio::time::Instant;

use crate::answers::answer;

#[cached(resource = "answers", near = "tracked")]
async fn near_answer(id: u32) -> u32 {
    id
}

const BUDGET: Duration = Duration::from_millis(50);

fn spied() -> (SpyStore, Cache) {
    let spy = spy();
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
        recovered(&cache).await;
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
        recovered(&cache).await;
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
            recovered(&cache).await;
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
        recovered(&cache).await;
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
        recovered(&cache).await;
        let (_, outcomes) = observe(answer(1)).await;
        assert!(
            outcomes.iter().all(|call| call.outcome != Hit),
            "what was stored before is not served: {outcomes:?}"
        );
        // Another process, which knows nothing of the invalidation, is not served it either.
        isolated_in(reaching(&server, patient()).await, async |_| {
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
        recovered(&cache).await;
    })
    .await;
}

/// More at once than there are connections, so that each of them is used.
async fn assert_that_calls_use_the_store() {
    let calls = (0..64).map(|id| async move { answer(id % 32 + 100).await + near_answer(id % 32 + 100).await });
    let (_, outcomes) = observe(join_all(calls)).await;
    assert_eq!(outcomes.iter().len(), 128);
    let bypassed = outcomes.iter().filter(|call| call.outcome == Bypass).count();
    assert_eq!(bypassed, 0, "of 128 calls");
}

fn patient() -> cache_runtime::CacheBuilder {
    Cache::builder().read_timeout(Duration::from_secs(1))
}

#[tokio::test]
async fn what_ready_says_right_after_a_restart_that_nobody_has_noticed_holds_for_the_calls_that_follow() {
    let server = RedisServer::start().unwrap();
    isolated_in(reaching(&server, cache_testkit::patient()).await, async |cache| {
        for _ in 0..5 {
            assert_that_calls_use_the_store().await;
            server.kill();
            server.restart().unwrap();
            assert!(cache.ready(PATIENCE).await);
            assert!(cache.is_available());
            assert_that_calls_use_the_store().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_has_recovered_from_an_outage_under_load_serves_every_call() {
    let server = RedisServer::start().unwrap();
    isolated_in(reaching(&server, patient()).await, async |cache| {
        for _ in 0..3 {
            server.kill();
            let calls = join_all((0..64).map(answer));
            let change = cache.invalidate("answers");
            let (_, invalidated) = tokio::join!(calls, change.into_future());
            assert_eq!(invalidated, Ok(Invalidated::Pending));
            server.restart().unwrap();
            recovered(&cache).await;
            assert_eq!(cache.stats().pending_invalidations, 0);
            assert_that_calls_use_the_store().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_has_recovered_from_a_lost_network_serves_every_call() {
    let server = RedisServer::start().unwrap();
    let (proxy, config) = through_a_proxy(&server);
    isolated_in(Cache::builder().redis(config).build(), async |cache| {
        recovered(&cache).await;
        proxy.black_hole(Direction::Both);
        while cache.is_available() {
            answer(1).await;
        }
        proxy.heal();
        recovered(&cache).await;
        assert_that_calls_use_the_store().await;
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "the store is not in use again")]
async fn what_cannot_recover_is_not_waited_for() {
    recovered(&Cache::disabled()).await;
}
