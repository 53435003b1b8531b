//! `verify` of functions with `each`: a sample of the ids that are hits is loaded, too, and differences are counted for each id.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::verify::detected;
use cache_runtime::{
    Outcome::{Hit, Miss, NearHit},
    cached, invalidates, observe, peek, with_cache,
};
use cache_testkit::{Gate, expect_outcomes, isolated, until};

/// A table whose rows are zero until they are written.
#[derive(Debug, Clone)]
struct Ledger {
    rows: Arc<Mutex<HashMap<u32, u32>>>,
    queries: Arc<Mutex<Vec<Vec<u32>>>>,
    is_gone: Arc<AtomicBool>,
    /// Loads wait here before they read.
    gate: Gate,
}

type Rows = Result<BTreeMap<u32, u32>, String>;

impl Ledger {
    fn new() -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            rows: Arc::default(),
            queries: Arc::default(),
            is_gone: Arc::default(),
            gate,
        }
    }

    /// Tells nobody.
    fn write(&self, id: u32, row: u32) {
        self.rows.lock().expect("no panic holds it").insert(id, row);
    }

    async fn read(&self, ids: &[u32]) -> Rows {
        self.queries.lock().expect("no panic holds it").push(ids.to_vec());
        self.gate.pass().await;
        if self.is_gone.load(Ordering::SeqCst) {
            return Err("the table is gone".to_owned());
        }
        let rows = self.rows.lock().expect("no panic holds it");
        Ok(ids
            .iter()
            .map(|id| (*id, rows.get(id).copied().unwrap_or_default()))
            .collect())
    }

    /// What was asked for since the last time.
    fn queries(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.queries.lock().expect("no panic holds it"))
    }

    #[cached(resource = "rows", each = ids, verify = 1)]
    async fn verified(&self, ids: &[u32]) -> Rows {
        self.read(ids).await
    }

    #[cached(resource = "rows", each = ids, verify = 0.5)]
    async fn sometimes(&self, ids: &[u32]) -> Rows {
        self.read(ids).await
    }

    #[cached(resource = "rows", each = ids, near = "checked", verify = 1)]
    async fn near(&self, ids: &[u32]) -> Rows {
        self.read(ids).await
    }

    #[invalidates("rows")]
    async fn put(&self, id: u32, row: u32) {
        self.write(id, row);
    }
}

fn rows<const N: usize>(rows: [(u32, u32); N]) -> BTreeMap<u32, u32> {
    rows.into()
}

#[tokio::test(start_paused = true)]
async fn each_id_that_nobody_has_invalidated_and_is_old_is_counted_and_what_is_loaded_takes_its_place() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.verified(&[1, 2, 3]).await.unwrap();
        ledger.write(1, 10);
        ledger.write(3, 30);
        let new = Ok(rows([(1, 10), (2, 0), (3, 30)]));
        for _ in 0..2 {
            expect_outcomes(&[Hit, Hit, Hit], async {
                assert_eq!(ledger.verified(&[1, 2, 3]).await, new, "that of the body");
            })
            .await;
            assert_eq!(detected(&cache).await, 2);
        }
        assert_eq!(peek(ledger.verified(&[3, 1])).await, Some(Ok(rows([(1, 10), (3, 30)]))));
        assert_eq!(ledger.queries(), [[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_verified_is_loaded_with_what_is_missing_by_one_run_of_the_body() {
    isolated(async |_| {
        let ledger = Ledger::new();
        ledger.verified(&[1]).await.unwrap();
        let (found, outcomes) = observe(ledger.verified(&[2, 1])).await;
        assert_eq!(found, Ok(rows([(1, 0), (2, 0)])));
        assert!(outcomes.iter().map(|call| call.outcome).eq([Miss, Hit]));
        assert_eq!(ledger.queries(), [vec![1], vec![2, 1]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_id_is_chosen_on_its_own() {
    isolated(async |_| {
        let ledger = Ledger::new();
        let ids: Vec<u32> = (0..200).collect();
        ledger.sometimes(&ids).await.unwrap();
        ledger.sometimes(&ids).await.unwrap();
        let queries = ledger.queries();
        let sample = queries[1].len();
        // With a probability of 1 in 10^15 it is not.
        assert!((40..=160).contains(&sample), "{sample} of 200");
        assert!(queries[1].is_sorted());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_mutation_during_the_load_is_no_difference() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.verified(&[1, 2]).await.unwrap();
        ledger.gate.close();
        let verified = tokio::spawn({
            let ledger = ledger.clone();
            with_cache(cache.clone(), async move { ledger.verified(&[1, 2]).await })
        });
        ledger.gate.until_waiting(1).await;
        ledger.put(2, 20).await;
        ledger.gate.open();
        assert_eq!(verified.await.unwrap(), Ok(rows([(1, 0), (2, 20)])));
        assert_eq!(detected(&cache).await, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn if_the_load_fails_hits_are_returned_unless_there_is_nothing_to_return_for_another_id() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.verified(&[1, 2]).await.unwrap();
        ledger.is_gone.store(true, Ordering::SeqCst);
        expect_outcomes(&[Hit, Hit], async {
            assert_eq!(ledger.verified(&[1, 2]).await, Ok(rows([(1, 0), (2, 0)])));
        })
        .await;
        assert_eq!(ledger.verified(&[1, 3]).await, Err("the table is gone".to_owned()));
        ledger.is_gone.store(false, Ordering::SeqCst);
        assert_eq!(peek(ledger.verified(&[1, 2])).await, Some(Ok(rows([(1, 0), (2, 0)]))));
        assert_eq!(detected(&cache).await, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_in_the_process_is_verified_too() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.near(&[1, 2]).await.unwrap();
        ledger.write(2, 20);
        expect_outcomes(&[NearHit, NearHit], async {
            assert_eq!(ledger.near(&[1, 2]).await, Ok(rows([(1, 0), (2, 20)])));
        })
        .await;
        assert_eq!(detected(&cache).await, 1);
        assert_eq!(peek(ledger.near(&[2])).await, Some(Ok(rows([(2, 20)]))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_misses_meanwhile_is_not_given_what_was_found() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.verified(&[1]).await.unwrap();
        ledger.gate.close();
        let call = |ids: &'static [u32]| {
            let ledger = ledger.clone();
            tokio::spawn(with_cache(cache.clone(), async move { ledger.verified(ids).await }))
        };
        let verified = call(&[1]);
        ledger.gate.until_waiting(1).await;
        ledger.put(1, 10).await;
        let missed = call(&[1]);
        until("it has missed", async || cache.stats().misses == 2).await;
        ledger.gate.open();
        assert_eq!(missed.await.unwrap(), Ok(rows([(1, 10)])));
        assert_eq!(verified.await.unwrap(), Ok(rows([(1, 10)])));
        assert_eq!(peek(ledger.verified(&[1])).await, Some(Ok(rows([(1, 10)]))));
        assert_eq!(detected(&cache).await, 0);
    })
    .await;
}
