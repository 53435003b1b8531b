//! `verify`: a sample of the hits is loaded, too, and what is another result than the hit is counted.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, NearHit},
    cached, invalidates, peek, spawn,
};
use cache_testkit::{Gate, LoadCounter, assert_loads, expect_outcomes, isolated, isolated_in, until};
use futures_util::FutureExt as _;
use support::{outcome_of, spy};
use tokio::time::advance;

/// Longer than a mutation may take from its commit to its invalidation.
const A_WHILE: Duration = Duration::from_millis(1_500);

/// A database of one row.
#[derive(Debug, Clone)]
struct Ledger {
    row: Arc<AtomicU32>,
    loads: LoadCounter,
    /// Loads wait here before they read.
    gate: Gate,
}

impl Ledger {
    fn new() -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            row: Arc::default(),
            loads: LoadCounter::new(),
            gate,
        }
    }

    /// Tells nobody.
    fn write(&self, row: u32) {
        self.row.store(row, Ordering::SeqCst);
    }

    async fn read(&self) -> u32 {
        self.loads.record();
        self.gate.pass().await;
        self.row.load(Ordering::SeqCst)
    }

    #[cached(resource = "verified", verify = 1)]
    async fn row(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "verified_near", near = "tracked", verify = 1.0)]
    async fn near(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "verified_fallible", verify = 1)]
    async fn fallible(&self) -> Result<Option<u32>, u32> {
        match self.read().await {
            100 => Err(100),
            200 => Ok(None),
            row => Ok(Some(row)),
        }
    }

    #[cached(resource = "verified_rarely", verify = 0.1)]
    async fn rarely(&self) -> u32 {
        self.read().await
    }

    #[invalidates("verified", "verified_near")]
    async fn put(&self, row: u32) {
        self.write(row);
    }

    /// A mutation that waits between its commit and its end.
    #[invalidates("verified")]
    async fn put_slowly(&self, row: u32, gate: &Gate) {
        self.write(row);
        gate.pass().await;
    }
}

/// How many hits have been found to be old, when there was time to find out.
pub(crate) async fn detected(cache: &Cache) -> u64 {
    // The tasks that look later have begun to wait.
    tokio::task::yield_now().await;
    advance(A_WHILE).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    cache.stats().stale_detected
}

#[tokio::test(start_paused = true)]
async fn a_hit_that_is_what_its_body_loads_is_not_counted() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        expect_outcomes(&[Miss], ledger.row()).await;
        assert_loads(&ledger.loads, 1);
        expect_outcomes(&[Hit], ledger.row()).await;
        assert_loads(&ledger.loads, 2);
        assert_eq!(detected(&cache).await, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hit_that_nobody_has_invalidated_and_is_old_is_counted_and_what_is_loaded_takes_its_place() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.row().await;
        for row in 1..=3 {
            ledger.write(row);
            assert_eq!(expect_outcomes(&[Hit], ledger.row()).await, row, "that of the body");
            assert_eq!(detected(&cache).await, u64::from(row));
        }
        expect_outcomes(&[Hit], ledger.row()).await;
        assert_eq!(detected(&cache).await, 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_mutation_during_the_load_is_no_difference() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.row().await;
        ledger.gate.close();
        let mut verified = Box::pin(ledger.row());
        assert!(verified.as_mut().now_or_never().is_none());
        ledger.put(1).await;
        ledger.gate.open();
        assert_eq!(verified.await, 1);
        assert_eq!(detected(&cache).await, 0);
        assert_eq!(
            expect_outcomes(&[Miss], ledger.row()).await,
            1,
            "that load is not stored"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_mutation_that_has_committed_and_not_invalidated_yet_is_no_difference() {
    isolated(async |cache| {
        let (ledger, end) = (Ledger::new(), Gate::closed());
        ledger.row().await;
        let mutation = spawn({
            let (ledger, end) = (ledger.clone(), end.clone());
            async move { ledger.put_slowly(1, &end).await }
        });
        end.until_waiting(1).await;
        assert_eq!(expect_outcomes(&[Hit], ledger.row()).await, 1);
        end.open();
        mutation.await.unwrap();
        assert_eq!(detected(&cache).await, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn if_the_load_fails_the_hit_is_returned_and_nothing_is_counted() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        ledger.fallible().await.unwrap();
        ledger.write(100);
        assert_eq!(expect_outcomes(&[Hit], ledger.fallible()).await, Ok(Some(0)));
        assert_eq!(detected(&cache).await, 0);
        ledger.write(200);
        assert_eq!(expect_outcomes(&[Hit], ledger.fallible()).await, Ok(None));
        assert_eq!(detected(&cache).await, 1, "what is gone is a difference");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn near_hits_are_verified_too() {
    isolated(async |cache| {
        let ledger = Ledger::new();
        until("the near cache answers", async || {
            outcome_of(ledger.near()).await.1 == NearHit
        })
        .await;
        ledger.write(1);
        assert_eq!(expect_outcomes(&[NearHit], ledger.near()).await, 1);
        assert_eq!(detected(&cache).await, 1);
        assert_eq!(expect_outcomes(&[NearHit], ledger.near()).await, 1, "it was replaced");
        assert_eq!(detected(&cache).await, 1);
        ledger.put(2).await;
        assert_eq!(ledger.near().await, 2);
        assert_eq!(detected(&cache).await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_another_order_each_time_is_no_difference() {
    #[cached(resource = "verified_maps", verify = 1)]
    async fn map() -> HashMap<u32, u32> {
        (0..100).map(|n| (n, n)).collect()
    }
    isolated(async |cache| {
        for _ in 0..5 {
            map().await;
        }
        assert_eq!((detected(&cache).await, cache.stats().loads), (0, 5));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_function_whose_arguments_are_its_own_is_verified_like_any_other() {
    #[cached(resource = "verified_owned", verify = 1, stale_while_revalidate = "1m", skip(ledger))]
    async fn owned_row(ledger: Ledger) -> u32 {
        ledger.read().await
    }
    isolated(async |cache| {
        let ledger = Ledger::new();
        owned_row(ledger.clone()).await;
        ledger.write(1);
        assert_eq!(expect_outcomes(&[Hit], owned_row(ledger.clone())).await, 1);
        assert_eq!(detected(&cache).await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn as_many_hits_are_verified_as_is_said() {
    isolated(async |_| {
        fastrand::seed(7);
        let ledger = Ledger::new();
        for _ in 0..1_001 {
            ledger.rarely().await;
        }
        let verified = ledger.loads.count() - 1;
        assert!((70..130).contains(&verified), "{verified} of 1000 at one in ten");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_peek_runs_no_body_to_verify() {
    isolated(async |_| {
        let ledger = Ledger::new();
        ledger.row().await;
        assert_eq!(peek(ledger.row()).await, Some(0));
        assert_loads(&ledger.loads, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_closed_looks_at_nothing_any_more() {
    isolated_in(Cache::builder().store(spy()).build(), async |cache| {
        let ledger = Ledger::new();
        ledger.row().await;
        ledger.write(1);
        ledger.row().await;
        cache.close().await;
        assert_eq!(detected(&cache).await, 0);
    })
    .await;
}
