//! What networks do to connections: a call returns what its body returns, and the cache is used again when it is over.

use std::time::Duration;

use cache_runtime::{
    Cache, CacheBuilder,
    Outcome::{Bypass, Hit, Miss},
};
use cache_testkit::{Direction, FaultProxy, PATIENCE, RedisServer, expect_outcomes, isolated_in};
use tokio::time::Instant;

use crate::answers::{answer, until_hit, until_noticed};

/// A cache that reaches its server through the proxy.
async fn through_a_proxy(server: &RedisServer, builder: CacheBuilder) -> (FaultProxy, Cache) {
    let (proxy, config) = support::through_a_proxy(server);
    let cache = builder.redis(config).build();
    assert!(cache.ready(PATIENCE).await, "the server is reached through the proxy");
    (proxy, cache)
}

/// Makes a fault, sees it noticed, ends it, and sees the cache used again.
async fn survive(harm: impl Fn(&FaultProxy), mend: impl Fn(&FaultProxy)) {
    let server = RedisServer::start().expect("a server starts");
    let (proxy, cache) = through_a_proxy(&server, Cache::builder()).await;
    isolated_in(cache, async |cache| {
        for _ in 0..3 {
            until_hit().await;
            harm(&proxy);
            until_noticed(&cache).await;
            for id in 0..20 {
                assert_eq!(expect_outcomes(&[Bypass], answer(id)).await, id);
            }
            mend(&proxy);
        }
        until_hit().await;
    })
    .await;
}

#[tokio::test]
async fn a_black_hole_is_noticed_and_the_cache_is_used_again_when_it_ends() {
    survive(|proxy| proxy.black_hole(Direction::Both), FaultProxy::heal).await;
}

#[tokio::test]
async fn answers_that_get_lost_are_as_bad_as_a_black_hole() {
    survive(|proxy| proxy.black_hole(Direction::ToClient), FaultProxy::heal).await;
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_used_again_when_it_takes_them() {
    survive(FaultProxy::refuse, FaultProxy::heal).await;
}

#[tokio::test]
async fn answers_later_than_the_deadline_open_the_breaker() {
    survive(|proxy| proxy.delay(Direction::ToClient, PATIENCE), FaultProxy::heal).await;
}

#[tokio::test]
async fn answers_that_come_byte_by_byte_open_the_breaker() {
    survive(
        |proxy| proxy.trickle(Direction::ToClient, Duration::from_millis(20)),
        FaultProxy::heal,
    )
    .await;
}

#[tokio::test]
async fn answers_within_the_deadline_are_used_however_they_come() {
    let server = RedisServer::start().unwrap();
    let builder = Cache::builder().read_timeout(PATIENCE).fill_timeout(PATIENCE);
    let (proxy, cache) = through_a_proxy(&server, builder).await;
    isolated_in(cache, async |_| {
        proxy.delay(Direction::Both, Duration::from_millis(10));
        expect_outcomes(&[Miss], answer(1)).await;
        expect_outcomes(&[Hit], answer(1)).await;
        proxy.heal();
        proxy.trickle(Direction::Both, Duration::from_millis(1));
        expect_outcomes(&[Hit], answer(1)).await;
    })
    .await;
}

/// As a router leaves them that has forgotten them: the network is well, and these connections will never be.
#[tokio::test]
async fn connections_that_are_dead_and_look_alive_are_replaced() {
    let server = RedisServer::start().unwrap();
    let (proxy, cache) = through_a_proxy(&server, Cache::builder()).await;
    isolated_in(cache, async |cache| {
        until_hit().await;
        let before = proxy.accepted();
        while proxy.strand_one() {}
        until_noticed(&cache).await;
        until_hit().await;
        assert!(proxy.accepted() > before, "the hits came over new connections");
    })
    .await;
}

#[tokio::test]
async fn connections_that_are_reset_or_half_closed_in_mid_reply_are_replaced() {
    let server = RedisServer::start().unwrap();
    let (proxy, cache) = through_a_proxy(&server, Cache::builder()).await;
    isolated_in(cache, async |_| {
        for round in 0..3 {
            until_hit().await;
            // What is under way now has arrived in part when the connection ends.
            proxy.trickle(Direction::ToClient, Duration::from_millis(1));
            assert_eq!(answer(round).await, round);
            match round {
                0 => proxy.reset(),
                1 => proxy.half_close(Direction::ToClient),
                _ => proxy.half_close(Direction::ToServer),
            }
            for id in 0..5 {
                assert_eq!(answer(id).await, id);
            }
            proxy.heal();
        }
        until_hit().await;
    })
    .await;
}

/// Callers do not open connections: what is opened is bounded by the time that passes, not by the calls that are made.
#[tokio::test]
async fn an_outage_under_load_brings_no_storm_of_connections() {
    const PER_SECOND: f64 = 40.0;
    let server = RedisServer::start().unwrap();
    let (proxy, cache) = through_a_proxy(&server, Cache::builder()).await;
    isolated_in(cache, async |cache| {
        until_hit().await;
        let (before, began) = (proxy.accepted(), Instant::now());
        server.kill();
        until_noticed(&cache).await;
        // Long enough for several attempts of each connection, however busy the machine.
        while proxy.accepted() < before + 12 {
            for id in 0..100 {
                assert_eq!(answer(id).await, id);
            }
            tokio::task::yield_now().await;
        }
        server.restart().unwrap();
        until_hit().await;
        let (opened, seconds) = (proxy.accepted() - before, began.elapsed().as_secs_f64());
        let opened = u32::try_from(opened).map_or(f64::INFINITY, f64::from);
        assert!(
            opened <= PER_SECOND * (1.0 + seconds),
            "{opened} connections were opened in {seconds} s"
        );
    })
    .await;
}
