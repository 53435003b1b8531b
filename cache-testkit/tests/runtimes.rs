//! Runtimes that end, several of them, and small ones: no call hangs or panics, and `Cache::close` sends what is pending.

use std::{sync::Arc, thread, time::Duration};

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Hit, Miss},
    cached,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{Direction, FaultProxy, RedisServer, expect_outcomes, isolated_in, reaching};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout,
};

mod cache_resources {
    cache_runtime::resources! {
        answers { ttl = 60 }
    }
}

#[cached(resource = "answers")]
async fn answer(id: u32) -> u32 {
    tokio::task::yield_now().await;
    id
}

const PATIENCE: Duration = Duration::from_secs(10);

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Keeps calling for as long as its runtime lives.
async fn call_for_ever(cache: Cache) {
    with_cache(cache, async {
        for id in (0..100).cycle() {
            assert_eq!(answer(id).await, id);
        }
    })
    .await;
}

/// The first runtime has the cache's background work; the second one only calls.
#[test]
fn calls_of_one_runtime_return_when_another_one_ends_under_load() {
    let server = RedisServer::start().unwrap();
    let (first, second) = (runtime(), runtime());
    let cache = first.block_on(reaching(&server, Cache::builder()));
    for _ in 0..8 {
        first.spawn(call_for_ever(cache.clone()));
    }
    let calls = second.spawn(with_cache(cache.clone(), async {
        for id in 0..2_000 {
            assert_eq!(answer(id).await, id);
        }
    }));
    first.shutdown_timeout(PATIENCE);
    second.block_on(async {
        timeout(PATIENCE * 3, calls)
            .await
            .expect("no call hangs")
            .expect("no call panics");
        let calls = with_cache(cache, async {
            for id in 0..100 {
                assert_eq!(answer(id).await, id);
            }
        });
        timeout(PATIENCE, calls).await.expect("no call hangs");
    });
}

#[test]
fn a_runtime_may_end_while_redis_is_silent_and_calls_wait_for_it() {
    let server = RedisServer::start().unwrap();
    let runtime = runtime();
    let patient = Cache::builder().read_timeout(PATIENCE);
    let cache = runtime.block_on(reaching(&server, patient));
    server.pause();
    for _ in 0..8 {
        runtime.spawn(call_for_ever(cache.clone()));
    }
    runtime.shutdown_timeout(PATIENCE);
    drop(cache);
}

#[test]
fn many_small_runtimes_share_a_server() {
    let server = Arc::new(RedisServer::start().unwrap());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let server = Arc::clone(&server);
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    isolated_in(reaching(&server, Cache::builder()).await, async |cache| {
                        let mut calls = JoinSet::new();
                        for id in 0..50 {
                            calls.spawn(with_cache(cache.clone(), async move { answer(id).await == id }));
                        }
                        calls.join_all().await.into_iter().all(|is_right| is_right)
                    })
                    .await
                })
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().expect("no thread panics"));
    }
}

#[tokio::test]
async fn what_is_pending_is_sent_when_the_cache_is_closed() {
    let server = RedisServer::start().unwrap();
    let proxy = FaultProxy::start(([127, 0, 0, 1], server.port().unwrap())).unwrap();
    let config = RedisConfig::new(&format!("redis://{}", proxy.address())).unwrap();
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), answer(1)).await;
    let elsewhere = reaching(&server, Cache::builder().read_timeout(PATIENCE).fill_timeout(PATIENCE)).await;
    isolated_in(elsewhere, async |_| {
        answer(1).await;
        expect_outcomes(&[Hit], answer(1)).await;
        proxy.black_hole(Direction::Both);
        assert_eq!(cache.invalidate("answers").await, Ok(Invalidated::Pending));
        proxy.heal();
        // What close does not get done in its second it says so.
        if cache.close().await {
            expect_outcomes(&[Miss], answer(1)).await;
        }
    })
    .await;
}
