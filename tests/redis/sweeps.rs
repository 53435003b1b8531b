//! Sweeps on real servers: what is dead goes, for few walks over the keys, by one process at a time, and also after a walk that was
//! not answered.

use std::{collections::BTreeMap, time::Duration};

use cache_runtime::{
    Cache, cached, invalidates,
    store::{RedisConfig, RedisStore, StoreErrorKind},
    with_cache, with_tenant,
};
use cache_testkit::{
    Direction, Ended, Operation, OperationKind, PATIENCE, RedisCluster, RedisServer, SpyStore, patient, reaching, until,
};
use support::{ELECTION, at, keys, through_a_proxy};
use tokio::time::Instant;

/// Between two walks there is at least so much time.
const REST: Duration = Duration::from_secs(1);

/// The key of the claim to walk.
const WALK: &str = "cache:~sweep:walk";

#[cached(resource = "swept_first")]
async fn first(page: u64) -> u64 {
    page
}

#[cached(resource = "swept_second")]
async fn second(page: u64) -> u64 {
    page
}

#[cached(resource = "swept_accounts", scope(account))]
async fn account(account: u64, page: u64) -> u64 {
    page
}

#[cached(resource = "swept_shared")]
async fn shared(page: u64) -> u64 {
    page
}

#[invalidates("swept_first")]
async fn change_first() {}

#[invalidates("swept_second")]
async fn change_second() {}

#[invalidates("swept_shared")]
async fn change_shared() {}

#[invalidates("swept")]
async fn change_group() {}

#[invalidates("swept_*")]
async fn change_by_pattern() {}

/// Two entries of everything, for two tenants.
async fn fill() {
    for tenant in ["a", "b"] {
        with_tenant(tenant, async {
            for page in 0..2 {
                first(page).await;
                second(page).await;
                account(1, page).await;
                account(2, page).await;
                shared(page).await;
            }
        })
        .await;
    }
}

/// How many entries there are of each tenant, resource and scope value.
fn entries(server: &RedisServer) -> BTreeMap<String, usize> {
    let mut entries = BTreeMap::new();
    for key in keys(server, "cache:*:swept_*") {
        let (of, _) = key.rsplit_once(':').expect("a hash");
        *entries.entry(of.trim_start_matches("cache:").to_owned()).or_default() += 1;
    }
    entries
}

/// What two entries of everything are, but for what this is about.
fn all_but(is_gone: impl Fn(&str) -> bool) -> BTreeMap<String, usize> {
    let resources = [
        "swept_first",
        "swept_second",
        "swept_accounts:account-1",
        "swept_accounts:account-2",
    ];
    let of_tenants = ["a", "b"]
        .into_iter()
        .flat_map(|tenant| resources.map(|of| format!("{tenant}:{of}")));
    let all = of_tenants.chain(["~shared:swept_shared".to_owned()]);
    all.filter(|of| !is_gone(of)).map(|of| (of, 2)).collect()
}

/// How often the server has been sent this command.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let info: String = server
        .command(["INFO", "commandstats"])
        .expect("the figures of the server");
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| {
        line.split(',')
            .next()
            .and_then(|calls| calls.parse().ok())
            .expect("a number")
    })
}

/// So many keys that no sweep is about.
fn settle(server: &RedisServer, count: u32) {
    const SCRIPT: &str = "for n = 1, ARGV[1] do redis.call('SET', 'session:' .. n, 'x') end";
    let () = server.command(["EVAL", SCRIPT, "0", &count.to_string()]).expect("keys");
}

/// What the store knows another process as.
const SOMEBODY: &str = "00000000000000aa";

/// Another process walks, or rests after its walk.
fn somebody_walks(server: &RedisServer) {
    let () = server.command(["SET", WALK, SOMEBODY]).expect("a claim");
}

/// Its rest is over, which is longer than a test if the walk took long.
fn nobody_walks(server: &RedisServer) {
    let () = server.command(["UNLINK", WALK]).expect("no claim");
}

/// The walks that a process has begun.
fn walks(spy: &SpyStore) -> impl Iterator<Item = Operation> {
    let operations = spy.operations().into_iter();
    operations.filter(|one| one.kind == OperationKind::Sweep)
}

/// A process: a cache whose operations are seen.
async fn process(server: &RedisServer) -> (Cache, SpyStore) {
    let spy = SpyStore::new(RedisStore::new(at(server)));
    let cache = patient().store(spy.clone()).build();
    assert!(cache.ready(PATIENCE).await, "the server is reached");
    (cache, spy)
}

#[tokio::test]
async fn what_is_dead_goes_whatever_was_named_and_what_is_alive_stays() {
    let server = RedisServer::start().unwrap();
    for (named, is_gone) in [
        ("a resource", (|of| of == "a:swept_first") as fn(&str) -> bool),
        ("a scope value", |of| of == "a:swept_accounts:account-1"),
        ("a group", |of| of.starts_with("a:") || of.starts_with("~shared:")),
        ("a pattern", |of| of.starts_with("a:") || of.starts_with("~shared:")),
        ("a pattern by hand", |of| of.starts_with("a:swept_s")),
        ("a tenant", |of| of.starts_with("a:")),
        ("what tenants share", |of| of.starts_with("~shared:")),
        ("everything of one and something of another", |of| {
            of.starts_with("b:") || of == "a:swept_second"
        }),
    ] {
        let cache = reaching(&server, patient()).await;
        with_cache(cache.clone(), async {
            fill().await;
            assert_eq!(entries(&server), all_but(|_| false), "before {named}");
            let by_hand = |name: &'static str| cache.invalidate(name).tenant("a");
            match named {
                "a resource" => with_tenant("a", change_first()).await,
                "a scope value" => drop(by_hand("swept_accounts").scope("account", 1_u64).await.unwrap()),
                "a group" => with_tenant("a", change_group()).await,
                "a pattern" => with_tenant("a", change_by_pattern()).await,
                "a pattern by hand" => drop(by_hand("swept_se*").await.unwrap()),
                "a tenant" => drop(cache.invalidate_tenant("a").await.unwrap()),
                "what tenants share" => change_shared().await,
                _ => {
                    cache.invalidate_tenant("b").await.unwrap();
                    with_tenant("a", change_second()).await;
                }
            }
            let is_swept = || cache.stats().sweeps > 0 && entries(&server) == all_but(is_gone);
            until(named, async || is_swept()).await;
        })
        .await;
        assert_eq!(cache.stats().failed_sweeps, 0, "{named}");
        cache.close().await;
        nobody_walks(&server);
    }
}

#[tokio::test]
async fn what_was_filled_again_stays() {
    let server = RedisServer::start().unwrap();
    let cache = reaching(&server, patient()).await;
    with_cache(cache.clone(), async {
        fill().await;
        with_tenant("a", async {
            change_first().await;
            first(0).await;
        })
        .await;
        until("the other one is swept", async || cache.stats().swept >= 1).await;
    })
    .await;
    let mut left = all_but(|_| false);
    left.insert("a:swept_first".to_owned(), 1);
    assert_eq!(entries(&server), left);
}

#[tokio::test]
async fn a_mutation_of_many_resources_is_walked_for_once() {
    let server = RedisServer::start().unwrap();
    settle(&server, 3900);
    let mut walks = Vec::new();
    for several in [false, true] {
        let cache = reaching(&server, patient()).await;
        with_cache(cache.clone(), async {
            fill().await;
            let before = calls(&server, "scan");
            with_tenant("a", async {
                if several {
                    change_group().await;
                } else {
                    change_first().await;
                }
            })
            .await;
            let dead = if several { 10 } else { 2 };
            until("all is swept", async || cache.stats().swept >= dead).await;
            assert_eq!(cache.stats().sweeps, 1);
            walks.push(calls(&server, "scan") - before);
        })
        .await;
        cache.close().await;
        nobody_walks(&server);
    }
    assert!(walks[1] <= walks[0] + 8, "about as many `SCAN`s: {walks:?}");
    assert!(walks[0] <= 4096 / 16 + 1, "16 keys a `SCAN`: {walks:?}");
}

/// A mutation that comes again and again does not keep a walk running.
#[tokio::test]
async fn many_mutations_cost_few_walks() {
    let server = RedisServer::start().unwrap();
    settle(&server, 2000);
    let cache = reaching(&server, patient()).await;
    let started = Instant::now();
    with_cache(cache.clone(), async {
        while started.elapsed() < 3 * REST {
            first(0).await;
            change_group().await;
            account(1, 0).await;
        }
    })
    .await;
    let most = 1 + started.elapsed().as_millis() / REST.as_millis();
    let (stats, scans) = (cache.stats(), calls(&server, "scan"));
    assert!(stats.invalidations > 50, "{stats:?}");
    assert!(u128::from(stats.sweeps) <= most, "{most} at the most: {stats:?}");
    let for_each = u64::from(2048_u32 / 16 + 1);
    assert!(scans <= (stats.sweeps + 1) * for_each, "{scans} `SCAN`s: {stats:?}");
    cache.close().await;
}

/// Who finds that another one is going to walk for the same leaves it to that one.
#[tokio::test]
async fn what_several_processes_have_invalidated_one_of_them_walks_for() {
    let server = RedisServer::start().unwrap();
    let ((one, of_one), (other, of_other)) = (process(&server).await, process(&server).await);
    with_cache(one.clone(), fill()).await;
    // Somebody walks, so that both wait.
    somebody_walks(&server);
    with_cache(one.clone(), with_tenant("a", change_first())).await;
    // It has claimed what it is going to walk for, and has asked whether it may.
    of_one.until_ended(OperationKind::AcquireLease, 2).await;
    with_cache(other.clone(), with_tenant("a", change_first())).await;
    of_other.until_ended(OperationKind::AcquireLease, 1).await;
    with_cache(other.clone(), with_tenant("b", change_second())).await;
    nobody_walks(&server);
    until("both have walked", async || {
        one.stats().sweeps >= 1 && other.stats().sweeps >= 1
    })
    .await;
    let patterns = |spy: &SpyStore| -> Vec<Vec<String>> { walks(spy).map(|walk| walk.keys).collect() };
    assert_eq!(patterns(&of_one), [["cache:a:swept_first:*"]]);
    assert_eq!(patterns(&of_other), [["cache:b:swept_second:*"]]);
    assert_eq!(
        entries(&server),
        all_but(|of| ["a:swept_first", "b:swept_second"].contains(&of))
    );
    // What comes after the walk is walked for anew.
    with_cache(other.clone(), with_tenant("b", change_first())).await;
    until("it is swept", async || !entries(&server).contains_key("b:swept_first")).await;
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn processes_walk_one_at_a_time() {
    let server = RedisServer::start().unwrap();
    let ((one, of_one), (other, of_other)) = (process(&server).await, process(&server).await);
    with_cache(one.clone(), fill()).await;
    let walking = of_one.hold(OperationKind::Sweep);
    with_cache(one.clone(), with_tenant("a", change_first())).await;
    walking.until_waiting(1).await;
    with_cache(other.clone(), with_tenant("a", change_second())).await;
    // Its claim to what it has invalidated, and three to a walk.
    of_other.until_ended(OperationKind::AcquireLease, 4).await;
    assert_eq!((one.stats().sweeps, of_other.count(OperationKind::Sweep)), (0, 0));
    walking.open();
    until("the one has walked", async || one.stats().sweeps >= 1).await;
    nobody_walks(&server);
    until("the other one has walked", async || other.stats().sweeps >= 1).await;
    assert_eq!(
        entries(&server),
        all_but(|of| ["a:swept_first", "a:swept_second"].contains(&of))
    );
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_walk_ends_with_its_cache() {
    let server = RedisServer::start().unwrap();
    let (cache, spy) = process(&server).await;
    let walking = spy.hold(OperationKind::Sweep);
    with_cache(cache.clone(), async {
        fill().await;
        with_tenant("a", change_first()).await;
    })
    .await;
    walking.until_waiting(1).await;
    assert!(cache.close().await);
    assert_eq!(walks(&spy).next().and_then(|walk| walk.ended), Some(Ended::Dropped));
    walking.open();
    with_cache(cache.clone(), with_tenant("a", change_second())).await;
    assert_eq!(entries(&server), all_but(|_| false));
}

#[tokio::test]
async fn a_process_that_ends_leaves_what_it_was_going_to_walk_for_to_others() {
    let server = RedisServer::start().unwrap();
    let ((one, of_one), (other, _)) = (process(&server).await, process(&server).await);
    with_cache(one.clone(), fill()).await;
    somebody_walks(&server);
    with_cache(one.clone(), with_tenant("a", change_first())).await;
    of_one.until_ended(OperationKind::AcquireLease, 2).await;
    assert_eq!(
        keys(&server, "cache:~sweep:*").len(),
        2,
        "its claim, and that of somebody"
    );
    assert!(one.close().await);
    assert_eq!(keys(&server, "cache:~sweep:*"), [WALK]);
    nobody_walks(&server);
    with_cache(other.clone(), with_tenant("a", change_first())).await;
    until("the other one walks", async || other.stats().sweeps >= 1).await;
    assert_eq!(entries(&server), all_but(|of| of == "a:swept_first"));
    other.close().await;
}

/// Nobody gives its claim back.
#[tokio::test]
async fn a_process_that_was_killed_keeps_others_from_walking_for_a_while_alone() {
    let server = RedisServer::start().unwrap();
    let cache = reaching(&server, patient()).await;
    let () = server.command(["SET", WALK, SOMEBODY, "PX", "1000"]).unwrap();
    with_cache(cache.clone(), async {
        fill().await;
        with_tenant("a", change_first()).await;
        until("it is swept", async || cache.stats().sweeps >= 1).await;
    })
    .await;
    assert_eq!(entries(&server), all_but(|of| of == "a:swept_first"));
    cache.close().await;
}

#[tokio::test]
async fn a_walk_that_is_cut_off_half_way_is_begun_again() {
    let server = RedisServer::start().unwrap();
    settle(&server, 20_000);
    let (proxy, config) = through_a_proxy(&server);
    let cache = patient().redis(config).build();
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), async {
        fill().await;
        proxy.delay(Direction::ToClient, Duration::from_millis(10));
        with_tenant("a", change_group()).await;
        let before = calls(&server, "scan");
        until("it walks", async || calls(&server, "scan") > before + 20).await;
        proxy.heal();
        proxy.reset();
        until("all is swept", async || cache.stats().sweeps >= 1).await;
    })
    .await;
    assert_eq!(entries(&server), all_but(|of| !of.starts_with("b:")));
    assert_eq!((cache.stats().sweeps, cache.stats().failed_sweeps), (1, 1));
    cache.close().await;
}

#[tokio::test]
async fn without_the_right_to_scan_a_walk_is_given_up_until_the_next_invalidation() {
    let server = RedisServer::start().unwrap();
    let acl = |scan: &'static str| {
        let words = ["ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all", scan];
        server.command::<()>(words).unwrap();
    };
    acl("-scan");
    let (cache, spy) = process(&server).await;
    with_cache(cache.clone(), async {
        fill().await;
        with_tenant("a", change_first()).await;
        until("it is given up", async || cache.stats().failed_sweeps >= 1).await;
        acl("+scan");
        with_tenant("a", change_second()).await;
        until("the next one is swept", async || cache.stats().sweeps >= 1).await;
    })
    .await;
    assert_eq!(spy.count(OperationKind::Sweep), 2);
    assert_eq!(cache.stats().failed_sweeps, 1);
    assert_eq!(entries(&server), all_but(|of| of == "a:swept_second"));
    cache.close().await;
}

#[tokio::test]
async fn a_server_without_memory_for_claims_is_swept_all_the_same() {
    let server = RedisServer::start().unwrap();
    let (cache, spy) = process(&server).await;
    with_cache(cache.clone(), async {
        fill().await;
        let () = server.command(["CONFIG", "SET", "maxmemory", "1"]).unwrap();
        with_tenant("a", change_group()).await;
        until("all is swept", async || cache.stats().sweeps >= 1).await;
    })
    .await;
    assert_eq!(entries(&server), all_but(|of| !of.starts_with("b:")));
    let refused = spy.operations().into_iter().filter(|one| {
        one.kind == OperationKind::AcquireLease && one.ended == Some(Ended::Failed(StoreErrorKind::OutOfMemory))
    });
    assert!(refused.count() > 0, "nothing can be claimed");
    cache.close().await;
}

#[tokio::test]
async fn each_primary_of_a_cluster_is_walked_over_once() {
    let cluster = RedisCluster::start().unwrap();
    let config = RedisConfig::new(&cluster.url()).unwrap();
    let cache = patient().redis(config).build();
    assert!(cache.ready(ELECTION).await, "the cluster is reached");
    with_cache(cache.clone(), async {
        for page in 0..300 {
            first(page).await;
            account(1, page).await;
            account(2, page).await;
        }
        let before: Vec<_> = cluster.primaries().iter().map(|one| calls(one, "scan")).collect();
        change_first().await;
        cache
            .invalidate("swept_accounts")
            .scope("account", 1_u64)
            .await
            .unwrap();
        until("all is swept", async || cache.stats().swept >= 600).await;
        assert_eq!((cache.stats().sweeps, cache.stats().swept), (1, 600));
        for (primary, before) in cluster.primaries().iter().zip(before) {
            let walk = calls(primary, "scan") - before;
            assert!((1..=1024 / 16 + 1).contains(&walk), "{walk}");
        }
        let left = cluster
            .primaries()
            .into_iter()
            .flat_map(|primary| keys(primary, "cache:default:swept_*"));
        assert_eq!(left.count(), 300);
    })
    .await;
    cache.close().await;
}
