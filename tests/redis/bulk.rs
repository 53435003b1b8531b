//! Functions with `each` on real servers: one round trip for all ids, on one server and on the primaries of a cluster.

use std::collections::HashMap;

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit},
    cached, invalidates, observe,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{
    LoadCounter, RedisCluster, RedisServer, assert_loads, expect_outcomes, isolated_in, isolated_on, patient, reaching,
    recovered,
};
use support::{ELECTION, commands_while, keys};
use tokio::task::JoinSet;

#[cached(resource = "rows", each = ids, skip(loads))]
async fn rows(ids: &[u32], loads: &LoadCounter) -> HashMap<u32, String> {
    loads.record();
    ids.iter().map(|id| (*id, format!("row {id}"))).collect()
}

#[cached(resource = "accounts", each = id in ids, scope(account = &u64::from(*id)), skip(loads))]
async fn accounts(ids: &[u32], loads: &LoadCounter) -> HashMap<u32, u64> {
    let version = loads.record();
    ids.iter().map(|id| (*id, version)).collect()
}

#[invalidates("accounts"(account in accounts))]
async fn change(accounts: &[u64]) {}

fn expected(ids: &[u32]) -> HashMap<u32, String> {
    ids.iter().map(|id| (*id, format!("row {id}"))).collect()
}

/// How many words each command of this name had.
fn words_of(commands: &[Vec<String>], name: &str) -> Vec<usize> {
    let of_name = commands.iter().filter(|words| words[0].eq_ignore_ascii_case(name));
    let count = |words: &Vec<String>| {
        // Redis cuts long commands: `... (70 more arguments)`.
        let cut = words.last().and_then(|last| last.strip_prefix("... ("));
        let more = cut.and_then(|cut| cut.split(' ').next()?.parse::<usize>().ok());
        more.map_or(words.len(), |more| words.len() - 1 + more)
    };
    of_name.map(count).collect()
}

#[tokio::test]
async fn a_hundred_entries_are_read_by_one_command_with_the_stamp_that_they_share_once() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let (ids, loads): (Vec<u32>, _) = ((0..100).collect(), LoadCounter::new());
        assert_eq!(rows(&ids, &loads).await, expected(&ids));
        let commands = commands_while(&server, async { assert_eq!(rows(&ids, &loads).await, expected(&ids)) }).await;
        assert_eq!(words_of(&commands, "MGET"), [1 + 1 + 100], "{commands:?}");
        assert_eq!(words_of(&commands, "GET").len() + words_of(&commands, "SET").len(), 0);
        assert_eq!((cache.stats().hits, cache.stats().fills), (100, 100));
        assert_loads(&loads, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_one_and_of_many_that_travel_together_are_each_given_their_own() {
    let server = RedisServer::start().unwrap();
    let cache = reaching(
        &server,
        patient().redis(RedisConfig::new(server.url()).unwrap().max_connections(1)),
    )
    .await;
    let (all, loads): (Vec<u32>, _) = ((0..300).collect(), LoadCounter::new());
    with_cache(cache.clone(), rows(&all, &loads)).await;
    let mut calls = JoinSet::new();
    for call in 0..400_u32 {
        let loads = loads.clone();
        let ids: Vec<u32> = (0..=call % 7 * 20).map(|i| (call * 31 + i * 7) % 300).collect();
        calls.spawn(with_cache(cache.clone(), async move {
            assert_eq!(rows(&ids, &loads).await, expected(&ids));
        }));
    }
    calls.join_all().await;
    assert_loads(&loads, 1);
}

#[tokio::test]
async fn what_another_process_invalidates_is_loaded_anew_and_the_rest_is_not() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (reaching(&server, patient()).await, reaching(&server, patient()).await);
    let loads = LoadCounter::new();
    let ids: Vec<u32> = (0..10).collect();
    with_cache(one.clone(), accounts(&ids, &loads)).await;
    with_cache(other, change(&[3, 7])).await;
    let found = with_cache(one, accounts(&ids, &loads)).await;
    let anew: Vec<u32> = ids.iter().copied().filter(|id| found[id] == 2).collect();
    assert_eq!(anew, [3, 7]);
}

#[tokio::test]
async fn with_a_server_that_is_gone_the_body_is_given_all_ids_and_afterwards_it_is_cached_again() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let loads = LoadCounter::new();
        rows(&[1, 2], &loads).await;
        server.kill();
        let (found, outcomes) = observe(rows(&[1, 2, 3], &loads)).await;
        assert_eq!(found, expected(&[1, 2, 3]));
        assert!(outcomes.iter().all(|call| call.outcome == Bypass), "{outcomes:?}");
        server.restart().unwrap();
        recovered(&cache).await;
        rows(&[1, 2, 3], &loads).await;
        let before = loads.count();
        assert_eq!(rows(&[1, 2, 3], &loads).await, expected(&[1, 2, 3]));
        assert_loads(&loads, before);
    })
    .await;
}

#[tokio::test]
async fn on_a_cluster_each_primary_is_asked_for_what_it_has_also_when_that_has_just_moved() {
    let cluster = RedisCluster::start().unwrap();
    let config = RedisConfig::new(&cluster.url()).expect("the address of the cluster");
    let cache = patient().redis(config).build();
    assert!(cache.ready(ELECTION).await, "the cluster is reached");
    isolated_in(cache, async |cache: Cache| {
        let (ids, loads): (Vec<u32>, _) = ((0..100).collect(), LoadCounter::new());
        assert_eq!(rows(&ids, &loads).await, expected(&ids));
        for primary in cluster.primaries() {
            assert!(
                keys(primary, "cache:*").len() > 10,
                "every primary has some of the entries"
            );
        }
        assert_eq!(rows(&ids, &loads).await, expected(&ids));
        assert_eq!(cache.stats().hits, 100);

        let [from, to, ..] = cluster.primaries()[..] else {
            panic!("there are three primaries")
        };
        let moved = keys(from, "cache:*").remove(0);
        let slot = cluster.slot_of(&moved).unwrap();
        cluster.move_slot(slot, from, to).unwrap();
        assert_eq!(rows(&ids, &loads).await, expected(&ids));
        assert_eq!(cache.stats().hits, 200);
        assert_loads(&loads, 1);
        expect_outcomes(&[Hit], rows(&[1], &loads)).await;
    })
    .await;
}
