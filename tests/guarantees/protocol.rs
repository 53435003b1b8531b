//! The invariants of the protocol, each in a test that fails when it is taken out. See `docs/protocol.md`.

use std::sync::Arc;

use bytes::Bytes;
use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Bypass, Hit, Miss, Rejected},
    cached, invalidates, observe,
    protocol::{self, Identity, Reading},
    store::{Address, RedisStore, Store, StoreErrorKind},
    with_cache,
};
use cache_testkit::{
    Gate, LoadCounter, OperationKind, PATIENCE, RedisServer, expect_outcomes, isolated_in, isolated_on, until,
};
use support::{at, entry, keys, spy};

/// A database of one row, whose reads can be held after they have read.
#[derive(Debug, Clone)]
struct Bank {
    balance: Arc<std::sync::Mutex<i64>>,
    loads: LoadCounter,
    answer: Gate,
}

impl Bank {
    fn new() -> Self {
        let answer = Gate::closed();
        answer.open();
        Self {
            balance: Arc::default(),
            loads: LoadCounter::new(),
            answer,
        }
    }

    #[cached(resource = "balance", scope(account))]
    async fn balance(&self, account: u32) -> i64 {
        let balance = *self.balance.lock().expect("no panic holds it");
        self.loads.record();
        self.answer.pass().await;
        balance
    }

    #[invalidates("balance"(account))]
    async fn deposit(&self, account: u32, amount: i64) {
        *self.balance.lock().expect("no panic holds it") += amount;
    }
}

/// Invariant 1: the stamps are fixed before the load starts, so the late fill of an overtaken load is dead on arrival.
#[tokio::test]
async fn a_load_that_an_invalidation_overtook_is_never_served() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let bank = Bank::new();
        bank.answer.close();
        let overtaken = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.balance(1).await }
        }));
        bank.loads.until(1).await;
        bank.deposit(1, 100).await;
        bank.answer.open();
        assert_eq!(overtaken.await.unwrap(), 0, "it started before the deposit returned");
        assert_eq!(bank.balance(1).await, 100);
        assert_eq!(expect_outcomes(&[Hit], bank.balance(1)).await, 100);
    })
    .await;
}

/// Invariant 1, the other half: a stamp that is missing is created before the load, not after it.
#[tokio::test]
async fn a_missing_stamp_is_created_before_the_load_begins() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        let bank = Bank::new();
        bank.answer.close();
        let load = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.balance(1).await }
        }));
        bank.loads.until(1).await;
        assert_eq!(spy.count(OperationKind::CreateStamps), 1);
        assert_eq!(spy.count(OperationKind::Fill), 0);
        bank.answer.open();
        load.await.unwrap();
    })
    .await;
}

/// Invariant 2: stamps are random. Were they counters, the one created after an eviction would be an old one.
#[tokio::test]
async fn an_evicted_stamp_never_brings_old_entries_back() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let bank = Bank::new();
        assert_eq!(bank.balance(1).await, 0);
        *bank.balance.lock().unwrap() = 7;
        for stamp in ["cachestamp:default:balance", "cachestamp:default:balance:account-1"] {
            let () = server.command(["DEL", stamp]).unwrap();
            assert_eq!(expect_outcomes(&[Miss], bank.balance(1)).await, 7);
            assert_eq!(expect_outcomes(&[Hit], bank.balance(1)).await, 7);
        }
    })
    .await;
}

/// Invariant 3: a missing stamp is a miss, even with an entry that looks valid beside it.
#[tokio::test]
async fn a_missing_stamp_is_a_miss() {
    let server = RedisServer::start().unwrap();
    let store = RedisStore::new(at(&server));
    let address = Arc::new(Address::new("t", "r", &[], "0123456789ab"));
    let identity = Identity {
        fingerprint: [1; 16],
        shape: 2,
    };
    until("the server is reached", async || store.probe().await.is_ok()).await;
    // A foreign entry of exactly the right form but for stamps that nobody knows.
    let Ok(Reading::Miss {
        ticket: Some(ticket),
        rejected: None,
    }) = protocol::read(&store, &address, &identity).await
    else {
        panic!("an empty store has nothing");
    };
    store
        .fill(
            &ticket,
            Bytes::from_static(b"anything"),
            std::time::Duration::from_mins(1),
        )
        .await
        .unwrap();
    store.remove_stamps(address.stamps()).await.unwrap();
    assert!(matches!(
        protocol::read(&store, &address, &identity).await,
        Ok(Reading::Miss {
            ticket: Some(_),
            rejected: None
        })
    ));
}

/// Invariant 4: flights are keyed by entry and stamps, and an invalidation detaches them.
#[tokio::test]
async fn a_reader_that_came_after_a_mutation_never_waits_for_an_older_load() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let bank = Bank::new();
        bank.answer.close();
        let read = || {
            let bank = bank.clone();
            tokio::spawn(with_cache(cache.clone(), async move { bank.balance(1).await }))
        };
        let before = read();
        bank.loads.until(1).await;
        bank.deposit(1, 100).await;
        let after = read();
        bank.loads.until(2).await;
        bank.answer.open();
        assert_eq!((before.await.unwrap(), after.await.unwrap()), (0, 100));
    })
    .await;
}

/// Invariant 5: who cannot invalidate must not read.
#[tokio::test]
async fn a_server_that_refuses_writes_is_not_read() {
    let (primary, server) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    isolated_on(&server, async |cache| {
        let bank = Bank::new();
        assert_eq!(bank.balance(1).await, 0);
        expect_outcomes(&[Hit], bank.balance(1)).await;
        let port = primary.port().unwrap().to_string();
        let () = server.command(["REPLICAOF", "127.0.0.1", &port]).unwrap();
        until("that is noticed", async || !cache.is_available()).await;
        *bank.balance.lock().unwrap() = 9;
        assert_eq!(expect_outcomes(&[Bypass], bank.balance(1)).await, 9);
        let () = server.command(["REPLICAOF", "NO", "ONE"]).unwrap();
        assert!(cache.ready(PATIENCE).await, "trusted again");
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_that_the_store_has_not_acknowledged_is_bypassed_by_this_process() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        let bank = Bank::new();
        bank.balance(1).await;
        bank.balance(2).await;
        let gate = spy.hold(OperationKind::RemoveStamps);
        let deposit = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.deposit(1, 100).await }
        }));
        gate.until_waiting(1).await;
        assert_eq!(
            expect_outcomes(&[Bypass], bank.balance(1)).await,
            100,
            "never the old value, although it is stored"
        );
        expect_outcomes(&[Hit], bank.balance(2)).await;
        gate.open();
        deposit.await.unwrap();
        assert_eq!(expect_outcomes(&[Miss], bank.balance(1)).await, 100);
    })
    .await;
}

/// A server that restarts from an old snapshot has lost acknowledged writes: the old stamp and the old entry are back.
#[tokio::test]
async fn what_was_invalidated_before_a_restart_with_an_old_snapshot_stays_invalidated() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let bank = Bank::new();
        bank.balance(1).await;
        expect_outcomes(&[Hit], bank.balance(1)).await;
        let () = server.command(["SAVE"]).unwrap();
        bank.deposit(1, 100).await;
        server.kill();
        server.restart().unwrap();
        let keys = keys(&server, "cache*account-1*");
        assert_eq!(keys.len(), 2, "the old stamp and the old entry are back: {keys:?}");
        loop {
            let (balance, outcomes) = observe(bank.balance(1)).await;
            assert_eq!(balance, 100, "{outcomes:?}");
            if outcomes.iter().any(|call| call.outcome == Hit) {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn whatever_else_stands_under_an_entry_key_is_refused_and_replaced() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let bank = Bank::new();
        bank.balance(1).await;
        let (key, _) = entry(&server);
        for garbage in ["", "CRE", "plain text", "CRE\u{1}\u{1}", "{\"json\": true}"] {
            let () = server.command(["SET", &key, garbage]).unwrap();
            assert_eq!(expect_outcomes(&[Rejected], bank.balance(1)).await, 0, "{garbage:?}");
            expect_outcomes(&[Hit], bank.balance(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_of_the_wrong_type_is_a_miss_and_mended() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let bank = Bank::new();
        bank.balance(1).await;
        let keys = keys(&server, "*:account-1*");
        assert_eq!(keys.len(), 2, "the entry and its stamp: {keys:?}");
        for key in &keys {
            let () = server.command(["DEL", key]).unwrap();
            let () = server.command(["LPUSH", key, "not", "a", "string"]).unwrap();
            bank.balance(1).await;
            bank.balance(1).await;
            expect_outcomes(&[Hit], bank.balance(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_without_memory_takes_invalidations_and_no_fills() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        let bank = Bank::new();
        bank.balance(1).await;
        for kind in [OperationKind::Fill, OperationKind::CreateStamps] {
            spy.fail_next(kind, usize::MAX, StoreErrorKind::OutOfMemory);
        }
        expect_outcomes(&[Hit], bank.balance(1)).await;
        assert_eq!(cache.invalidate("balance").await, Ok(Invalidated::Acknowledged));
        for _ in 0..20 {
            expect_outcomes(&[Miss], bank.balance(1)).await;
        }
        assert!(cache.is_available(), "reads and invalidations go on");
    })
    .await;
}
