//! The runtime on a primary that sentinels watch over.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    cached, invalidates,
    store::{RedisConfig, RedisStore},
    with_cache,
};
use cache_testkit::{LoadCounter, RedisSentinels, RedisServer, contract, expect_outcomes, isolated_in};
use support::{ELECTION, until_refused};
use tokio::time::timeout;

#[cached(resource = "rates", skip(loads))]
async fn rate(currency: &str, loads: &LoadCounter) -> u64 {
    loads.record()
}

#[cached(resource = "balances", independent(database))]
async fn balance(database: &AtomicU64) -> u64 {
    database.load(Ordering::SeqCst)
}

#[invalidates("balances")]
async fn pay_in(database: &AtomicU64) -> u64 {
    database.fetch_add(1, Ordering::SeqCst) + 1
}

async fn connected(sentinels: &RedisSentinels) -> Cache {
    let config = RedisConfig::new(&sentinels.url()).expect("the address of the sentinels");
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(ELECTION).await, "the primary is found");
    cache
}

#[tokio::test]
async fn the_store_keeps_the_contract_on_what_sentinels_watch_over() {
    let sentinels = RedisSentinels::start().unwrap();
    contract::run(async || RedisStore::new(RedisConfig::new(&sentinels.url()).expect("their address"))).await;
}

#[tokio::test]
async fn one_sentinel_that_answers_is_enough() {
    let sentinels = RedisSentinels::start().unwrap();
    for sentinel in &sentinels.sentinels()[1..] {
        sentinel.kill();
    }
    let loads = LoadCounter::new();
    isolated_in(connected(&sentinels).await, async |_| {
        expect_outcomes(&[Miss], rate("EUR", &loads)).await;
        expect_outcomes(&[Hit], rate("EUR", &loads)).await;
    })
    .await;
}

#[tokio::test]
async fn a_service_that_the_sentinels_do_not_know_is_named_in_the_error() {
    let sentinels = RedisSentinels::start().unwrap();
    let url = sentinels.url().replace("#mymaster", "#another");
    until_refused(
        &RedisStore::new(RedisConfig::new(&url).unwrap()),
        "knows no primary named `another`",
    )
    .await;
}

#[tokio::test]
async fn sentinels_have_a_password_of_their_own() {
    let (of_servers, of_sentinels) = ("se@cret", "hush");
    let sentinels = RedisSentinels::start_from(
        &RedisServer::builder().password(of_servers),
        &RedisServer::builder().password(of_sentinels),
    )
    .unwrap();
    let config = RedisConfig::new(&sentinels.url()).expect("the address of the sentinels");
    let config = config.sentinel_password(of_sentinels);
    contract::run(async || RedisStore::new(config.clone())).await;
    // Each is one of the two, and neither is the other.
    let without = RedisConfig::new(&sentinels.url()).expect("the address of the sentinels");
    until_refused(&RedisStore::new(without), "Authentication required").await;
    let wrong = config.sentinel_password(of_servers);
    until_refused(&RedisStore::new(wrong), "WRONGPASS").await;
}

/// While the event takes place every read returns at least what this process had written before it, and in the end what is
/// newest.
async fn reads_and_writes_go_on_while(cache: &Cache, event: impl FnOnce()) {
    let (database, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let load = tokio::spawn(with_cache(
        cache.clone(),
        load(Arc::clone(&database), Arc::clone(&stop)),
    ));
    tokio::task::block_in_place(event);
    stop.store(true, Ordering::SeqCst);
    load.await.expect("no read was old");
    assert!(cache.ready(ELECTION).await, "caching resumes");
    let newest = database.load(Ordering::SeqCst);
    let cached = with_cache(cache.clone(), async {
        let before = cache.stats().hits;
        while cache.stats().hits == before {
            assert_eq!(balance(&database).await, newest);
            tokio::task::yield_now().await;
        }
    });
    timeout(ELECTION, cached).await.expect("the newest value is cached");
}

async fn load(database: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        if fastrand::u8(..) < 50 {
            pay_in(&database).await;
        }
        let written = database.load(Ordering::SeqCst);
        let read = balance(&database).await;
        assert!(read >= written, "{read} was read after {written}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_under_load_is_replaced_and_takes_no_invalidation_along() {
    let sentinels = RedisSentinels::start().unwrap();
    let cache = connected(&sentinels).await;
    reads_and_writes_go_on_while(&cache, || {
        sentinels.servers()[0].kill();
        sentinels.wait_until_replaced(&sentinels.servers()[0]).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_demoted_under_load_is_left() {
    let sentinels = RedisSentinels::start().unwrap();
    let cache = connected(&sentinels).await;
    reads_and_writes_go_on_while(&cache, || {
        let () = sentinels.sentinels()[0]
            .command(["SENTINEL", "FAILOVER", "mymaster"])
            .unwrap();
        sentinels.wait_until_replaced(&sentinels.servers()[0]).unwrap();
    })
    .await;
}
