//! Failover: what a promoted replica, an old snapshot or a demoted primary has lost is not served. See `docs/guarantees.md`.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use cache_runtime::{
    Cache, CacheBuilder, Invalidated, OnFailover,
    Outcome::{Bypass, Hit, Miss},
    cached, invalidates,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{FaultProxy, PATIENCE, RedisServer, expect_outcomes, patient, until};
use support::{at, outcome_of};

/// The stamps of an account's balance.
const STAMPS: [&str; 2] = ["cachestamp:default:balance", "cachestamp:default:balance:account-1"];

/// A database of one row.
#[derive(Debug, Clone, Default)]
struct Bank {
    balance: Arc<AtomicI64>,
}

impl Bank {
    #[cached(resource = "balance", scope(account))]
    async fn balance(&self, account: u64) -> i64 {
        self.balance.load(Ordering::SeqCst)
    }

    #[invalidates("balance"(account))]
    async fn deposit(&self, account: u64, amount: i64) {
        self.balance.fetch_add(amount, Ordering::SeqCst);
    }
}

#[cached(resource = "rates")]
async fn rate(number: u32) -> u32 {
    number * 2
}

/// Reads until what is read is stored again, and checks every value on the way.
async fn until_stored_again(bank: &Bank, expected: i64) {
    let stored = async || {
        let (balance, outcome) = outcome_of(bank.balance(1)).await;
        assert_eq!(balance, expected, "{outcome}");
        outcome == Hit
    };
    until("something is stored again", stored).await;
}

fn server() -> RedisServer {
    RedisServer::builder()
        // At once, and not in five seconds.
        .config("repl-diskless-sync-delay", "0")
        .start()
        .expect("a server")
}

fn address(server: &RedisServer) -> ([u8; 4], u16) {
    ([127, 0, 0, 1], server.port().expect("it listens on a port"))
}

/// Makes `replica` follow `primary`, and waits until it does.
async fn follow(replica: &RedisServer, primary: &RedisServer) {
    let port = address(primary).1.to_string();
    let () = replica
        .command(["REPLICAOF", "127.0.0.1", &port])
        .expect("it takes a primary");
    until("the replica follows", async || {
        let state: String = replica.command(["INFO", "replication"]).expect("its state");
        state.contains("master_link_status:up")
    })
    .await;
}

fn promote(replica: &RedisServer) {
    let () = replica.command(["REPLICAOF", "NO", "ONE"]).expect("it is promoted");
}

fn holds(server: &RedisServer, keys: &[&str]) -> bool {
    let found: usize = server
        .command(["EXISTS"].iter().chain(keys))
        .expect("the number of keys");
    found == keys.len()
}

fn clients(server: &RedisServer) -> Vec<String> {
    let list: String = server.command(["CLIENT", "LIST", "TYPE", "normal"]).expect("clients");
    list.lines().map(str::to_owned).collect()
}

async fn connected(builder: CacheBuilder, config: RedisConfig) -> Cache {
    let cache = builder.redis(config).build();
    assert!(cache.ready(PATIENCE).await, "the server was not reached");
    cache
}

fn through(proxy: &FaultProxy) -> RedisConfig {
    RedisConfig::new(&format!("redis://{}", proxy.address())).expect("an address")
}

/// A primary, a replica, and the address that leads to whichever is the primary.
struct Pair {
    primary: RedisServer,
    replica: RedisServer,
    proxy: FaultProxy,
}

impl Pair {
    async fn start() -> Self {
        let (primary, replica) = (server(), server());
        follow(&replica, &primary).await;
        let proxy = FaultProxy::start(address(&primary)).expect("a proxy");
        Self {
            primary,
            replica,
            proxy,
        }
    }

    /// A balance of 0 is stored, and the replica has it; from then on the replica misses what the primary is told.
    async fn store_and_part(&self, bank: &Bank) {
        expect_outcomes(&[Miss], bank.balance(1)).await;
        expect_outcomes(&[Hit], bank.balance(1)).await;
        let size = |server: &RedisServer| -> u64 { server.command(["DBSIZE"]).expect("a size") };
        until("the replica has it all", async || {
            size(&self.replica) == size(&self.primary)
        })
        .await;
        promote(&self.replica);
    }

    /// The address leads to the replica, and what was connected is disconnected.
    fn fail_over(&self) {
        assert!(holds(&self.replica, &STAMPS), "the replica has missed the invalidation");
        self.proxy.redirect(address(&self.replica));
        self.proxy.reset();
    }
}

#[tokio::test]
async fn what_this_process_invalidated_stays_invalidated_when_a_replica_is_promoted_that_had_missed_it() {
    let pair = Pair::start().await;
    let here = connected(patient(), through(&pair.proxy)).await;
    with_cache(here, async {
        let bank = Bank::default();
        pair.store_and_part(&bank).await;
        bank.deposit(1, 100).await;
        assert!(!holds(&pair.primary, &STAMPS), "the primary has acknowledged it");
        pair.fail_over();
        until_stored_again(&bank, 100).await;
    })
    .await;
}

/// Invalidates the balance in a process that is gone afterwards, and so sends nothing again.
async fn invalidate_elsewhere(bank: &Bank, server: &RedisServer) {
    let elsewhere = connected(patient(), at(server)).await;
    with_cache(elsewhere.clone(), bank.deposit(1, 100)).await;
    assert!(elsewhere.close().await, "it was acknowledged");
    assert!(!holds(server, &STAMPS));
}

#[tokio::test]
async fn with_flush_what_another_process_invalidated_is_not_served_after_a_failover() {
    let pair = Pair::start().await;
    let here = connected(patient().on_failover(OnFailover::Flush), through(&pair.proxy)).await;
    with_cache(here, async {
        let bank = Bank::default();
        pair.store_and_part(&bank).await;
        invalidate_elsewhere(&bank, &pair.primary).await;
        pair.fail_over();
        until_stored_again(&bank, 100).await;
    })
    .await;
}

#[tokio::test]
async fn with_flush_what_another_process_invalidated_is_not_served_after_a_restart_from_an_old_snapshot() {
    let server = server();
    let here = connected(patient().on_failover(OnFailover::Flush), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        expect_outcomes(&[Miss, Hit], async {
            bank.balance(1).await;
            bank.balance(1).await;
        })
        .await;
        let () = server.command(["SAVE"]).unwrap();
        invalidate_elsewhere(&bank, &server).await;
        server.kill();
        server.restart().unwrap();
        until_stored_again(&bank, 100).await;
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_that_waits_for_a_replica_is_acknowledged_when_the_replica_has_it() {
    let pair = Pair::start().await;
    let here = connected(patient(), at(&pair.primary).wait_replicas(1)).await;
    with_cache(here.clone(), async {
        let bank = Bank::default();
        for round in 0..20 {
            assert_eq!(expect_outcomes(&[Miss], bank.balance(1)).await, round);
            bank.balance.fetch_add(1, Ordering::SeqCst);
            // On a loaded machine a replica may take longer than one `WAIT`; it is sent again then.
            let invalidated = here.invalidate("balance").scope("account", 1).await;
            until("it is acknowledged", async || here.stats().pending_invalidations == 0).await;
            assert!(!holds(&pair.replica, &STAMPS[1..]), "{invalidated:?} in round {round}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_the_replica_an_invalidation_is_pending_and_what_it_concerns_is_not_read() {
    let (primary, replica) = (server(), server());
    let here = connected(patient(), at(&primary).wait_replicas(1)).await;
    with_cache(here.clone(), async {
        let bank = Bank::default();
        expect_outcomes(&[Miss], bank.balance(1)).await;
        bank.balance.store(100, Ordering::SeqCst);
        assert_eq!(here.invalidate("balance").await, Ok(Invalidated::Pending));
        for _ in 0..20 {
            assert_eq!(expect_outcomes(&[Bypass], bank.balance(1)).await, 100);
        }
        follow(&replica, &primary).await;
        until_stored_again(&bank, 100).await;
        assert_eq!(here.stats().pending_invalidations, 0);
    })
    .await;
}

#[tokio::test]
async fn nothing_but_invalidations_waits_for_replicas() {
    let primary = server();
    let here = connected(patient(), at(&primary).wait_replicas(1)).await;
    with_cache(here.clone(), async {
        assert_eq!(here.invalidate("balance").await, Ok(Invalidated::Pending));
        let word = |client: &str, name: &str| -> String {
            let of = |word: &str| word.strip_prefix(name).map(str::to_owned);
            client.split(' ').find_map(of).expect("every client has one")
        };
        let (mut waiting, mut others) = (HashSet::new(), HashSet::new());
        for number in 0..50 {
            expect_outcomes(&[Miss], rate(number)).await;
            expect_outcomes(&[Hit], rate(number)).await;
            for client in clients(&primary) {
                match &*word(&client, "cmd=") {
                    "wait" => waiting.insert(word(&client, "id=")),
                    "mget" | "set" | "get" => others.insert(word(&client, "id=")),
                    _ => false,
                };
            }
        }
        assert_eq!(waiting.len(), 1, "one connection waits");
        assert!(
            !others.is_empty() && others.is_disjoint(&waiting),
            "and carries nothing else"
        );
    })
    .await;
}

#[tokio::test]
async fn a_primary_that_was_demoted_is_left_and_nothing_old_is_served() {
    let pair = Pair::start().await;
    let here = connected(patient(), through(&pair.proxy)).await;
    with_cache(here, async {
        let bank = Bank::default();
        pair.store_and_part(&bank).await;
        // Connections to it stay open, and it goes on to answer reads.
        pair.proxy.redirect(address(&pair.replica));
        follow(&pair.primary, &pair.replica).await;
        assert!(holds(&pair.primary, &STAMPS), "the old entry is valid there");
        bank.deposit(1, 100).await;
        until_stored_again(&bank, 100).await;
        until("no connection to the old primary is left", async || {
            clients(&pair.primary).len() == 1
        })
        .await;
    })
    .await;
}
