//! `cache_err` of functions with `each`: an error is that of all ids that the body was called for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, NearHit, StaleHit},
    cached, invalidates, observe, peek, with_cache,
};
use cache_testkit::{Gate, expect_outcomes, isolated, until};
use serde::{Deserialize, Serialize};
use tokio::time::advance;

const NEGATIVE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Failure {
    Database,
    NotFound(u32),
}

/// A table that has the ids below a limit, and is asked through a gate.
#[derive(Debug, Clone)]
struct Table {
    limit: Arc<AtomicU32>,
    queries: Arc<Mutex<Vec<Vec<u32>>>>,
    gate: Gate,
}

type Rows = Result<HashMap<u32, u32>, Failure>;

impl Table {
    fn of(limit: u32) -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            limit: Arc::new(AtomicU32::new(limit)),
            queries: Arc::default(),
            gate,
        }
    }

    /// The first id that is not there is an error; with no ids at all there is no table.
    async fn load(&self, ids: &[u32]) -> Rows {
        self.queries.lock().expect("no panic holds it").push(ids.to_vec());
        let limit = self.limit.load(Ordering::SeqCst);
        self.gate.pass().await;
        match ids.iter().find(|id| **id >= limit) {
            _ if limit == 0 => Err(Failure::Database),
            Some(id) => Err(Failure::NotFound(*id)),
            None => Ok(rows(ids)),
        }
    }

    fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::SeqCst);
    }

    /// What was asked for since the last time.
    fn queries(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.queries.lock().expect("no panic holds it"))
    }

    #[cached(resource = "rows", each = ids, negative_ttl = "10s", cache_err = |error| matches!(error, Failure::NotFound(_)))]
    async fn find(&self, ids: &[u32]) -> Rows {
        self.load(ids).await
    }

    #[invalidates("rows")]
    async fn grow(&self, limit: u32) {
        self.set_limit(limit);
    }
}

fn rows(ids: &[u32]) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, id * 10)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_chosen_error_is_kept_for_each_id_that_the_body_was_called_for() {
    isolated(async |cache| {
        let table = Table::of(100);
        table.find(&[1]).await.unwrap();
        expect_outcomes(&[Hit, Miss, Miss], async {
            assert_eq!(table.find(&[1, 2, 200]).await, Err(Failure::NotFound(200)));
        })
        .await;
        assert_eq!(cache.stats().fills, 3);
        for id in [2, 200] {
            expect_outcomes(&[Hit], async {
                assert_eq!(table.find(&[id]).await, Err(Failure::NotFound(200)));
            })
            .await;
        }
        assert_eq!(table.find(&[1]).await, Ok(rows(&[1])));
        assert_eq!(table.queries(), [vec![1], vec![2, 200]]);
        advance(NEGATIVE).await;
        expect_outcomes(&[Miss], async {
            assert_eq!(table.find(&[2]).await, Ok(rows(&[2])));
        })
        .await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_error_that_was_kept_of_one_id_is_that_of_the_call_and_nothing_is_loaded() {
    isolated(async |_| {
        let table = Table::of(100);
        table.find(&[1]).await.unwrap();
        table.find(&[200]).await.unwrap_err();
        table.find(&[300]).await.unwrap_err();
        table.queries();
        expect_outcomes(&[Hit, Miss, Hit], async {
            assert_eq!(table.find(&[1, 2, 200]).await, Err(Failure::NotFound(200)));
        })
        .await;
        // The first of them, as the caller has named them.
        assert_eq!(table.find(&[1, 300, 200]).await, Err(Failure::NotFound(300)));
        assert_eq!(
            peek(table.find(&[2, 200, 300])).await,
            Some(Err(Failure::NotFound(200)))
        );
        assert!(table.queries().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_error_that_is_not_chosen_is_kept_for_nobody() {
    isolated(async |cache| {
        let table = Table::of(0);
        for _ in 0..2 {
            expect_outcomes(&[Miss, Miss], async {
                assert_eq!(table.find(&[1, 2]).await, Err(Failure::Database));
            })
            .await;
        }
        assert_eq!((cache.stats().fills, table.queries().len()), (0, 2));
    })
    .await;
}

#[tokio::test]
async fn an_error_that_was_kept_is_not_returned_after_a_mutation() {
    isolated(async |_| {
        let table = Table::of(100);
        table.find(&[2, 200]).await.unwrap_err();
        table.grow(1000).await;
        assert_eq!(table.find(&[2, 200]).await, Ok(rows(&[2, 200])));
    })
    .await;
}

#[tokio::test]
async fn an_error_whose_load_was_overtaken_by_a_mutation_is_kept_for_nobody() {
    isolated(async |cache| {
        let table = Table::of(100);
        table.gate.close();
        let call = tokio::spawn({
            let table = table.clone();
            with_cache(cache.clone(), async move { table.find(&[2, 200]).await })
        });
        table.gate.until_waiting(1).await;
        table.grow(1000).await;
        table.gate.open();
        assert_eq!(call.await.unwrap(), Err(Failure::NotFound(200)));
        assert_eq!(cache.stats().fills, 0);
        assert_eq!(table.find(&[2, 200]).await, Ok(rows(&[2, 200])));
    })
    .await;
}

#[tokio::test]
async fn who_waited_for_a_load_that_ended_with_a_chosen_error_loads_for_itself() {
    isolated(async |cache: Cache| {
        let table = Table::of(100);
        table.gate.close();
        let call = |ids: &'static [u32]| {
            let table = table.clone();
            tokio::spawn(with_cache(cache.clone(), async move { table.find(ids).await }))
        };
        let first = call(&[2, 200]);
        table.gate.until_waiting(1).await;
        // The error is not for the sake of this one's id.
        let second = call(&[2]);
        until("it waits", async || cache.stats().misses == 3).await;
        table.gate.open();
        assert_eq!(first.await.unwrap(), Err(Failure::NotFound(200)));
        assert_eq!(second.await.unwrap(), Ok(rows(&[2])));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_chosen_error_takes_the_place_of_old_values_and_others_are_hidden_by_them() {
    #[cached(resource = "rows", each = ids, ttl = 5, stale_if_error = "1h", negative_ttl = "10s",
        cache_err = |error| matches!(error, Failure::NotFound(_)), skip(table))]
    async fn lasting(table: &Table, ids: &[u32]) -> Rows {
        table.load(ids).await
    }

    isolated(async |_| {
        let table = Table::of(100);
        lasting(&table, &[50, 60]).await.unwrap();
        advance(NEGATIVE).await;
        table.set_limit(0);
        expect_outcomes(&[StaleHit, StaleHit], async {
            assert_eq!(lasting(&table, &[50, 60]).await, Ok(rows(&[50, 60])));
        })
        .await;
        advance(NEGATIVE).await;
        table.set_limit(10);
        expect_outcomes(&[Miss, Miss], async {
            assert_eq!(lasting(&table, &[50, 60]).await, Err(Failure::NotFound(50)));
        })
        .await;
        table.set_limit(0);
        assert_eq!(lasting(&table, &[60]).await, Err(Failure::NotFound(50)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_in_the_background_that_ends_with_a_chosen_error_has_not_failed() {
    #[cached(resource = "rows", each = ids, ttl = 5, stale_while_revalidate = "1h", negative_ttl = "10s",
        cache_err = |error| matches!(error, Failure::NotFound(_)), skip(table))]
    async fn revalidated(table: &Table, ids: &[u32]) -> Rows {
        table.load(ids).await
    }

    isolated(async |cache| {
        let table = Table::of(100);
        revalidated(&table, &[50, 60]).await.unwrap();
        advance(NEGATIVE).await;
        table.set_limit(10);
        expect_outcomes(&[StaleHit, StaleHit], async {
            assert_eq!(revalidated(&table, &[50, 60]).await, Ok(rows(&[50, 60])));
        })
        .await;
        until("the error is kept", async || cache.stats().fills == 4).await;
        assert_eq!(revalidated(&table, &[60]).await, Err(Failure::NotFound(50)));
        assert_eq!((cache.stats().refreshes, cache.stats().failed_refreshes), (2, 0));
    })
    .await;
}

#[tokio::test]
async fn with_near_values_are_kept_in_the_process_and_errors_in_the_store_alone() {
    #[cached(resource = "rows", each = ids, near = "checked", negative_ttl = "10s", cache_err = |_| true, skip(table))]
    async fn near(table: &Table, ids: &[u32]) -> Rows {
        table.load(ids).await
    }

    isolated(async |_| {
        let table = Table::of(100);
        near(&table, &[1]).await.unwrap();
        near(&table, &[200]).await.unwrap_err();
        let (found, outcomes) = observe(near(&table, &[200, 1])).await;
        assert_eq!(found, Err(Failure::NotFound(200)));
        assert!(outcomes.iter().map(|call| call.outcome).eq([Hit, NearHit]));
    })
    .await;
}
