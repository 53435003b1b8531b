//! `load_timeout` of functions with `each`: how long a call of several ids waits, with old values to return and without.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, LoadTimeout,
    Outcome::{self, Hit, Miss, StaleHit},
    cached, invalidates, observe, with_cache,
};
use cache_testkit::{Gate, expect_outcomes, isolated, until};
use tokio::{
    task::JoinHandle,
    time::{Instant, advance},
};

const TTL: Duration = Duration::from_secs(10);
const SOFT: Duration = Duration::from_millis(200);
const HARD: Duration = Duration::from_secs(5);

/// The id whose query stands at the gate.
const SLOW: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    Late(Duration),
}

impl From<LoadTimeout> for Failure {
    fn from(timeout: LoadTimeout) -> Self {
        Self::Late(timeout.after())
    }
}

/// A table whose rows are its version.
#[derive(Debug, Clone)]
struct Table {
    version: Arc<AtomicU64>,
    queries: Arc<Mutex<Vec<Vec<u32>>>>,
    gate: Gate,
}

type Rows = Result<HashMap<u32, u64>, Failure>;

impl Table {
    fn new() -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            version: Arc::default(),
            queries: Arc::default(),
            gate,
        }
    }

    async fn load(&self, ids: &[u32]) -> HashMap<u32, u64> {
        let version = self.version.load(Ordering::SeqCst);
        self.queries.lock().expect("no panic holds it").push(ids.to_vec());
        if ids.contains(&SLOW) {
            self.gate.pass().await;
        }
        rows(ids, version)
    }

    /// What was asked for since the last time.
    fn queries(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.queries.lock().expect("no panic holds it"))
    }

    /// From now on the rows are others, and the slow one is not had.
    fn slow_down(&self) {
        self.gate.close();
        self.version.fetch_add(1, Ordering::SeqCst);
        self.queries();
    }

    #[cached(resource = "rows", each = ids, ttl = 10, stale_if_error = "1h", load_timeout(soft = "200ms", hard = "5s"))]
    async fn timed(&self, ids: &[u32]) -> Rows {
        Ok(self.load(ids).await)
    }

    #[cached(resource = "rows", each = ids, ttl = 10, stale_while_revalidate = "10s", stale_if_error = "1h", load_timeout(soft = "200ms"))]
    async fn revalidated(&self, ids: Vec<u32>) -> Rows {
        Ok(self.load(&ids).await)
    }

    #[cached(resource = "timed_rows", each = ids, load_timeout(hard = "5s"), key(bounded = true))]
    async fn bounded(&self, ids: &[u32]) -> Rows {
        Ok(self.load(ids).await)
    }

    #[cached(resource = "timed_rows", each = ids, load_timeout)]
    async fn as_declared(&self, ids: &[u32]) -> Rows {
        Ok(self.load(ids).await)
    }

    #[invalidates("rows")]
    async fn change(&self) {
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    fn call(&self, cache: &Cache, ids: &[u32]) -> JoinHandle<Rows> {
        let (table, ids) = (self.clone(), ids.to_vec());
        tokio::spawn(with_cache(cache.clone(), async move { table.timed(&ids).await }))
    }
}

fn rows(ids: &[u32], version: u64) -> HashMap<u32, u64> {
    ids.iter().map(|id| (*id, version)).collect()
}

/// What a call returns, what became of its ids, and how long it takes.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Vec<Outcome>, Duration) {
    let began = Instant::now();
    let (returned, outcomes) = observe(call).await;
    let outcomes = outcomes.iter().map(|call| call.outcome).collect();
    (returned, outcomes, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn after_the_soft_timeout_old_values_are_returned_and_the_load_goes_on_and_fills() {
    isolated(async |cache| {
        let table = Table::new();
        table.timed(&[SLOW, 2]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        let old = (Ok(rows(&[SLOW, 2], 0)), vec![StaleHit, StaleHit]);
        let (returned, outcomes, took) = timed(table.timed(&[2, SLOW])).await;
        assert_eq!(((returned, outcomes), took), (old.clone(), SOFT));
        // While it goes on nobody waits again.
        let (returned, outcomes, took) = timed(table.timed(&[SLOW, 2])).await;
        assert_eq!(((returned, outcomes), took), (old, Duration::ZERO));
        table.gate.open();
        until("the load has filled", async || cache.stats().fills == 4).await;
        expect_outcomes(&[Hit, Hit], async {
            assert_eq!(table.timed(&[SLOW, 2]).await, Ok(rows(&[SLOW, 2], 1)));
        })
        .await;
        assert_eq!(table.queries(), [[2, SLOW]]);
        assert_eq!((cache.stats().refreshes, cache.stats().failed_refreshes), (2, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_quicker_than_the_soft_timeout_is_waited_for() {
    isolated(async |_| {
        let table = Table::new();
        table.timed(&[2, 3]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        let (returned, outcomes, took) = timed(table.timed(&[2, 3])).await;
        assert_eq!((returned, outcomes), (Ok(rows(&[2, 3], 1)), vec![Miss, Miss]));
        assert_eq!(took, Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_id_without_an_old_value_is_waited_for_with_those_that_are_loaded_beside_it() {
    isolated(async |cache| {
        let table = Table::new();
        table.timed(&[2]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        let call = table.call(&cache, &[2, SLOW]);
        table.gate.until_waiting(1).await;
        advance(SOFT * 2).await;
        assert!(!call.is_finished());
        table.gate.open();
        assert_eq!(call.await.unwrap(), Ok(rows(&[2, SLOW], 1)));
        assert_eq!(table.queries(), [[2, SLOW]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_another_call_loads_is_left_to_it_after_the_soft_timeout_and_what_was_loaded_is_returned() {
    isolated(async |cache| {
        let table = Table::new();
        table.timed(&[SLOW]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        // It has nothing old for one of its ids, and waits.
        let other = table.call(&cache, &[SLOW, 3]);
        table.gate.until_waiting(1).await;
        let (returned, outcomes, took) = timed(table.timed(&[2, SLOW])).await;
        assert_eq!(returned, Ok(HashMap::from([(2, 1), (SLOW, 0)])));
        assert_eq!((outcomes, took), (vec![Miss, StaleHit], SOFT));
        assert_eq!(cache.stats().refreshes, 0, "there is nothing to go on with");
        table.gate.open();
        assert_eq!(other.await.unwrap(), Ok(rows(&[SLOW, 3], 1)));
        assert_eq!(table.queries(), [[SLOW, 3].as_slice(), &[2]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn old_values_that_are_returned_at_once_are_loaded_again_beside_what_goes_on() {
    isolated(async |cache| {
        let table = Table::new();
        table.revalidated(vec![SLOW]).await.unwrap();
        advance(TTL).await;
        table.revalidated(vec![2]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        // One is in the window that nobody waits in, the other past it.
        let (returned, outcomes, took) = timed(table.revalidated(vec![SLOW, 2])).await;
        assert_eq!((returned, took), (Ok(rows(&[SLOW, 2], 0)), SOFT));
        assert_eq!(outcomes, [StaleHit, StaleHit]);
        until("one of them is there", async || cache.stats().fills == 3).await;
        table.gate.open();
        until("both of them are there", async || cache.stats().fills == 4).await;
        assert_eq!(table.revalidated(vec![SLOW, 2]).await, Ok(rows(&[SLOW, 2], 1)));
        assert_eq!(table.queries(), [[SLOW], [2]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_old_values_a_call_ends_with_the_hard_timeout_and_its_body_is_dropped() {
    isolated(async |cache| {
        let table = Table::new();
        table.timed(&[2]).await.unwrap();
        table.bounded(&[2]).await.unwrap();
        table.slow_down();
        let (returned, outcomes, took) = timed(table.timed(&[2, SLOW, 3])).await;
        assert_eq!((returned, took), (Err(Failure::Late(HARD)), HARD));
        assert_eq!(outcomes, [Hit, Miss, Miss]);
        let (returned, _, took) = timed(table.bounded(&[2, SLOW])).await;
        assert_eq!((returned, took), (Err(Failure::Late(HARD)), HARD));
        assert_eq!(cache.stats().timed_out_loads, 2);
        assert_eq!(table.gate.waiting(), 0);
        // Nothing is left behind that somebody would wait for.
        table.gate.open();
        assert_eq!(table.timed(&[SLOW, 3]).await, Ok(rows(&[SLOW, 3], 1)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_call_has_a_hard_timeout_of_its_own() {
    isolated(async |cache| {
        let table = Table::new();
        table.slow_down();
        let first = table.call(&cache, &[SLOW]);
        table.gate.until_waiting(1).await;
        advance(HARD / 2).await;
        let second = table.call(&cache, &[2, SLOW]);
        until("it has loaded what nobody loads", async || cache.stats().fills == 1).await;
        assert_eq!(first.await.unwrap(), Err(Failure::Late(HARD)));
        assert!(!second.is_finished(), "it loads what the other has not");
        let began = Instant::now();
        assert_eq!(second.await.unwrap(), Err(Failure::Late(HARD)));
        assert_eq!(began.elapsed(), HARD / 2);
        assert_eq!(table.queries(), [[SLOW], [2], [SLOW]]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_the_resource_declares_is_that_of_a_function_that_names_it() {
    isolated(async |_| {
        let table = Table::new();
        table.slow_down();
        let (returned, _, took) = timed(table.as_declared(&[SLOW, 2])).await;
        assert_eq!((returned, took), (Err(Failure::Late(HARD)), HARD));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_load_that_goes_on_ends_with_the_hard_timeout() {
    isolated(async |cache| {
        let table = Table::new();
        table.timed(&[SLOW, 2]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        table.timed(&[SLOW, 2]).await.unwrap();
        assert_eq!(table.gate.waiting(), 1);
        until("the load has ended", async || {
            tokio::time::sleep(SOFT).await;
            cache.stats().failed_refreshes == 2
        })
        .await;
        assert_eq!((table.gate.waiting(), cache.stats().timed_out_loads), (0, 1));
        assert_eq!(cache.stats().fills, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hard_timeout_is_hidden_where_all_ids_that_were_to_be_loaded_have_an_old_value() {
    #[cached(resource = "rows", each = ids, ttl = 10, stale_if_error = "1h", load_timeout(hard = "5s"), skip(table))]
    async fn hidden(table: &Table, ids: &[u32]) -> Rows {
        Ok(table.load(ids).await)
    }

    isolated(async |_| {
        let table = Table::new();
        hidden(&table, &[SLOW, 2]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        let (returned, outcomes, took) = timed(hidden(&table, &[SLOW, 2])).await;
        assert_eq!((returned, took), (Ok(rows(&[SLOW, 2], 0)), HARD));
        assert_eq!(outcomes, [StaleHit, StaleHit]);
        advance(TTL).await;
        let (returned, mut outcomes, _) = timed(hidden(&table, &[SLOW, 2, 3])).await;
        outcomes.sort_by_key(|outcome| outcome.as_str());
        assert_eq!(returned, Err(Failure::Late(HARD)));
        assert_eq!(outcomes, [Miss, Miss, Miss]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_that_goes_on_and_is_overtaken_by_a_mutation_is_not_stored_and_no_old_value_is_returned() {
    isolated(async |cache| {
        let table = Table::new();
        table.timed(&[SLOW, 2]).await.unwrap();
        advance(TTL).await;
        table.slow_down();
        table.timed(&[SLOW, 2]).await.unwrap();
        table.change().await;
        let call = table.call(&cache, &[2, SLOW]);
        table.gate.until_waiting(2).await;
        advance(SOFT * 2).await;
        assert!(!call.is_finished());
        table.gate.open();
        assert_eq!(call.await.unwrap(), Ok(rows(&[SLOW, 2], 2)));
        until("the load in the background has ended", async || {
            table.gate.waiting() == 0
        })
        .await;
        assert_eq!(table.timed(&[SLOW, 2]).await, Ok(rows(&[SLOW, 2], 2)));
        assert_eq!(
            cache.stats().fills,
            4,
            "two of each load but the one that was overtaken"
        );
    })
    .await;
}
