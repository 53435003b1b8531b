//! Policies of functions with `each`: they are of each id.

use std::{
    collections::HashMap,
    sync::{
        Arc,
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
    is_gone: Arc<AtomicBool>,
}

type Rows = Result<HashMap<u32, u32>, String>;

impl Table {
    fn load(&self, ids: &[u32]) -> Rows {
        self.loads.record();
        if self.is_gone.load(Ordering::SeqCst) {
            return Err("the table is gone".to_owned());
        }
        Ok(ids.iter().filter(|id| *id % 2 == 0).map(|id| (*id, id * 10)).collect())
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
