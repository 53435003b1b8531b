//! What each thread keeps by itself of the near cache: it answers no call that the shared table would not.

use std::{
    mem::ManuallyDrop,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Miss, NearHit},
    cached, invalidates, refresh, with_cache,
};
use cache_testkit::{LoadCounter, isolated_in, until};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use support::{outcome_of, spy};
use tokio::runtime::{Builder, Runtime};

use crate::HEAP;

/// So often a thread is asked, so that it keeps what it was asked for: it asks the shared table again meanwhile, too.
const OFTEN: usize = 200;

/// A database of one row.
#[derive(Debug, Clone, Default)]
struct Row {
    version: Arc<AtomicU64>,
    loads: LoadCounter,
}

impl Row {
    #[cached(resource = "versions", scope(row), near = "tracked")]
    async fn version(&self, row: u32) -> u64 {
        self.loads.record();
        self.version.load(Ordering::SeqCst)
    }

    /// Returns the new version.
    #[invalidates("versions"(row))]
    async fn write(&self, row: u32) -> u64 {
        self.version.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Asks until the near cache answers, and then often.
    async fn warm(&self) {
        until("the near cache answers", async || {
            outcome_of(self.version(1)).await.1 == NearHit
        })
        .await;
        for _ in 0..OFTEN {
            self.version(1).await;
        }
    }
}

fn memory() -> Cache {
    Cache::builder().store(spy()).jitter(0.0).build()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts")
}

#[tokio::test]
async fn hits_are_counted_one_by_one_whoever_keeps_the_value() {
    isolated_in(memory(), async |cache| {
        let row = Row::default();
        row.warm().await;
        let before = cache.stats().near_hits;
        for _ in 0..OFTEN {
            assert_eq!(outcome_of(row.version(1)).await, (0, NearHit));
        }
        assert_eq!(cache.stats().near_hits, before + OFTEN as u64);
        assert_eq!(cache.stats().near_entries, 1);
    })
    .await;
}

#[test]
fn what_one_thread_has_invalidated_no_other_one_answers() {
    let (cache, row) = (memory(), Row::default());
    let runtime = one_thread();
    runtime.block_on(with_cache(cache.clone(), row.warm()));
    for _ in 0..100 {
        let elsewhere = || one_thread().block_on(with_cache(cache.clone(), row.write(1)));
        let written = thread::scope(|threads| threads.spawn(elsewhere).join().expect("it is written"));
        let read = runtime.block_on(with_cache(cache.clone(), async {
            let read = outcome_of(row.version(1)).await;
            row.warm().await;
            read
        }));
        assert_eq!(read, (written, Miss));
    }
}

#[test]
fn threads_that_call_again_and_again_are_given_nothing_from_before_what_was_written_last() {
    let (cache, row) = (memory(), Row::default());
    let acknowledged = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                one_thread().block_on(with_cache(cache.clone(), async {
                    while !over.load(Ordering::SeqCst) {
                        let oldest = acknowledged.load(Ordering::SeqCst);
                        let read = row.version(1).await;
                        assert!(read >= oldest, "{read} was read after {oldest} was written");
                    }
                }));
            });
        }
        one_thread().block_on(with_cache(cache.clone(), async {
            row.warm().await;
            for _ in 0..300 {
                let written = row.write(1).await;
                acknowledged.store(written, Ordering::SeqCst);
                let near = cache.stats().near_hits;
                // So that the readers keep each version by themselves.
                until("the near cache answers", async || cache.stats().near_hits > near + 500).await;
            }
        }));
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn what_one_thread_has_refreshed_is_what_every_other_one_answers() {
    let (cache, row) = (memory(), Row::default());
    let runtime = one_thread();
    runtime.block_on(with_cache(cache.clone(), row.warm()));
    // Somebody else has written to the database, and nobody was told.
    row.version.store(7, Ordering::SeqCst);
    let elsewhere = || one_thread().block_on(with_cache(cache.clone(), refresh(row.version(1))));
    let refreshed = thread::scope(|threads| threads.spawn(elsewhere).join().expect("it is loaded"));
    assert_eq!(refreshed, 7);
    runtime.block_on(with_cache(cache, async {
        assert_eq!(row.version(1).await, 7);
    }));
}

#[tokio::test(start_paused = true)]
async fn a_value_is_answered_until_its_time_is_over_and_no_longer() {
    isolated_in(memory(), async |_| {
        let row = Row::default();
        row.warm().await;
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(outcome_of(row.version(1)).await.1, NearHit);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(outcome_of(row.version(1)).await.1, Miss);
    })
    .await;
}

#[tokio::test]
async fn a_test_may_stop_the_clock_when_a_thread_has_a_value_already() {
    isolated_in(memory(), async |_| {
        let row = Row::default();
        row.warm().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(outcome_of(row.version(1)).await.1, NearHit);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(outcome_of(row.version(1)).await.1, Miss);
    })
    .await;
}

#[tokio::test]
async fn two_caches_of_one_thread_have_a_value_each() {
    let (one, other) = (memory(), memory());
    let row = Row::default();
    with_cache(one.clone(), row.warm()).await;
    row.version.store(7, Ordering::SeqCst);
    with_cache(other.clone(), row.warm()).await;
    for _ in 0..OFTEN {
        assert_eq!(with_cache(one.clone(), row.version(1)).await, 0);
        assert_eq!(with_cache(other.clone(), row.version(1)).await, 7);
    }
}

#[tokio::test]
async fn a_cache_that_is_closed_answers_nothing() {
    let cache = memory();
    let row = Row::default();
    with_cache(cache.clone(), row.warm()).await;
    row.version.store(7, Ordering::SeqCst);
    cache.close().await;
    assert_eq!(with_cache(cache, row.version(1)).await, 7);
}

#[tokio::test]
async fn a_value_that_only_one_thread_asks_for_stays_while_others_come_and_go() {
    let cache = Cache::builder()
        .store(spy())
        .jitter(0.0)
        .near_capacity(64 << 10)
        .build();
    isolated_in(cache, async |cache| {
        let row = Row::default();
        row.warm().await;
        for other in 2..10_000 {
            for _ in 0..8 {
                row.version(1).await;
            }
            row.version(other).await;
        }
        assert!(cache.stats().near_evictions > 5_000, "{:?}", cache.stats());
        assert_eq!(outcome_of(row.version(1)).await.1, NearHit);
        assert_eq!(row.loads.count(), 1 + 9_998);
    })
    .await;
}

#[test]
fn a_value_that_a_thread_keeps_takes_nothing_from_the_heap() {
    let row = Row::default();
    one_thread().block_on(with_cache(memory(), async {
        row.warm().await;
        let mut taken = Vec::new();
        // Other tests of this process, if there are any, take something most of the time.
        for _ in 0..1_000 {
            let before = HEAP.stats();
            for _ in 0..OFTEN {
                row.version(1).await;
            }
            let after = HEAP.stats();
            taken.push(after.allocations + after.reallocations - before.allocations - before.reallocations);
        }
        assert_eq!(taken.iter().min(), Some(&0));
    }));
}

/// Every token that has not been dropped holds one of these.
static ALIVE: Mutex<Option<Arc<()>>> = Mutex::new(None);

/// A value whose own code calls.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    number: u32,
    #[serde(skip)]
    alive: Option<Arc<()>>,
}

impl Clone for Token {
    fn clone(&self) -> Self {
        if self.number > 0 {
            // What is asked for meanwhile is the value itself, and another one.
            call_now(self.number);
            call_now(0);
        }
        Self {
            number: self.number,
            alive: self.alive.clone(),
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if self.number > 0 {
            call_now(0);
        }
    }
}

thread_local! {
    static IS_INSIDE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Calls without a runtime of its own: where the call would wait, it is given up.
fn call_now(number: u32) {
    if !IS_INSIDE.replace(true) {
        drop(token(number).now_or_never());
        IS_INSIDE.set(false);
    }
}

#[cached(resource = "tokens", near = "tracked")]
async fn token(number: u32) -> Token {
    let alive = ALIVE.lock().expect("nobody panics").clone();
    Token { number, alive }
}

#[test]
fn a_value_may_call_while_it_is_copied_or_dropped_and_goes_with_its_thread() {
    let alive = Arc::new(());
    *ALIVE.lock().expect("nobody panics") = Some(Arc::clone(&alive));
    let (ended, has_ended) = mpsc::channel();
    let calls = thread::spawn(move || {
        let cache = memory();
        one_thread().block_on(with_cache(cache.clone(), async {
            until("the near cache answers", async || {
                token(1).await;
                cache.stats().near_hits > 0
            })
            .await;
            for number in 0..1_000 {
                assert_eq!(token(1).await.number, 1);
                assert_eq!(token(number % 20).await.number, number % 20);
            }
        }));
        drop(cache);
        ended.send(()).expect("it is waited for");
    });
    has_ended.recv().expect("it is sent");
    calls.join().expect("nothing panics");
    *ALIVE.lock().expect("nobody panics") = None;
    assert_eq!(Arc::strong_count(&alive), 1);
}

/// Whether [`Grenade`]s panic, and how many have.
static IS_ARMED: AtomicBool = AtomicBool::new(false);
static PANICS: AtomicU64 = AtomicU64::new(0);

/// A value that panics where it is dropped.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Grenade(u32);

impl Drop for Grenade {
    fn drop(&mut self) {
        if IS_ARMED.load(Ordering::SeqCst) && !thread::panicking() {
            PANICS.fetch_add(1, Ordering::SeqCst);
            panic!("{self:?}");
        }
    }
}

#[cached(resource = "grenades", near = "tracked")]
async fn grenade(number: u32) -> Grenade {
    Grenade(number)
}

#[test]
fn a_value_that_panics_where_it_is_dropped_leaves_the_near_cache_as_it_was() {
    const GRENADES: u32 = 500;
    let cache = Cache::builder().memory(1 << 20).near_capacity(16 * 1024).build();
    let calls = thread::spawn(move || {
        let all = async || {
            for number in 0..GRENADES {
                let call = AssertUnwindSafe(async { ManuallyDrop::new(grenade(number).await) });
                drop(call.catch_unwind().await);
            }
        };
        one_thread().block_on(with_cache(cache.clone(), async {
            all().await;
            IS_ARMED.store(true, Ordering::SeqCst);
            for _ in 0..3 {
                all().await;
            }
            IS_ARMED.store(false, Ordering::SeqCst);
            for number in 0..GRENADES {
                assert_eq!(grenade(number).await.0, number);
            }
            until("the near cache answers", async || {
                let before = cache.stats().near_hits;
                grenade(1).await;
                cache.stats().near_hits > before
            })
            .await;
        }));
    });
    calls.join().expect("no call panics by itself");
    assert_ne!(PANICS.load(Ordering::SeqCst), 0, "no value is let go");
}
