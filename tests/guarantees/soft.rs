//! Soft invalidation: the old value is returned while a load is under way that began afterwards, and what is strictly invalidated
//! never is. See `docs/guarantees.md`; the model is `soft` in `tests/models`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, InvalidateError,
    Outcome::{Hit, Miss, NearHit, StaleHit},
    cached, invalidates,
    store::{RedisStore, Store as _, StoreErrorKind},
    with_cache,
};
use cache_testkit::{
    Gate, LoadCounter, OperationKind, RedisServer, SpyStore, expect_outcomes, isolated, isolated_in, patient, reaching,
    until,
};
use support::spy;

/// A stock exchange: a load reads the price, and waits for the gate before it returns.
#[derive(Clone)]
struct Exchange {
    price: Arc<AtomicU64>,
    /// The newest price that a load has read.
    newest: Arc<AtomicU64>,
    loads: LoadCounter,
    answer: Gate,
    fails: Arc<AtomicBool>,
}

impl Exchange {
    fn open() -> Self {
        let exchange = Self {
            price: Arc::default(),
            newest: Arc::default(),
            loads: LoadCounter::new(),
            answer: Gate::closed(),
            fails: Arc::default(),
        };
        exchange.answer.open();
        exchange
    }

    async fn load(&self) -> Result<u64, String> {
        let price = self.price.load(Ordering::SeqCst);
        self.newest.fetch_max(price, Ordering::SeqCst);
        self.loads.record();
        self.answer.pass().await;
        if self.fails.load(Ordering::SeqCst) {
            return Err("the exchange is closed".to_owned());
        }
        Ok(price)
    }

    #[cached(resource = "quote", scope(symbol), stale_while_revalidate)]
    async fn quote(&self, symbol: String) -> Result<u64, String> {
        let _ = symbol;
        self.load().await
    }

    #[cached(resource = "near_quote", near = "tracked", stale_while_revalidate)]
    async fn near_quote(&self) -> Result<u64, String> {
        self.load().await
    }

    #[cached(resource = "checked_quote", near = "checked", stale_while_revalidate)]
    async fn checked_quote(&self) -> Result<u64, String> {
        self.load().await
    }

    #[cached(resource = "led_quote", lease, stale_while_revalidate)]
    async fn led_quote(&self) -> Result<u64, String> {
        self.load().await
    }

    async fn a(&self) -> u64 {
        self.quote("a".to_owned()).await.expect("the exchange is open")
    }

    #[invalidates("quote"(symbol), soft)]
    async fn set(&self, symbol: &str, price: u64) {
        let _ = symbol;
        self.price.store(price, Ordering::SeqCst);
    }

    #[invalidates("quote"(symbol))]
    async fn correct(&self, symbol: &str, price: u64) {
        let _ = symbol;
        self.price.store(price, Ordering::SeqCst);
    }

    #[invalidates(near_quotes, soft)]
    async fn set_all(&self, price: u64) {
        self.price.store(price, Ordering::SeqCst);
    }
}

async fn until_stored(store: &SpyStore, fills: usize) {
    store.until_ended(OperationKind::Fill, fills).await;
}

#[tokio::test]
async fn the_old_value_is_returned_at_once_while_one_load_replaces_it() {
    let store = spy();
    isolated_in(patient().store(store.clone()).build(), async |_| {
        let exchange = Exchange::open();
        expect_outcomes(&[Miss], exchange.a()).await;
        exchange.answer.close();
        exchange.set("a", 1).await;
        for _ in 0..3 {
            assert_eq!(expect_outcomes(&[StaleHit], exchange.a()).await, 0);
        }
        exchange.loads.until(2).await;
        assert_eq!(exchange.a().await, 0, "the load is under way");
        exchange.answer.open();
        until_stored(&store, 2).await;
        assert_eq!(expect_outcomes(&[Hit], exchange.a()).await, 1);
        assert_eq!(exchange.loads.count(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_load_from_before_the_invalidation_is_no_reason_not_to_load() {
    let store = spy();
    isolated_in(patient().store(store.clone()).build(), async |_| {
        let exchange = Exchange::open();
        exchange.a().await;
        exchange.answer.close();
        exchange.set("a", 1).await;
        assert_eq!(exchange.a().await, 0);
        exchange.loads.until(2).await;
        exchange.set("a", 2).await;
        assert_eq!(expect_outcomes(&[StaleHit], exchange.a()).await, 0);
        exchange.loads.until(3).await;
        exchange.answer.open();
        until("the value from after both invalidations", async || {
            matches!(exchange.a().await, 2)
        })
        .await;
        assert_eq!(exchange.loads.count(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_is_strictly_invalidated_is_not_returned_whatever_is_soft_about_it() {
    isolated(async |_| {
        for strict_first in [true, false] {
            let exchange = Exchange::open();
            exchange.price.store(5, Ordering::SeqCst);
            exchange.correct("a", 5).await;
            assert_eq!(exchange.a().await, 5);
            if strict_first {
                exchange.correct("a", 6).await;
                exchange.set("a", 7).await;
            } else {
                exchange.set("a", 6).await;
                exchange.correct("a", 7).await;
            }
            assert_eq!(expect_outcomes(&[Miss], exchange.a()).await, 7);
        }
    })
    .await;
}

#[tokio::test]
async fn another_scope_value_stays_fresh() {
    isolated(async |_| {
        let exchange = Exchange::open();
        exchange.quote("b".to_owned()).await.unwrap();
        exchange.set("a", 1).await;
        expect_outcomes(&[Hit], exchange.quote("b".to_owned())).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn where_no_load_can_be_begun_the_call_loads_itself() {
    let store = spy();
    let cache = patient().store(store.clone()).max_refreshes(1).build();
    isolated_in(cache, async |_| {
        let exchange = Exchange::open();
        for symbol in ["a", "b"] {
            exchange.quote(symbol.to_owned()).await.unwrap();
        }
        exchange.answer.close();
        for symbol in ["a", "b"] {
            exchange.set(symbol, 1).await;
        }
        assert_eq!(exchange.a().await, 0, "its load takes the one place");
        exchange.loads.until(3).await;
        let (b, ()) = tokio::join!(exchange.quote("b".to_owned()), async {
            exchange.loads.until(4).await;
            exchange.answer.open();
        });
        assert_eq!(b, Ok(1));
    })
    .await;
}

#[tokio::test]
async fn where_nothing_could_be_stored_the_call_loads_itself() {
    let store = spy();
    isolated_in(patient().store(store.clone()).build(), async |_| {
        let exchange = Exchange::open();
        exchange.a().await;
        exchange.set("a", 1).await;
        let out_of_memory = StoreErrorKind::OutOfMemory;
        store.fail_next(OperationKind::CreateStamps, 1, out_of_memory);
        assert_eq!(expect_outcomes(&[Miss], exchange.a()).await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_a_load_that_failed_the_old_value_is_returned_for_a_second_without_another() {
    isolated(async |cache| {
        let exchange = Exchange::open();
        exchange.a().await;
        exchange.fails.store(true, Ordering::SeqCst);
        exchange.set("a", 1).await;
        assert_eq!(exchange.a().await, 0);
        until("the load has failed", async || cache.stats().failed_refreshes == 1).await;
        for _ in 0..3 {
            assert_eq!(expect_outcomes(&[StaleHit], exchange.a()).await, 0);
        }
        assert_eq!(exchange.loads.count(), 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        exchange.fails.store(false, Ordering::SeqCst);
        assert_eq!(exchange.a().await, 0);
        until("the load has replaced it", async || exchange.a().await == 1).await;
        assert_eq!(exchange.loads.count(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_after_a_load_that_failed_makes_the_next_call_load_at_once() {
    isolated(async |cache| {
        let exchange = Exchange::open();
        exchange.a().await;
        exchange.fails.store(true, Ordering::SeqCst);
        exchange.set("a", 1).await;
        exchange.a().await;
        until("the load has failed", async || cache.stats().failed_refreshes == 1).await;
        exchange.set("a", 2).await;
        exchange.a().await;
        exchange.loads.until(3).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_old_value_is_not_returned_when_its_time_and_the_window_are_over() {
    isolated(async |_| {
        let exchange = Exchange::open();
        exchange.a().await;
        // Loads do not come to their end, so nothing replaces the value.
        exchange.answer.close();
        exchange.set("a", 1).await;
        let whole = Duration::from_mins(70);
        tokio::time::advance(whole.saturating_sub(Duration::from_millis(2))).await;
        assert_eq!(exchange.a().await, 0);
        tokio::time::advance(Duration::from_millis(2)).await;
        exchange.answer.open();
        assert_eq!(exchange.a().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_value_in_the_near_cache_is_no_near_hit_any_more() {
    isolated(async |_| {
        let exchange = Exchange::open();
        until("changes are reported", async || {
            exchange.near_quote().await.unwrap();
            expect_near_hit(&exchange).await
        })
        .await;
        exchange.checked_quote().await.unwrap();
        expect_outcomes(&[NearHit], exchange.checked_quote()).await.unwrap();
        exchange.answer.close();
        exchange.set_all(1).await;
        assert_eq!(expect_outcomes(&[StaleHit], exchange.near_quote()).await, Ok(0));
        assert_eq!(expect_outcomes(&[StaleHit], exchange.checked_quote()).await, Ok(0));
        exchange.answer.open();
        until("both are replaced", async || {
            (exchange.near_quote().await, exchange.checked_quote().await) == (Ok(1), Ok(1))
        })
        .await;
    })
    .await;
}

async fn expect_near_hit(exchange: &Exchange) -> bool {
    support::outcome_of(exchange.near_quote()).await.1 == NearHit
}

#[tokio::test]
async fn inside_of_a_transaction_it_waits_for_the_commit() {
    isolated(async |_| {
        let exchange = Exchange::open();
        exchange.a().await;
        let elsewhere = || tokio::spawn(cache_runtime::in_current_context(read(exchange.clone())));
        let before = elsewhere();
        cache_runtime::transaction(async {
            exchange.set("a", 1).await;
            assert_eq!(before.await.unwrap(), 0);
            Ok::<_, String>(())
        })
        .await
        .unwrap();
        assert_eq!(expect_outcomes(&[StaleHit], exchange.a()).await, 0);
    })
    .await;
}

async fn read(exchange: Exchange) -> u64 {
    exchange.a().await
}

#[tokio::test]
async fn by_hand_it_needs_resources_that_are_declared_soft() {
    isolated(async |cache| {
        let exchange = Exchange::open();
        exchange.a().await;
        assert!(matches!(
            cache.invalidate("firm_quote").soft().await,
            Err(InvalidateError::NotSoft {
                resource: "firm_quote",
                ..
            })
        ));
        cache.invalidate("quote").scope("symbol", "a").soft().await.unwrap();
        assert_eq!(expect_outcomes(&[StaleHit], exchange.a()).await, 0);
    })
    .await;
}

#[tokio::test]
async fn of_a_tenant_what_is_not_declared_soft_goes_at_once() {
    isolated(async |cache| {
        let exchange = Exchange::open();
        exchange.a().await;
        firm().await;
        cache.invalidate_tenant("default").soft().await.unwrap();
        expect_outcomes(&[StaleHit], exchange.a()).await;
        expect_outcomes(&[Miss], firm()).await;
    })
    .await;
}

#[cached(resource = "firm_quote")]
async fn firm() -> u32 {
    7
}

#[tokio::test]
async fn while_it_is_not_acknowledged_this_process_is_given_nothing_old() {
    let store = spy();
    isolated_in(patient().store(store.clone()).build(), async |_| {
        let exchange = Exchange::open();
        exchange.a().await;
        store.fail_next(OperationKind::RemoveStamps, 1, StoreErrorKind::Unavailable);
        let gate = store.hold(OperationKind::Probe);
        exchange.set("a", 1).await;
        assert_eq!(exchange.a().await, 1);
        gate.open();
    })
    .await;
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_is_softly_invalidated() {
    let server = RedisServer::start().unwrap();
    for store in [SpyStore::new(RedisStore::new(support::at(&server))), spy()] {
        isolated_in(patient().store(store.clone()).build(), async |cache| {
            cache_testkit::recovered(&cache).await;
            let exchange = Exchange::open();
            exchange.a().await;
            exchange.set("a", 1).await;
            let swept = store.sweep(&["cache:*".to_owned()]).await.unwrap();
            assert_eq!((swept.matched, swept.removed), (1, 0));
            expect_outcomes(&[StaleHit], exchange.a()).await;
        })
        .await;
    }
}

/// Writers invalidate softly and strictly, in two processes, while readers read. Nothing from before a strict invalidation is
/// returned; for what is from before a soft one there is a load that began after it, without a further call.
async fn race(reads: impl AsyncFn(&Exchange) -> u64 + Send + Sync + Copy + 'static, invalidate: &'static str) {
    const ROUNDS: u64 = 60;
    let server = RedisServer::start().expect("a server");
    let here = reaching(&server, patient()).await;
    let elsewhere = reaching(&server, patient()).await;
    let exchange = Exchange::open();
    let (strict, soft) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let write = async |cache: &Cache| {
        for _ in 0..ROUNDS {
            let price = exchange.price.fetch_add(1, Ordering::SeqCst) + 1;
            let is_soft = fastrand::u8(0..4) > 0;
            let invalidation = cache.invalidate(invalidate);
            if is_soft {
                invalidation.soft().await.expect("it is declared soft");
                soft.fetch_max(price, Ordering::SeqCst);
            } else {
                invalidation.await.expect("it is declared");
                strict.fetch_max(price, Ordering::SeqCst);
            }
            for _ in 0..fastrand::u8(0..20) {
                tokio::task::yield_now().await;
            }
        }
    };
    let read = async |cache: &Cache| {
        while !done.load(Ordering::SeqCst) {
            let (strict, soft) = (strict.load(Ordering::SeqCst), soft.load(Ordering::SeqCst));
            let price = with_cache(cache.clone(), reads(&exchange)).await;
            assert!(
                price >= strict,
                "{price} is older than the strict invalidation of {strict}"
            );
            if price < soft {
                let newest = &exchange.newest;
                until("a load from after the soft invalidation", async || {
                    newest.load(Ordering::SeqCst) >= soft
                })
                .await;
            }
            tokio::task::yield_now().await;
        }
    };
    let writes = async {
        tokio::join!(write(&here), write(&elsewhere));
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(writes, read(&here), read(&here), read(&elsewhere), read(&elsewhere));
}

#[tokio::test]
async fn racing_with_strict_invalidations_on_a_real_server_the_promise_holds() {
    race(async |exchange: &Exchange| exchange.a().await, "quote").await;
}

#[tokio::test]
async fn racing_with_strict_invalidations_the_promise_holds_under_leases() {
    race(
        async |exchange: &Exchange| exchange.led_quote().await.unwrap(),
        "led_quote",
    )
    .await;
}

#[tokio::test]
async fn racing_with_strict_invalidations_the_promise_holds_for_checked_near_values() {
    race(
        async |exchange: &Exchange| exchange.checked_quote().await.unwrap(),
        "checked_quote",
    )
    .await;
}
