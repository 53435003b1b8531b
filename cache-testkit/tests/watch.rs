//! The connection on which Redis reports changes of stamps: what becomes of `near = "tracked"` when it is cut, slow or
//! silent, and when it ends. What is answered in fair weather is in `near.rs`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use cache_runtime::{
    Builder, Cache, Invalidated,
    Outcome::{self, NearHit},
    cached, observe,
    store::{RedisConfig, RedisStore},
    with_cache,
};
use cache_testkit::{Direction, FaultProxy, OperationKind, RedisServer, SpyStore};

mod cache_resources {
    cache_runtime::resources! {
        balance { ttl = 60 }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

/// A database of one row.
#[derive(Debug, Clone, Default)]
struct Bank {
    balance: Arc<AtomicI64>,
}

impl Bank {
    #[cached(resource = "balance", near = "tracked")]
    async fn balance(&self) -> i64 {
        self.balance.load(Ordering::SeqCst)
    }

    fn commit(&self, balance: i64) {
        self.balance.store(balance, Ordering::SeqCst);
    }
}

async fn look(bank: &Bank) -> (i64, Outcome) {
    let (balance, outcomes) = observe(bank.balance()).await;
    (balance, outcomes.iter().next().expect("one call").outcome)
}

/// Calls until this value is answered.
async fn until_reached(bank: &Bank, expected: i64) {
    let reached = async {
        while look(bank).await.0 != expected {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("an old value is still used");
}

/// Calls until the value is answered without asking the store: until changes are reported.
async fn until_near(bank: &Bank, spy: &SpyStore, expected: i64) {
    let near = async {
        loop {
            let asked = spy.count(OperationKind::ReadStamps);
            let (balance, outcome) = look(bank).await;
            assert_eq!(balance, expected, "{outcome}");
            if outcome == NearHit && spy.count(OperationKind::ReadStamps) == asked {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, near)
        .await
        .expect("the near cache never answered");
}

/// The ids of the connections on which changes are reported.
fn tracking(server: &RedisServer) -> Vec<String> {
    let list: String = server.command(["CLIENT", "LIST"]).expect("the clients");
    let tracking = list.lines().filter(|client| {
        let flags = client.split(' ').find_map(|word| word.strip_prefix("flags="));
        flags.is_some_and(|flags| flags.contains('t'))
    });
    let id = |client: &str| {
        let word = client.split(' ').find_map(|word| word.strip_prefix("id="));
        word.expect("every client has an id").to_owned()
    };
    tracking.map(id).collect()
}

async fn until_nobody_tracks(server: &RedisServer) {
    let closed = async {
        while !tracking(server).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, closed)
        .await
        .expect("the connection stays open");
}

fn patient() -> Builder {
    Cache::builder()
        .read_timeout(PATIENCE)
        .fill_timeout(PATIENCE)
        .invalidate_timeout(PATIENCE)
}

async fn connected(builder: Builder, config: RedisConfig) -> (Cache, SpyStore) {
    let spy = SpyStore::new(RedisStore::new(config));
    let cache = builder.store(spy.clone()).build();
    assert!(cache.ready(PATIENCE).await, "the server was not reached");
    (cache, spy)
}

fn at(server: &RedisServer) -> RedisConfig {
    RedisConfig::new(server.url()).expect("an address")
}

/// What another process does.
async fn invalidate(elsewhere: &Cache) {
    let invalidated = elsewhere.invalidate("balance").await;
    assert_eq!(invalidated, Ok(Invalidated::Acknowledged));
}

#[tokio::test]
async fn a_change_while_the_connection_is_cut_is_not_missed() {
    let server = RedisServer::start().unwrap();
    let (here, spy) = connected(patient(), at(&server)).await;
    let (elsewhere, _) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for round in 1..10 {
            until_near(&bank, &spy, round - 1).await;
            for id in tracking(&server) {
                let _: i64 = server.command(["CLIENT", "KILL", "ID", &id]).unwrap();
            }
            bank.commit(round);
            invalidate(&elsewhere).await;
            until_reached(&bank, round).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_emptied_server_takes_every_kept_value_out_of_use() {
    let server = RedisServer::start().unwrap();
    let (here, spy) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for (round, emptying) in (1..).zip(["FLUSHALL", "FLUSHDB", "FLUSHALL", "FLUSHDB"]) {
            until_near(&bank, &spy, round - 1).await;
            bank.commit(round);
            let () = server.command([emptying]).unwrap();
            until_reached(&bank, round).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_evicted_stamp_takes_what_was_loaded_under_it_out_of_use() {
    let server = RedisServer::builder()
        .config("maxmemory-policy", "allkeys-random")
        .start()
        .unwrap();
    let (here, spy) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for round in 1..5 {
            until_near(&bank, &spy, round - 1).await;
            bank.commit(round);
            // Less than an empty server takes: every key goes.
            let () = server.command(["CONFIG", "SET", "maxmemory", "1"]).unwrap();
            until_reached(&bank, round).await;
            let () = server.command(["CONFIG", "SET", "maxmemory", "0"]).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn however_late_reports_come_nothing_is_answered_that_was_invalidated_longer_ago_than_the_lease() {
    let server = RedisServer::start().unwrap();
    let lease = Duration::from_millis(200);
    let proxy = FaultProxy::start(([127, 0, 0, 1], server.port().unwrap())).unwrap();
    let url = format!("redis://{}", proxy.address());
    let config = RedisConfig::new(&url).unwrap().near_heartbeat(lease / 4);
    let (here, spy) = connected(patient().near_lease(lease), config).await;
    let (elsewhere, _) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for (round, late) in (1..).zip([10, 80, 400]) {
            until_near(&bank, &spy, round - 1).await;
            proxy.delay(Direction::ToClient, Duration::from_millis(late));
            bank.commit(round);
            invalidate(&elsewhere).await;
            let acknowledged = Instant::now();
            loop {
                let began = Instant::now();
                let (balance, outcome) = look(&bank).await;
                if began.duration_since(acknowledged) > lease {
                    assert_eq!(balance, round, "{outcome} with reports {late} ms late");
                    break;
                }
                tokio::task::yield_now().await;
            }
            proxy.heal();
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_silence_longer_than_the_lease_changes_are_reported_again() {
    let server = RedisServer::start().unwrap();
    let lease = Duration::from_millis(200);
    let proxy = FaultProxy::start(([127, 0, 0, 1], server.port().unwrap())).unwrap();
    let url = format!("redis://{}", proxy.address());
    let config = RedisConfig::new(&url).unwrap().near_heartbeat(lease / 4);
    let (here, spy) = connected(Cache::builder().near_lease(lease), config).await;
    let (elsewhere, _) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        until_near(&bank, &spy, 0).await;
        proxy.black_hole(Direction::Both);
        bank.commit(1);
        invalidate(&elsewhere).await;
        until_reached(&bank, 1).await;
        proxy.heal();
        until_near(&bank, &spy, 1).await;
        bank.commit(2);
        invalidate(&elsewhere).await;
        until_reached(&bank, 2).await;
    })
    .await;
}

#[tokio::test]
async fn the_connection_is_closed_with_the_cache() {
    let server = RedisServer::start().unwrap();
    for closed_first in [true, false] {
        let (here, spy) = connected(patient(), at(&server)).await;
        let bank = Bank::default();
        with_cache(here.clone(), until_near(&bank, &spy, 0)).await;
        assert_eq!(tracking(&server).len(), 1);
        if closed_first {
            here.close().await;
            until_nobody_tracks(&server).await;
        }
        drop(here);
        until_nobody_tracks(&server).await;
    }
}
