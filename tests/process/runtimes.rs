//! Runtimes that end, several of them, small ones and ones that lack something: no call hangs or panics, a cache that says
//! that it is ready is, and `Cache::close` sends what is pending.

use std::{
    panic,
    sync::{
        Arc, Once,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Bypass, Hit, Miss},
    cached, invalidates,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{Direction, PATIENCE, RedisCluster, RedisServer, expect_outcomes, isolated_in, patient, reaching};
use support::{Log, at, through_a_proxy};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout,
};
use tracing::Level;

#[cached(resource = "answers")]
async fn answer(id: u32) -> u32 {
    tokio::task::yield_now().await;
    id
}

#[cached(resource = "answers", near = "tracked", lease)]
async fn near_answer(id: u32) -> u32 {
    answer(id).await
}

#[cached(resource = "ledger")]
async fn balance(id: u32) -> u32 {
    if id == 0 {
        0
    } else {
        Box::pin(balance(id - 1)).await + 1
    }
}

#[invalidates("ledger", "answers")]
async fn change() {}

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
    let (proxy, config) = through_a_proxy(&server);
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), answer(1)).await;
    let elsewhere = reaching(&server, patient()).await;
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

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Everything that a program can ask of a cache. Checks what is returned.
async fn use_all(cache: &Cache) {
    with_cache(cache.clone(), async {
        for id in 0..20 {
            assert_eq!((answer(id).await, near_answer(id).await, balance(3).await), (id, id, 3));
        }
        change().await;
        cache.set("key", &1, PATIENCE).await;
        cache.get::<u32>("key").await;
        cache.delete("key").await;
        let _ = cache.invalidate("answers").await;
        let _ = cache.invalidate_tenant("anybody").await;
    })
    .await;
}

/// The cache is ready, and what a call has loaded is there for the next one.
async fn assert_caches(cache: &Cache) {
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), async {
        answer(1).await;
        expect_outcomes(&[Hit], answer(1)).await;
    })
    .await;
}

#[test]
fn ready_in_another_runtime_means_that_its_calls_are_hits() {
    let server = RedisServer::start().unwrap();
    let cache = current_thread().block_on(async {
        let cache = reaching(&server, Cache::builder()).await;
        with_cache(cache.clone(), answer(1)).await;
        cache
    });
    for make in [current_thread, runtime, current_thread, runtime] {
        make().block_on(with_cache(cache.clone(), async {
            assert!(cache.ready(PATIENCE).await);
            for _ in 0..20 {
                expect_outcomes(&[Hit], answer(1)).await;
            }
        }));
    }
}

#[test]
fn a_runtime_that_is_there_and_that_nobody_drives_is_not_waited_for() {
    let server = RedisServer::start().unwrap();
    let idle = current_thread();
    let cache = idle.block_on(async {
        let cache = reaching(&server, Cache::builder()).await;
        with_cache(cache.clone(), answer(1)).await;
        cache
    });
    current_thread().block_on(with_cache(cache.clone(), async {
        assert!(cache.ready(PATIENCE).await);
        expect_outcomes(&[Hit], answer(1)).await;
    }));
    idle.block_on(with_cache(cache.clone(), async {
        assert!(cache.ready(PATIENCE).await);
        expect_outcomes(&[Hit], answer(1)).await;
    }));
}

#[test]
fn a_connection_that_was_begun_in_a_runtime_that_nobody_drives_is_not_waited_for() {
    let server = RedisServer::start().unwrap();
    let config = at(&server);
    let idle = current_thread();
    let cache = idle.block_on(async {
        let cache = Cache::builder().redis(config).build();
        // What connects has been started, and is polled once at most.
        tokio::task::yield_now().await;
        cache
    });
    current_thread().block_on(async { assert!(cache.ready(PATIENCE).await) });
    drop(idle);
}

#[test]
fn a_cluster_that_is_looked_for_in_a_runtime_that_nobody_drives_is_found_in_another() {
    let cluster = RedisCluster::start().unwrap();
    let config = RedisConfig::new(&cluster.url()).unwrap();
    let idle = current_thread();
    let cache = idle.block_on(async {
        let cache = Cache::builder().redis(config).build();
        tokio::task::yield_now().await;
        cache
    });
    for make in [current_thread, runtime] {
        make().block_on(assert_caches(&cache));
    }
    drop(idle);
}

#[test]
fn entries_in_the_process_outlive_a_runtime_at_no_cost() {
    let cache = Cache::builder().build();
    current_thread().block_on(with_cache(cache.clone(), answer(1)));
    for make in [current_thread, runtime] {
        make().block_on(with_cache(cache.clone(), expect_outcomes(&[Hit], answer(1))));
        assert!(make().block_on(cache.ready(PATIENCE)));
    }
}

/// What runtimes that cannot carry a cache are made of.
fn without_timers() -> Vec<Runtime> {
    let runtimes = [
        Builder::new_current_thread().enable_io().build(),
        Builder::new_current_thread().build(),
        Builder::new_multi_thread().worker_threads(2).build(),
    ];
    runtimes.map(|runtime| runtime.expect("a runtime")).into()
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// The panics so far of a runtime that lacks something.
fn panics() -> usize {
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or_default();
            if message.contains("Tokio 1.x context was found, but") {
                PANICS.fetch_add(1, Ordering::SeqCst);
            } else {
                usual(info);
            }
        }));
    });
    PANICS.load(Ordering::SeqCst)
}

/// Runtimes are tried once each. The tests of this file make fewer than this many that lack something.
const TRIALS: usize = 40;

/// That one warning is about this runtime, and says what it lacks.
#[track_caller]
fn assert_one(log: &Log, expected: &str) {
    let mut about = log.at(Level::WARN);
    about.retain(|line| line.contains("cannot be used here"));
    let [line] = &about[..] else {
        panic!("one line, not {about:#?}")
    };
    assert!(line.contains(expected), "{line}");
}

#[test]
fn without_timers_calls_run_uncached_and_that_is_said_once() {
    panics();
    let server = RedisServer::start().unwrap();
    for runtime in without_timers() {
        let redis = Cache::builder().redis(at(&server));
        for cache in [Cache::builder().build(), redis.build()] {
            let (log, _guard) = Log::start();
            runtime.block_on(async {
                use_all(&cache).await;
                with_cache(cache.clone(), expect_outcomes(&[Bypass], answer(1))).await;
                assert!(!cache.ready(PATIENCE).await);
            });
            assert_one(&log, "build it with `enable_all`, or `enable_time`");
            // What lacks nothing is told at once and for itself.
            current_thread().block_on(assert_caches(&cache));
            runtime.block_on(async { cache.close().await });
        }
    }
    assert!(panics() < TRIALS, "{} panics", panics());
}

#[test]
fn without_io_redis_is_not_tried_and_the_process_is_a_cache() {
    panics();
    let server = RedisServer::start().unwrap();
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.enable_time().build().unwrap();
        let cache = Cache::builder().redis(at(&server)).build();
        let (log, _guard) = Log::start();
        runtime.block_on(async {
            use_all(&cache).await;
            assert!(!cache.ready(Duration::from_secs(1)).await);
            with_cache(cache.clone(), expect_outcomes(&[Bypass], answer(1))).await;
        });
        assert_one(&log, "build it with `enable_all`, or `enable_io`");
        runtime.block_on(with_cache(Cache::builder().build(), async {
            expect_outcomes(&[Miss], answer(1)).await;
            expect_outcomes(&[Hit], answer(1)).await;
        }));
        // Its background work has not been begun where it cannot be done.
        current_thread().block_on(assert_caches(&cache));
        runtime.block_on(async { cache.close().await });
    }
    assert!(panics() < TRIALS, "{} panics", panics());
}

#[test]
fn outside_of_tokio_calls_run_uncached_and_that_is_said_once() {
    let server = RedisServer::start().unwrap();
    let redis = Cache::builder().redis(at(&server));
    for cache in [Cache::builder().build(), redis.build()] {
        let (log, _guard) = Log::start();
        futures_executor::block_on(async {
            use_all(&cache).await;
            with_cache(cache.clone(), expect_outcomes(&[Bypass], answer(1))).await;
            assert!(!cache.ready(PATIENCE).await);
        });
        assert_one(&log, "not inside a tokio runtime");
        current_thread().block_on(assert_caches(&cache));
        futures_executor::block_on(cache.close());
    }
}
