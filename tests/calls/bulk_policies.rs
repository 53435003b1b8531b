//! Policies of functions with `each`: they are of each id.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Lifetime,
    Outcome::{Hit, Miss, StaleHit},
    cached, invalidates, observe,
};
use cache_testkit::{LoadCounter, assert_loads, expect_outcomes, isolated, until};

/// A table that has the even ids, as long as it is there.
#[derive(Debug, Clone, Default)]
struct Table {
    loads: LoadCounter,
    queries: Arc<Mutex<Vec<Vec<u32>>>>,
    is_gone: Arc<AtomicBool>,
}

type Rows = Result<HashMap<u32, u32>, String>;

impl Table {
    fn load(&self, ids: &[u32]) -> Rows {
        self.loads.record();
        self.queries.lock().expect("no panic holds it").push(ids.to_vec());
        if self.is_gone.load(Ordering::SeqCst) {
            return Err("the table is gone".to_owned());
        }
        Ok(ids.iter().filter(|id| *id % 2 == 0).map(|id| (*id, id * 10)).collect())
    }

    fn queries(&self) -> Vec<Vec<u32>> {
        self.queries.lock().expect("no panic holds it").clone()
    }

    #[cached(resource = "rows", each = ids, negative_ttl = "10s")]
    async fn find(&self, ids: &[u32]) -> Rows {
        self.load(ids)
    }

    #[cached(resource = "rows", each = ids, ttl = "1ms", stale_if_error = "1h")]
    async fn lasting(&self, ids: &[u32]) -> Rows {
        self.load(ids)
    }

    #[cached(resource = "rows", each = ids, ttl = |row| Lifetime::new(Duration::from_secs(u64::from(*row) / 10)))]
    async fn by_value(&self, ids: &[u32]) -> Rows {
        self.load(ids)
    }

    #[invalidates("rows")]
    async fn change(&self) {}
}

#[tokio::test(start_paused = true)]
async fn that_an_id_has_no_value_is_remembered_for_its_time_and_until_an_invalidation() {
    isolated(async |cache| {
        let table = Table::default();
        let found = Ok(HashMap::from([(2, 20)]));
        expect_outcomes(&[Miss, Miss], async {
            assert_eq!(table.find(&[1, 2]).await, found);
        })
        .await;
        expect_outcomes(&[Hit, Hit], async {
            assert_eq!(table.find(&[1, 2]).await, found);
        })
        .await;
        assert_eq!(cache.stats().fills, 2);
        tokio::time::advance(Duration::from_secs(11)).await;
        expect_outcomes(&[Miss, Hit], async {
            assert_eq!(table.find(&[1, 2]).await, found);
        })
        .await;
        expect_outcomes(&[Hit], async {
            assert_eq!(table.find(&[1]).await, Ok(HashMap::new()));
        })
        .await;
        table.change().await;
        expect_outcomes(&[Miss], async {
            assert_eq!(table.find(&[1]).await, Ok(HashMap::new()));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_error_is_hidden_where_all_ids_that_were_to_be_loaded_have_an_old_value() {
    isolated(async |_| {
        let table = Table::default();
        let rows = Ok(HashMap::from([(2, 20), (4, 40)]));
        assert_eq!(table.lasting(&[2, 4]).await, rows);
        table.is_gone.store(true, Ordering::SeqCst);
        until("the values are old", async || {
            let (answer, outcomes) = observe(table.lasting(&[2, 4])).await;
            assert_eq!(answer, rows);
            outcomes.iter().all(|call| call.outcome == StaleHit)
        })
        .await;
        // There is nothing to be returned for one of them.
        assert_eq!(table.lasting(&[6, 2]).await, Err("the table is gone".to_owned()));
        table.is_gone.store(false, Ordering::SeqCst);
        assert_eq!(table.lasting(&[6, 2]).await, Ok(HashMap::from([(6, 60), (2, 20)])));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_old_value_that_hides_no_error_is_a_miss() {
    isolated(async |_| {
        let table = Table::default();
        table.lasting(&[2]).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        table.is_gone.store(true, Ordering::SeqCst);
        expect_outcomes(&[Miss, Miss], async {
            assert_eq!(table.lasting(&[6, 2]).await, Err("the table is gone".to_owned()));
        })
        .await;
        assert_eq!(table.queries(), [vec![2], vec![6, 2]]);
    })
    .await;
}

#[tokio::test]
async fn an_old_value_is_not_returned_after_an_invalidation() {
    isolated(async |_| {
        let table = Table::default();
        table.lasting(&[2]).await.unwrap();
        table.change().await;
        table.is_gone.store(true, Ordering::SeqCst);
        assert!(table.lasting(&[2]).await.is_err());
    })
    .await;
}

#[cached(resource = "rows", each = ids, ttl = "1ms", stale_while_revalidate = "1h", near = "checked", skip(table))]
async fn revalidated(table: &Table, ids: &[u32], factor: Vec<u32>) -> Rows {
    let rows = table.load(ids)?;
    tokio::task::yield_now().await;
    Ok(rows.into_iter().map(|(id, row)| (id, row * factor[0])).collect())
}

#[cached(resource = "rows", each = ids, ttl = "1h", refresh_ahead = 1_000_000_000_000_000.0, skip(table))]
async fn ahead(table: &Table, ids: Vec<u32>) -> Rows {
    table.load(&ids)
}

/// Calls until all of these ids are answered with old values.
async fn until_stale(table: &Table, ids: &[u32]) {
    until("the values are old", async || {
        let (answer, outcomes) = observe(revalidated(table, ids, vec![1])).await;
        assert!(answer.is_ok(), "{answer:?}");
        outcomes.iter().all(|call| call.outcome == StaleHit)
    })
    .await;
}

#[tokio::test]
async fn old_values_are_returned_at_once_and_loaded_again_by_one_run_of_the_body() {
    isolated(async |cache| {
        let table = Table::default();
        revalidated(&table, &[2, 4, 6], vec![1]).await.unwrap();
        assert_loads(&table.loads, 1);
        until_stale(&table, &[2, 4, 6]).await;
        until("all of them are loaded again together", async || {
            revalidated(&table, &[2, 4, 6], vec![1]).await.unwrap();
            table.queries()[1..].contains(&vec![2, 4, 6])
        })
        .await;
        let stats = cache.stats();
        assert!(stats.refreshes >= 3, "each id is counted: {stats:?}");
        assert_eq!(stats.misses, 3, "nobody has waited but the first call");
    })
    .await;
}

#[tokio::test]
async fn only_the_ids_that_are_missing_are_waited_for() {
    isolated(async |_| {
        let table = Table::default();
        revalidated(&table, &[2, 4], vec![1]).await.unwrap();
        let mut missing = 100;
        until("the others are old", async || {
            missing += 2;
            let (rows, outcomes) = observe(revalidated(&table, &[2, missing, 4], vec![1])).await;
            assert_eq!(rows.unwrap().len(), 3);
            outcomes.iter().map(|call| call.outcome).eq([StaleHit, Miss, StaleHit])
        })
        .await;
        assert!(table.queries().contains(&vec![missing]), "{:?}", table.queries());
    })
    .await;
}

#[tokio::test]
async fn a_load_in_the_background_that_fails_leaves_the_old_values() {
    isolated(async |cache| {
        let table = Table::default();
        revalidated(&table, &[2, 4], vec![1]).await.unwrap();
        table.is_gone.store(true, Ordering::SeqCst);
        until_stale(&table, &[2, 4]).await;
        until("both have failed", async || cache.stats().failed_refreshes >= 2).await;
        until_stale(&table, &[2, 4]).await;
    })
    .await;
}

#[tokio::test]
async fn after_an_invalidation_no_old_value_is_returned() {
    isolated(async |_| {
        let table = Table::default();
        revalidated(&table, &[2, 4], vec![1]).await.unwrap();
        until_stale(&table, &[2, 4]).await;
        table.change().await;
        expect_outcomes(&[Miss, Miss], revalidated(&table, &[2, 4], vec![1]))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn values_are_loaded_before_their_time_is_over_by_one_run_of_the_body() {
    isolated(async |cache| {
        let table = Table::default();
        ahead(&table, vec![2, 4]).await.unwrap();
        expect_outcomes(&[Hit, Hit], ahead(&table, vec![2, 4])).await.unwrap();
        table.loads.until(2).await;
        until("they are stored", async || cache.stats().fills == 4).await;
        assert_eq!((cache.stats().refreshes, cache.stats().loads), (2, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_value_lives_as_long_as_it_says() {
    isolated(async |cache| {
        let table = Table::default();
        table.by_value(&[0, 2, 8]).await.unwrap();
        assert_eq!(cache.stats().fills, 2, "no time is not stored");
        tokio::time::advance(Duration::from_secs(5)).await;
        expect_outcomes(&[Miss, Hit], table.by_value(&[2, 8])).await.unwrap();
        assert_loads(&table.loads, 2);
    })
    .await;
}
