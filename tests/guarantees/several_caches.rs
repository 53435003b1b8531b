//! Invariants of the protocol that show only with a second entry, or with a second cache on the same store: what another
//! process is. See `docs/protocol.md`.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Hit, Miss},
    cached,
    store::StoreErrorKind,
    with_cache,
};
use cache_testkit::{Gate, LoadCounter, OperationKind, RedisServer, SpyStore, expect_outcomes, isolated_on};
use support::spy;

#[derive(Clone)]
struct Bank {
    balance: Arc<AtomicI64>,
    loads: LoadCounter,
    answer: Gate,
}

impl Bank {
    fn new() -> Self {
        Self {
            balance: Arc::default(),
            loads: LoadCounter::new(),
            answer: Gate::closed(),
        }
    }

    #[cached(resource = "balances")]
    async fn balance(&self, account: u32) -> i64 {
        let _ = account;
        let balance = self.balance.load(Ordering::SeqCst);
        self.loads.record();
        self.answer.pass().await;
        balance
    }
}

/// Invariant 2: were stamps counters, the one created after the eviction would be the one that both entries carry, and
/// the second account's old entry would be alive again.
#[tokio::test]
async fn the_stamp_after_an_eviction_is_not_the_one_before_it() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let bank = Bank::new();
        bank.answer.open();
        bank.balance(1).await;
        bank.balance(2).await;
        let () = server.command(["DEL", "cachestamp:default:balances"]).unwrap();
        bank.balance.store(7, Ordering::SeqCst);
        assert_eq!(
            expect_outcomes(&[Miss], bank.balance(1)).await,
            7,
            "this creates the stamp again"
        );
        assert_eq!(expect_outcomes(&[Miss], bank.balance(2)).await, 7);
        assert_eq!(expect_outcomes(&[Hit], bank.balance(2)).await, 7);
    })
    .await;
}

/// Invariant 4: it is the stamps that keep a caller out of an older flight when the invalidation came from elsewhere and
/// nothing in this process has detached it.
async fn a_later_caller_is_given_the_new_value(store: SpyStore) {
    let (here, elsewhere) = (
        Cache::builder().store(store.clone()).build(),
        Cache::builder().store(store).build(),
    );
    let bank = Bank::new();
    let read = || {
        let bank = bank.clone();
        tokio::spawn(with_cache(here.clone(), async move { bank.balance(1).await }))
    };
    let before = read();
    bank.loads.until(1).await;
    bank.balance.store(100, Ordering::SeqCst);
    assert_eq!(elsewhere.invalidate("balances").await, Ok(Invalidated::Acknowledged));
    let reads = here.stats().misses + here.stats().bypasses;
    let after = read();
    while here.stats().misses + here.stats().bypasses == reads {
        tokio::task::yield_now().await;
    }
    // One turn more, in which it joins a flight or starts one.
    tokio::task::yield_now().await;
    bank.answer.open();
    let values = tokio::try_join!(before, after).expect("no reader panics");
    assert_eq!(values, (0, 100));
}

#[tokio::test]
async fn a_mutation_elsewhere_keeps_later_callers_out_of_older_flights() {
    a_later_caller_is_given_the_new_value(spy()).await;
}

/// Loads without stamps are kept apart by the order in which they and their callers began.
#[tokio::test]
async fn a_mutation_elsewhere_keeps_later_callers_out_of_older_flights_without_memory_for_stamps() {
    let store = spy();
    store.fail_next(OperationKind::CreateStamps, usize::MAX, StoreErrorKind::OutOfMemory);
    a_later_caller_is_given_the_new_value(store).await;
}
