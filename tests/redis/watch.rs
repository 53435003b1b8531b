//! The connection on which Redis reports changes of stamps: what becomes of `near = "tracked"` when it is cut, slow or
//! silent, when it ends, and when there are changes that Redis does not report. What is answered in fair weather is in
//! `near.rs`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use cache_runtime::{
    Cache, CacheBuilder, Invalidated,
    Outcome::{self, NearHit},
    cached,
    store::{RedisConfig, RedisStore},
    with_cache,
};
use cache_testkit::{Direction, OperationKind, PATIENCE, RedisServer, SpyStore, patient, until};
use support::{at, commands_while, keys, outcome_of, through_a_proxy};

/// The keys of watches.
const SESSIONS: &str = "cache:~watch:*";

/// A database of one row.
#[derive(Debug, Clone, Default)]
struct Bank {
    balance: Arc<AtomicI64>,
}

impl Bank {
    #[cached(resource = "balances", near = "tracked")]
    async fn balance(&self) -> i64 {
        self.balance.load(Ordering::SeqCst)
    }

    fn commit(&self, balance: i64) {
        self.balance.store(balance, Ordering::SeqCst);
    }
}

async fn look(bank: &Bank) -> (i64, Outcome) {
    outcome_of(bank.balance()).await
}

/// Calls until this value is answered.
async fn until_reached(bank: &Bank, expected: i64) {
    until("no old value is used", async || look(bank).await.0 == expected).await;
}

/// Calls for as long as an old value may be answered, and once more.
async fn assert_reached_within(bound: Duration, bank: &Bank, expected: i64) {
    let acknowledged = Instant::now();
    loop {
        let began = Instant::now();
        let (balance, outcome) = look(bank).await;
        if began.duration_since(acknowledged) > bound {
            assert_eq!(balance, expected, "{outcome}");
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Calls until the value is answered without asking the store: until changes are reported.
async fn until_near(bank: &Bank, spy: &SpyStore, expected: i64) {
    let near = async || {
        let asked = spy.count(OperationKind::ReadStamps);
        let (balance, outcome) = look(bank).await;
        assert_eq!(balance, expected, "{outcome}");
        outcome == NearHit && spy.count(OperationKind::ReadStamps) == asked
    };
    until("the near cache answers", near).await;
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
    until("the connection is closed", async || tracking(server).is_empty()).await;
}

async fn connected(builder: CacheBuilder, config: RedisConfig) -> (Cache, SpyStore) {
    let spy = SpyStore::new(RedisStore::new(config));
    let cache = builder.store(spy.clone()).build();
    assert!(cache.ready(PATIENCE).await, "the server was not reached");
    (cache, spy)
}

/// What another process does.
async fn invalidate(elsewhere: &Cache) {
    let invalidated = elsewhere.invalidate("balances").await;
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
async fn however_late_reports_come_nothing_is_answered_that_was_invalidated_longer_ago_than_the_bound() {
    let server = RedisServer::start().unwrap();
    let bound = Duration::from_millis(200);
    let (proxy, config) = through_a_proxy(&server);
    let (here, spy) = connected(patient().near_max_staleness(bound), config.near_heartbeat(bound / 4)).await;
    let (elsewhere, _) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for (round, late) in (1..).zip([10, 80, 400]) {
            until_near(&bank, &spy, round - 1).await;
            proxy.delay(Direction::ToClient, Duration::from_millis(late));
            bank.commit(round);
            invalidate(&elsewhere).await;
            assert_reached_within(bound, &bank, round).await;
            proxy.heal();
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_silence_longer_than_the_bound_changes_are_reported_again() {
    let server = RedisServer::start().unwrap();
    let bound = Duration::from_millis(200);
    let (proxy, config) = through_a_proxy(&server);
    let here = Cache::builder().near_max_staleness(bound);
    let (here, spy) = connected(here, config.near_heartbeat(bound / 4)).await;
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

/// `SWAPDB` tells nobody, and then the stamp is missing that would have been reported.
#[tokio::test]
async fn after_the_databases_were_swapped_nothing_is_answered_that_was_invalidated_longer_ago_than_the_bound() {
    let server = RedisServer::start().unwrap();
    let bound = Duration::from_millis(200);
    let config = at(&server).near_heartbeat(bound / 4);
    let (here, spy) = connected(patient().near_max_staleness(bound), config).await;
    let (elsewhere, _) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for round in 1..5 {
            until_near(&bank, &spy, round - 1).await;
            let () = server.command(["SWAPDB", "0", "1"]).unwrap();
            bank.commit(round);
            invalidate(&elsewhere).await;
            assert_reached_within(bound, &bank, round).await;
        }
    })
    .await;
}

/// A removal that finds nothing is no change, and would not be reported. The heartbeats are too rare to be of help.
#[tokio::test]
async fn an_invalidation_is_heard_though_its_stamp_is_not_there() {
    let server = RedisServer::start().unwrap();
    let long = 100 * PATIENCE;
    let config = at(&server).near_heartbeat(long);
    let (here, spy) = connected(patient().near_max_staleness(long), config).await;
    let (elsewhere, _) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        until_near(&bank, &spy, 0).await;
        let () = server.command(["SWAPDB", "0", "1"]).unwrap();
        bank.commit(1);
        invalidate(&elsewhere).await;
        until_reached(&bank, 1).await;
    })
    .await;
}

/// The same without anything to hear: only the watch itself can find out.
#[tokio::test]
async fn other_data_under_the_watch_takes_every_kept_value_out_of_use() {
    let server = RedisServer::start().unwrap();
    let (here, spy) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for round in 1..5 {
            until_near(&bank, &spy, round - 1).await;
            let () = server.command(["SWAPDB", "0", &round.to_string()]).unwrap();
            bank.commit(round);
            until_reached(&bank, round).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_watch_whose_key_is_removed_is_followed_by_another_one() {
    let server = RedisServer::start().unwrap();
    let (here, spy) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for _ in 0..5 {
            until_near(&bank, &spy, 0).await;
            let before = keys(&server, SESSIONS);
            let [key] = &before[..] else {
                panic!("one watch has one key: {before:?}");
            };
            let _: i64 = server.command(["DEL", key]).unwrap();
            let followed = async || {
                look(&bank).await;
                !keys(&server, SESSIONS).is_empty()
            };
            until("another watch has a key", followed).await;
            assert_ne!(keys(&server, SESSIONS), before);
        }
    })
    .await;
}

/// To make an invalidation heard takes memory, to invalidate takes none.
#[tokio::test]
async fn an_invalidation_is_acknowledged_and_holds_on_a_server_that_is_out_of_memory() {
    let server = RedisServer::builder()
        .config("maxmemory-policy", "noeviction")
        .start()
        .unwrap();
    let (here, spy) = connected(patient(), at(&server)).await;
    let (elsewhere, _) = connected(patient(), at(&server)).await;
    with_cache(here, async {
        let bank = Bank::default();
        for round in 1..5 {
            until_near(&bank, &spy, round - 1).await;
            let () = server.command(["CONFIG", "SET", "maxmemory", "1"]).unwrap();
            bank.commit(round);
            invalidate(&elsewhere).await;
            assert_eq!(keys(&server, "cachestamp:*"), [] as [String; 0]);
            until_reached(&bank, round).await;
            let () = server.command(["CONFIG", "SET", "maxmemory", "0"]).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn what_makes_an_invalidation_heard_is_gone_when_it_is_acknowledged() {
    let server = RedisServer::start().unwrap();
    let (cache, _) = connected(patient(), at(&server)).await;
    for _ in 0..20 {
        invalidate(&cache).await;
        assert_eq!(keys(&server, "*"), [] as [String; 0]);
    }
}

/// An invalidation that has lost its second half on the way.
#[tokio::test]
async fn under_what_makes_an_invalidation_heard_nothing_is_found_and_nothing_is_stored() {
    let server = RedisServer::start().unwrap();
    let (cache, spy) = connected(patient(), at(&server)).await;
    with_cache(cache, async {
        let bank = Bank::default();
        look(&bank).await;
        let stamps = keys(&server, "cachestamp:*");
        let fills = spy.count(OperationKind::Fill);
        assert_eq!((stamps.len(), fills), (1, 1));
        let written = written_by_an_invalidation(&server).await;
        let () = server.command(["SET", &stamps[0], &written]).unwrap();
        bank.commit(1);
        // The near value is not valid, either: its stamp is another one.
        assert_eq!(look(&bank).await.0, 1);
        assert_eq!(spy.count(OperationKind::Fill), fills);
    })
    .await;
}

/// What an invalidation sets the stamp to before it is removed.
async fn written_by_an_invalidation(server: &RedisServer) -> String {
    let (elsewhere, _) = connected(patient(), at(server)).await;
    let commands = commands_while(server, invalidate(&elsewhere)).await;
    let set = commands.into_iter().find_map(|words| match &words[..] {
        [command, key, value, ..] if command == "SET" && key == "cachestamp:default:balances" => Some(value.clone()),
        _ => None,
    });
    set.expect("an invalidation makes itself heard")
}

#[tokio::test]
async fn a_watch_takes_its_key_along_when_the_cache_is_closed() {
    let server = RedisServer::start().unwrap();
    let (here, spy) = connected(patient(), at(&server)).await;
    let bank = Bank::default();
    with_cache(here.clone(), until_near(&bank, &spy, 0)).await;
    assert_eq!(keys(&server, SESSIONS).len(), 1);
    here.close().await;
    until("the key is gone", async || keys(&server, SESSIONS).is_empty()).await;
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
