//! Calls of functions with `each` at the same time: no id is loaded twice, and nobody waits for ever.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    cached, invalidates, observe, with_cache,
};
use cache_testkit::{Gate, LoadCounter, PATIENCE, assert_loads, expect_outcomes, isolated, isolated_in, until};
use futures_util::future::join_all;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// A table each of whose queries stands at a gate.
#[derive(Debug, Clone, Default)]
struct Table(Arc<Queries>);

#[derive(Debug, Default)]
struct Queries {
    made: Mutex<Vec<(Vec<u32>, Gate)>>,
    /// The version of every row.
    version: AtomicU64,
    fails: AtomicBool,
}

type Rows = Result<HashMap<u32, u64>, String>;

impl Table {
    #[cached(resource = "rows", each = ids)]
    async fn rows(&self, ids: &[u32]) -> Rows {
        let gate = Gate::closed();
        let version = self.0.version.load(Ordering::SeqCst);
        self.0
            .made
            .lock()
            .expect("no panic holds it")
            .push((ids.to_vec(), gate.clone()));
        gate.pass().await;
        if self.0.fails.load(Ordering::SeqCst) {
            return Err("the table is gone".to_owned());
        }
        Ok(versions(ids, version))
    }

    #[invalidates("rows")]
    async fn change(&self) {
        self.0.version.fetch_add(1, Ordering::SeqCst);
    }

    fn call(&self, cache: &Cache, ids: &[u32]) -> JoinHandle<Rows> {
        let (table, ids) = (self.clone(), ids.to_vec());
        tokio::spawn(with_cache(cache.clone(), async move { table.rows(&ids).await }))
    }

    /// Waits for so many queries, and returns the ids of each.
    async fn until_made(&self, count: usize) -> Vec<Vec<u32>> {
        let made = || self.0.made.lock().expect("no panic holds it");
        until("so many queries have been made", async || made().len() >= count).await;
        made().iter().map(|(ids, _)| ids.clone()).collect()
    }

    fn let_pass(&self, query: usize) {
        self.0.made.lock().expect("no panic holds it")[query].1.open();
    }
}

fn versions(ids: &[u32], version: u64) -> HashMap<u32, u64> {
    ids.iter().map(|id| (*id, version)).collect()
}

/// A call counts its outcomes when it has read, right before it leads or joins flights.
async fn until_read(cache: &Cache, ids: u64) {
    until("so many ids have been read", async || cache.stats().misses >= ids).await;
}

#[tokio::test]
async fn a_call_loads_what_nobody_loads_and_waits_for_the_rest() {
    isolated(async |cache| {
        let table = Table::default();
        let first = table.call(&cache, &[1, 2, 3]);
        table.until_made(1).await;
        let second = table.call(&cache, &[4, 3, 2, 5]);
        assert_eq!(table.until_made(2).await, [vec![1, 2, 3], vec![4, 5]]);
        table.let_pass(1);
        // What it has loaded is stored, although it waits yet.
        until("two are stored", async || cache.stats().fills == 2).await;
        assert!(!second.is_finished());
        table.let_pass(0);
        assert_eq!(first.await.unwrap(), Ok(versions(&[1, 2, 3], 0)));
        assert_eq!(second.await.unwrap(), Ok(versions(&[2, 3, 4, 5], 0)));
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.shared_loads, stats.fills), (2, 2, 5));
    })
    .await;
}

#[tokio::test]
async fn calls_that_wait_for_one_another_all_return() {
    isolated(async |cache| {
        let table = Table::default();
        let calls: [&[u32]; 4] = [&[1], &[2], &[3, 1, 2], &[2, 4, 3, 1]];
        let mut under_way = Vec::new();
        for (begun, ids) in calls.iter().enumerate() {
            under_way.push(table.call(&cache, ids));
            table.until_made(begun + 1).await;
        }
        assert_eq!(table.until_made(4).await, [[1], [2], [3], [4]]);
        for query in [3, 2, 1, 0] {
            table.let_pass(query);
        }
        for (call, ids) in under_way.into_iter().zip(calls) {
            assert_eq!(call.await.unwrap(), Ok(versions(ids, 0)));
        }
        assert_eq!(cache.stats().loads, 4);
    })
    .await;
}

#[tokio::test]
async fn a_call_of_many_ids_is_shared_by_calls_of_one_each() {
    isolated(async |cache| {
        let table = Table::default();
        let ids: Vec<u32> = (0..100).collect();
        let all = table.call(&cache, &ids);
        table.until_made(1).await;
        let singles: Vec<_> = ids.iter().map(|id| table.call(&cache, &[*id])).collect();
        until_read(&cache, 200).await;
        table.let_pass(0);
        for (id, row) in ids.iter().zip(join_all(singles).await) {
            assert_eq!(row.unwrap(), Ok(versions(&[*id], 0)));
        }
        assert_eq!(all.await.unwrap(), Ok(versions(&ids, 0)));
        assert_eq!((cache.stats().loads, cache.stats().shared_loads), (1, 100));
    })
    .await;
}

#[tokio::test]
async fn who_waited_for_a_load_that_fails_loads_what_is_missing_by_one_more_run() {
    isolated(async |cache| {
        let table = Table::default();
        let first = table.call(&cache, &[1, 2]);
        table.until_made(1).await;
        let second = table.call(&cache, &[2, 3, 1]);
        table.until_made(2).await;
        table.let_pass(1);
        until("one is stored", async || cache.stats().fills == 1).await;
        table.0.fails.store(true, Ordering::SeqCst);
        table.let_pass(0);
        assert_eq!(first.await.unwrap(), Err("the table is gone".to_owned()));
        assert_eq!(table.until_made(3).await[2], [2, 1]);
        table.0.fails.store(false, Ordering::SeqCst);
        table.let_pass(2);
        assert_eq!(second.await.unwrap(), Ok(versions(&[1, 2, 3], 0)));
    })
    .await;
}

#[tokio::test]
async fn who_waited_for_a_call_that_was_dropped_takes_over() {
    isolated(async |cache| {
        let table = Table::default();
        let first = table.call(&cache, &[1, 2]);
        table.until_made(1).await;
        let second = table.call(&cache, &[1, 2]);
        until_read(&cache, 4).await;
        first.abort();
        assert_eq!(table.until_made(2).await[1], [1, 2]);
        table.let_pass(1);
        assert_eq!(second.await.unwrap(), Ok(versions(&[1, 2], 0)));
        assert_eq!(cache.stats().fills, 2);
    })
    .await;
}

#[tokio::test]
async fn what_a_mutation_overtakes_is_returned_to_its_caller_and_to_nobody_else() {
    isolated(async |cache| {
        let table = Table::default();
        let old = table.call(&cache, &[1, 2]);
        table.until_made(1).await;
        table.change().await;
        let new = table.call(&cache, &[2, 1]);
        assert_eq!(table.until_made(2).await[1], [2, 1]);
        table.let_pass(1);
        assert_eq!(new.await.unwrap(), Ok(versions(&[1, 2], 1)));
        table.let_pass(0);
        assert_eq!(old.await.unwrap(), Ok(versions(&[1, 2], 0)));
        assert_eq!(cache.stats().fills, 2, "the old load has stored nothing");
        assert_eq!(table.rows(&[1, 2]).await, Ok(versions(&[1, 2], 1)));
        assert_eq!(cache.stats().hits, 2);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_calls_its_own_function_for_one_of_its_ids_does_not_wait_for_itself() {
    #[cached(resource = "rows", each = ids)]
    async fn rows(ids: &[u32]) -> HashMap<u32, usize> {
        let inner = match ids {
            [first, _, ..] => Box::pin(rows(&[*first])).await.len(),
            _ => 0,
        };
        ids.iter().map(|id| (*id, inner)).collect()
    }

    isolated(async |_| {
        let called = timeout(PATIENCE, rows(&[1, 2])).await;
        assert_eq!(called, Ok(HashMap::from([(1, 1), (2, 1)])));
    })
    .await;
}

#[tokio::test]
async fn a_run_of_the_body_takes_one_turn_of_those_that_a_resource_has() {
    #[derive(Clone)]
    struct Slow(LoadCounter, Gate);

    impl Slow {
        #[cached(resource = "few_at_once", each = ids)]
        async fn rows(&self, ids: &[u32]) -> HashMap<u32, u64> {
            let load = self.0.record();
            self.1.pass().await;
            ids.iter().map(|id| (*id, load)).collect()
        }
    }

    isolated(async |cache| {
        let slow = Slow(LoadCounter::new(), Gate::closed());
        let mut calls = JoinSet::new();
        for ids in [[1, 2], [3, 4]] {
            let slow = slow.clone();
            calls.spawn(with_cache(cache.clone(), async move { slow.rows(&ids).await }));
        }
        until("one waits for its turn", async || cache.stats().queued_loads == 1).await;
        assert_loads(&slow.0, 1);
        slow.1.open();
        assert_eq!(calls.join_all().await.iter().map(HashMap::len).sum::<usize>(), 4);
        assert_loads(&slow.0, 2);
    })
    .await;
}

#[tokio::test]
async fn each_id_that_a_call_waits_for_is_a_miss_of_that_call() {
    isolated(async |cache| {
        let table = Table::default();
        let first = table.call(&cache, &[1, 2]);
        table.until_made(1).await;
        let second = tokio::spawn({
            let table = table.clone();
            with_cache(cache.clone(), async move { observe(table.rows(&[1, 2])).await.1 })
        });
        until_read(&cache, 4).await;
        table.let_pass(0);
        first.await.unwrap().unwrap();
        let outcomes: Vec<_> = second.await.unwrap().iter().map(|call| call.outcome).collect();
        assert_eq!(outcomes, [Miss, Miss]);
        expect_outcomes(&[Hit, Hit], table.rows(&[1, 2])).await.unwrap();
    })
    .await;
}

/// Loads that take their time, and counts how often each id was loaded.
#[derive(Debug, Clone, Default)]
struct Restless(Arc<Mutex<HashMap<u32, u32>>>);

impl Restless {
    #[cached(resource = "rows", each = ids)]
    async fn rows(&self, ids: Vec<u32>) -> HashMap<u32, u32> {
        self.load(&ids).await
    }

    /// A fifth of the loads fail, or panic.
    #[cached(resource = "rows", each = ids)]
    async fn unlucky_rows(&self, ids: Vec<u32>) -> Result<HashMap<u32, u32>, &'static str> {
        let rows = self.load(&ids).await;
        match fastrand::u8(0..10) {
            0 => Err("no luck"),
            1 => panic!("by order of the test"),
            _ => Ok(rows),
        }
    }

    async fn load(&self, ids: &[u32]) -> HashMap<u32, u32> {
        for id in ids {
            *self.0.lock().expect("no panic holds it").entry(*id).or_default() += 1;
        }
        for _ in 0..fastrand::u8(0..6) {
            tokio::task::yield_now().await;
        }
        doubled(ids)
    }
}

fn doubled(ids: &[u32]) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, id * 2)).collect()
}

/// Some of twenty ids in any order, perhaps some of them twice.
fn any_ids() -> Vec<u32> {
    (0..fastrand::usize(1..12)).map(|_| fastrand::u32(0..20)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_calls_in_any_order_all_return_and_no_id_is_loaded_twice() {
    // Where others have the processor for long a read would run out of time, and its call would load for itself.
    let cache = Cache::builder().read_timeout(PATIENCE).build();
    isolated_in(cache, async |cache| {
        for _ in 0..200 {
            cache.invalidate("rows").await.unwrap();
            let restless = Restless::default();
            let mut calls = JoinSet::new();
            for _ in 0..30 {
                let (restless, ids) = (restless.clone(), any_ids());
                calls.spawn(with_cache(cache.clone(), async move {
                    assert_eq!(restless.rows(ids.clone()).await, doubled(&ids));
                }));
            }
            timeout(PATIENCE, calls.join_all())
                .await
                .expect("no call waits for ever");
            let loads = restless.0.lock().expect("no panic holds it");
            let stats = cache.stats();
            // And a load that nobody polls for 100 ms is taken over.
            let is_once = loads.values().all(|loads| *loads == 1) || stats.taken_over_loads > 0;
            assert!(is_once, "{loads:?}, {stats:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_calls_that_fail_panic_and_are_dropped_leave_nobody_waiting() {
    isolated(async |cache| {
        for _ in 0..50 {
            cache.invalidate("rows").await.unwrap();
            let restless = Restless::default();
            let mut calls = JoinSet::new();
            for _ in 0..30 {
                let (restless, ids) = (restless.clone(), any_ids());
                // Every fifth is dropped, wherever it is by then.
                let patience = match fastrand::u8(0..5) {
                    0 => Duration::from_micros(fastrand::u64(0..2_000)),
                    _ => PATIENCE,
                };
                calls.spawn(with_cache(cache.clone(), async move {
                    let called = timeout(patience, restless.unlucky_rows(ids.clone())).await;
                    if let Ok(Ok(rows)) = &called {
                        assert_eq!(*rows, doubled(&ids));
                    }
                    called.is_ok() || patience < PATIENCE
                }));
            }
            while let Some(call) = calls.join_next().await {
                assert!(call.unwrap_or(true), "a call has waited for {PATIENCE:?}");
            }
        }
    })
    .await;
}
