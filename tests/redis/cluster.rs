//! The runtime on a Redis Cluster: three primaries, each with a replica.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Hit, Miss},
    cached, invalidates,
    store::{RedisConfig, RedisStore, StampKey, Store as _},
    with_cache,
};
use cache_testkit::{
    LoadCounter, RedisCluster, RedisServer, StartError, assert_loads, contract, expect_outcomes, isolated_in, patient,
    until,
};
use futures_util::FutureExt as _;
use support::{ELECTION, commands_while, keys};
use tokio::{task::JoinSet, time::timeout};

/// What `CACHE_NEAR_MAX_STALENESS` is by default.
const NEAR_MAX_STALENESS: Duration = Duration::from_secs(1);

/// Accounts of which the last writes are known.
#[derive(Debug, Default)]
struct Database(Mutex<HashMap<u64, u64>>);

impl Database {
    fn version(&self, account: u64) -> u64 {
        *self.0.lock().expect("no panic holds it").entry(account).or_default()
    }

    fn raise(&self, account: u64, version: u64) {
        let mut accounts = self.0.lock().expect("no panic holds it");
        let known = accounts.entry(account).or_default();
        *known = version.max(*known);
    }

    fn write(&self, account: u64) -> u64 {
        let mut accounts = self.0.lock().expect("no panic holds it");
        let version = accounts.entry(account).or_default();
        *version += 1;
        *version
    }
}

#[cached(resource = "accounts", scope(account), skip(database))]
async fn account(account: u64, database: &Database) -> u64 {
    database.version(account)
}

/// What an author has written last: who it is stands in the result.
#[cached(resource = "titles", skip(database), tags(author = result.0))]
async fn title(author: u64, database: &Database) -> (u64, u64) {
    tokio::task::yield_now().await;
    (author, database.version(author))
}

#[cached(resource = "near_accounts", scope(account), skip(database), near = "tracked")]
async fn near_account(account: u64, database: &Database) -> u64 {
    database.version(account)
}

#[invalidates("near_accounts"(account))]
async fn change_near(account: u64, database: &Database) -> u64 {
    database.write(account)
}

#[cached(resource = "ledger", skip(loads))]
async fn guarded(loads: &LoadCounter) -> u64 {
    loads.record()
}

#[invalidates("ledger")]
async fn change_guarded() {}

/// The deadlines are long, so that a busy machine changes no outcome.
async fn connected(cluster: &RedisCluster) -> Cache {
    let config = RedisConfig::new(&cluster.url()).expect("the address of the cluster");
    let cache = patient().redis(config).build();
    assert!(cache.ready(ELECTION).await, "the cluster is reached");
    cache
}

#[tokio::test]
async fn the_store_keeps_the_contract_on_a_cluster() {
    let cluster = RedisCluster::start().unwrap();
    contract::run(async || RedisStore::new(RedisConfig::new(&cluster.url()).expect("its address"))).await;
}

#[tokio::test]
async fn the_store_keeps_the_contract_on_a_cluster_with_replicas_to_wait_for() {
    let cluster = RedisCluster::start().unwrap();
    contract::run(async || {
        let config = RedisConfig::new(&cluster.url()).expect("its address");
        RedisStore::new(config.wait_replicas(1).max_connections(1))
    })
    .await;
}

#[tokio::test]
async fn one_server_of_the_url_is_enough_and_every_primary_has_entries() {
    let cluster = RedisCluster::start().unwrap();
    let port = cluster.nodes()[4].port().expect("it listens on a port");
    let config = RedisConfig::new(&format!("redis-cluster://127.0.0.1:1,127.0.0.1:{port}")).unwrap();
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(ELECTION).await);
    let database = Database::default();
    isolated_in(cache, async |_| {
        for id in 0..100 {
            account(id, &database).await;
        }
    })
    .await;
    for primary in cluster.primaries() {
        assert!(keys(primary, "cache:*").len() > 10);
    }
}

#[tokio::test]
async fn a_sweep_and_the_removal_of_all_stamps_reach_every_primary() {
    let cluster = RedisCluster::start().unwrap();
    let database = Database::default();
    isolated_in(connected(&cluster).await, async |cache| {
        for id in 0..300 {
            account(id, &database).await;
        }
        cache.invalidate("accounts").await.unwrap();
        until("all are swept", async || cache.stats().swept >= 300).await;
        for primary in cluster.primaries() {
            assert_eq!(keys(primary, "cache:default:*"), [] as [String; 0]);
        }
    })
    .await;
    let store = trusted(&cluster).await;
    assert!(
        cluster
            .primaries()
            .iter()
            .all(|node| !keys(node, "cachestamp:*").is_empty())
    );
    store.remove_all_stamps().await.unwrap();
    for primary in cluster.primaries() {
        assert_eq!(keys(primary, "cachestamp:*"), [] as [String; 0]);
    }
}

#[tokio::test]
async fn a_right_that_is_missing_on_one_primary_is_named() {
    // Of docs/operations.md and docs/deployments.md, but for MGET, which is not sent to a cluster.
    const RIGHTS: &str = "on >secret ~cache:* ~cachestamp:* ~cachehold:* ~cachewriter:* +get +set +unlink +scan +getrange \
                          +sadd +srem +smembers +pexpire +cluster|slots +asking";
    let cluster = RedisCluster::start().unwrap();
    let grant = |node: &RedisServer, rights: &str| {
        let words = ["ACL", "SETUSER", "app"].into_iter();
        let () = node.command(words.chain(rights.split_whitespace())).expect("an ACL");
    };
    for node in cluster.nodes() {
        grant(node, RIGHTS);
    }
    let store = RedisStore::new(RedisConfig::new(&cluster.url().replace("://", "://app:secret@")).unwrap());
    let is_trusted = async || store.probe().await.is_ok();
    until("the rights are enough", is_trusted).await;
    store
        .is_held(&[StampKey::parse("cachestamp:default:rows").unwrap()])
        .await
        .unwrap();
    for primary in cluster.primaries() {
        for right in ["+get", "+set", "+pexpire"] {
            grant(primary, &right.replace('+', "-"));
            let missing = store.probe().await.unwrap_err();
            assert!(
                missing.to_string().contains(&format!("`{right}` on `~cache")),
                "{missing}"
            );
            grant(primary, right);
            until("it is granted", is_trusted).await;
        }
    }
}

#[tokio::test]
async fn near_values_hear_of_changes_on_every_primary() {
    let cluster = RedisCluster::start().unwrap();
    let database = Database::default();
    let (reader, writer) = (connected(&cluster).await, connected(&cluster).await);
    with_cache(reader.clone(), async {
        for id in 0..50 {
            until_near(id, &database).await;
        }
        for id in 0..50 {
            let written = with_cache(writer.clone(), change_near(id, &database)).await;
            until("the change is reported", async || {
                near_account(id, &database).await == written
            })
            .await;
        }
    })
    .await;
}

/// The server that had the slot throws its keys away, which Redis up to 7.0 does not report.
#[tokio::test]
async fn near_values_are_right_when_a_slot_was_taken_over() {
    let cluster = RedisCluster::start().unwrap();
    let slot = slot_of_the_stamp(&cluster);
    let to = another_primary(&cluster, cluster.primary_of_slot(slot));
    assert_reached_after(&cluster, |cluster| cluster.take_over(slot, to)).await;
}

/// Such a server cannot make the invalidation heard. That the slot is another server's has to be enough.
#[tokio::test]
async fn near_values_are_right_when_a_slot_was_taken_over_by_a_server_that_is_out_of_memory() {
    let cluster = RedisCluster::start().unwrap();
    let slot = slot_of_the_stamp(&cluster);
    let to = another_primary(&cluster, cluster.primary_of_slot(slot));
    assert_reached_after(&cluster, |cluster| {
        let () = to.command(["CONFIG", "SET", "maxmemory", "1"]).expect("CONFIG answers");
        cluster.take_over(slot, to)
    })
    .await;
}

#[tokio::test]
async fn near_values_are_right_when_a_slot_went_to_a_server_that_has_joined_the_cluster() {
    let mut cluster = RedisCluster::start().unwrap();
    cluster.add_primary().unwrap();
    let slot = slot_of_the_stamp(&cluster);
    // It is no server that has keys when the watch begins.
    let joined = cluster.nodes().last().expect("it is there");
    assert_reached_after(&cluster, |cluster| cluster.take_over(slot, joined)).await;
}

#[tokio::test]
async fn near_values_are_used_again_when_the_slots_have_come_to_rest() {
    let cluster = RedisCluster::start().unwrap();
    let (cache, database) = (connected(&cluster).await, Database::default());
    let slot = slot_of_the_stamp(&cluster);
    let from = cluster.primary_of_slot(slot);
    let to = another_primary(&cluster, from);
    with_cache(cache, async {
        until_near(1, &database).await;
        cluster.move_slot(slot, from, to).unwrap();
        until_near_without_older_news(&database).await;
        cluster.take_over(slot, from).unwrap();
        until_near_without_older_news(&database).await;
    })
    .await;
}

/// Until a value is used without asking that could not be for what was reported before this began.
async fn until_near_without_older_news(database: &Database) {
    let began = Instant::now();
    while began.elapsed() <= NEAR_MAX_STALENESS {
        near_account(1, database).await;
        tokio::task::yield_now().await;
    }
    until_near(1, database).await;
}

fn slot_of_the_stamp(cluster: &RedisCluster) -> u16 {
    cluster
        .slot_of("cachestamp:default:near_accounts:account-1")
        .expect("the cluster answers")
}

fn another_primary<'c>(cluster: &'c RedisCluster, but: &RedisServer) -> &'c RedisServer {
    let mut primaries = cluster.primaries().into_iter();
    primaries
        .find(|node| node.port() != but.port() && !own_slots(node).is_empty())
        .expect("there are three")
}

/// The ranges of slots that a server has itself.
fn own_slots(node: &RedisServer) -> Vec<String> {
    let nodes: String = node.command(["CLUSTER", "NODES"]).expect("CLUSTER answers");
    let own = nodes
        .lines()
        .find(|line| line.contains("myself"))
        .expect("it knows itself");
    own.split(' ').skip(8).map(str::to_owned).collect()
}

/// After something has happened to the cluster an account is changed elsewhere. That is acknowledged, and no near value is older for
/// longer than the staleness bound.
async fn assert_reached_after(cluster: &RedisCluster, happens: impl FnOnce(&RedisCluster) -> Result<(), StartError>) {
    let database = Database::default();
    let (reader, writer) = (connected(cluster).await, connected(cluster).await);
    with_cache(reader, async {
        until_near(1, &database).await;
        happens(cluster).expect("the cluster does it");
        let written = database.write(1);
        let acknowledged = async {
            let invalidate = || writer.invalidate("near_accounts").scope("account", 1);
            while invalidate().await != Ok(Invalidated::Acknowledged) {
                tokio::task::yield_now().await;
            }
        };
        timeout(ELECTION, acknowledged).await.expect("the cluster takes it");
        let acknowledged = Instant::now();
        loop {
            let began = Instant::now();
            let read = near_account(1, &database).await;
            if began.duration_since(acknowledged) > NEAR_MAX_STALENESS {
                assert_eq!(read, written);
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_hold_on_another_server_than_its_writer_is_seen() {
    let cluster = RedisCluster::start().unwrap();
    let loads = LoadCounter::new();
    isolated_in(connected(&cluster).await, async |_| {
        for round in 1..=30 {
            expect_outcomes(&[Miss], guarded(&loads)).await;
            expect_outcomes(&[Hit], guarded(&loads)).await;
            change_guarded().await;
            assert_loads(&loads, round);
        }
    })
    .await;
}

/// Reads and writes by two processes until they are stopped. No read may return less than the floor from before it began.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<u64>,
}

/// Whose invalidations a process must see.
#[derive(Clone, Copy, PartialEq)]
enum Sees {
    /// Those of every process that were acknowledged.
    Everybodys,
    /// Its own.
    ItsOwn,
}

const ACCOUNTS: u64 = 24;

impl Load {
    fn start(caches: &[Cache; 2], database: &Arc<Database>, sees: Sees) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        let shared = Arc::new(Database::default());
        for cache in caches {
            let floor = match sees {
                Sees::Everybodys => Arc::clone(&shared),
                Sees::ItsOwn => Arc::default(),
            };
            for _ in 0..4 {
                let worker = Worker {
                    cache: cache.clone(),
                    database: Arc::clone(database),
                    floor: Arc::clone(&floor),
                    sees,
                };
                tasks.spawn(with_cache(cache.clone(), worker.run(Arc::clone(&stop))));
            }
        }
        Self { stop, tasks }
    }

    /// How many reads there were.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.iter().sum()
    }
}

struct Worker {
    cache: Cache,
    database: Arc<Database>,
    /// The least that a read may return.
    floor: Arc<Database>,
    sees: Sees,
}

impl Worker {
    async fn run(self, stop: Arc<AtomicBool>) -> u64 {
        let mut reads = 0;
        while !stop.load(Ordering::SeqCst) {
            let id = fastrand::u64(..ACCOUNTS);
            if fastrand::u8(..) < 25 {
                let written = self.database.write(id);
                let invalidated = self
                    .cache
                    .invalidate("accounts")
                    .scope("account", id)
                    .await
                    .expect("declared");
                if self.sees == Sees::ItsOwn || invalidated == Invalidated::Acknowledged {
                    self.floor.raise(id, written);
                }
            }
            let floor = self.floor.version(id);
            let read = account(id, &self.database).await;
            assert!(
                read >= floor,
                "account {id}: {read} was read after {floor} had been invalidated"
            );
            reads += 1;
            tokio::task::yield_now().await;
        }
        reads
    }
}

/// Every account as every process sees it is soon as the database has it, though nothing is invalidated any more.
async fn assert_nothing_old_is_left(caches: &[Cache; 2], database: &Database) {
    for cache in caches {
        let current = async {
            for id in 0..ACCOUNTS {
                while account(id, database).await != database.version(id) {
                    tokio::task::yield_now().await;
                }
            }
        };
        let checked = timeout(ELECTION, with_cache(cache.clone(), current)).await;
        checked.expect("no old value stays");
    }
}

async fn until_cached(caches: &[Cache; 2]) {
    for cache in caches {
        assert!(cache.ready(ELECTION).await, "caching resumes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_under_load_lose_no_invalidation() {
    let cluster = Arc::new(RedisCluster::start().unwrap());
    let caches = [connected(&cluster).await, connected(&cluster).await];
    let database = Arc::new(Database::default());
    let load = Load::start(&caches, &database, Sees::Everybodys);
    let moving = Arc::clone(&cluster);
    tokio::task::spawn_blocking(move || {
        for round in 0..2 {
            for id in 0..ACCOUNTS {
                let slot = moving
                    .slot_of(&format!("cachestamp:default:accounts:account-{id}"))
                    .unwrap();
                let from = moving.primary_of_slot(slot);
                let primaries = moving.primaries();
                let at = primaries
                    .iter()
                    .position(|node| node.port() == from.port())
                    .expect("a primary");
                moving
                    .move_slot(slot, from, primaries[(at + 1 + round) % primaries.len()])
                    .unwrap();
            }
        }
    })
    .await
    .unwrap();
    assert!(load.stop().await > 0);
    until_cached(&caches).await;
    assert_nothing_old_is_left(&caches, &database).await;
    assert!(caches.iter().all(|cache| cache.stats().hits > 0));
}

#[tokio::test]
async fn the_store_is_trusted_while_the_slot_of_a_probe_moves() {
    let cluster = RedisCluster::start().unwrap();
    let store = trusted(&cluster).await;
    let (from, to) = (&cluster.nodes()[0], &cluster.nodes()[1]);
    let slot = cluster.slot_of(&key_of_a_probe(&store, from).await).unwrap();
    cluster.begin_to_move_slot(slot, from, to).unwrap();
    for _ in 0..20 {
        store.probe().await.unwrap();
    }
    cluster.move_slot(slot, from, to).unwrap();
    for _ in 0..20 {
        store.probe().await.unwrap();
    }
}

/// The stamps of tags, their epochs and the entries are on different servers.
#[tokio::test]
async fn an_invalidation_of_a_tag_reaches_entries_and_loads_wherever_their_stamps_are() {
    const AUTHORS: u64 = 12;
    const ROUNDS: u64 = 240;
    let cluster = RedisCluster::start().unwrap();
    let (here, elsewhere) = (connected(&cluster).await, connected(&cluster).await);
    let database = Database::default();
    let acknowledged = Database::default();
    let done = AtomicBool::new(false);
    let write = async {
        for round in 0..ROUNDS {
            let author = round % AUTHORS;
            let version = database.write(author);
            elsewhere.invalidate_tag("author", author).await.unwrap();
            acknowledged.raise(author, version);
        }
        done.store(true, Ordering::SeqCst);
    };
    let read = async |cache: Cache| {
        let mut round = 0;
        while !done.load(Ordering::SeqCst) {
            round += 1;
            let author = round % AUTHORS;
            let floor = acknowledged.version(author);
            let (_, version) = with_cache(cache.clone(), title(author, &database)).await;
            assert!(version >= floor, "{version} of author {author} is older than {floor}");
        }
    };
    tokio::join!(write, read(here.clone()), read(elsewhere.clone()));
    with_cache(here, async {
        for author in 0..AUTHORS {
            title(author, &database).await;
            expect_outcomes(&[Hit], title(author, &database)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn near_values_are_used_while_the_slot_of_a_probe_moves() {
    let cluster = RedisCluster::start().unwrap();
    let (from, to) = (&cluster.nodes()[0], &cluster.nodes()[1]);
    let key = key_of_a_probe(&trusted(&cluster).await, from).await;
    let (cache, database) = (connected(&cluster).await, Database::default());
    with_cache(cache, async {
        until_near(1, &database).await;
        cluster
            .begin_to_move_slot(cluster.slot_of(&key).unwrap(), from, to)
            .unwrap();
        // For longer than they are used without news.
        let began = Instant::now();
        while began.elapsed() < 2 * NEAR_MAX_STALENESS {
            assert!(is_near(1, &database), "after {:?}", began.elapsed());
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The watch is made by the first call; until it is there a value is checked.
async fn until_near(id: u64, database: &Database) {
    until("values are used without asking", async || {
        near_account(id, database).await;
        is_near(id, database)
    })
    .await;
}

/// Whether a value is used without asking: at once.
fn is_near(id: u64, database: &Database) -> bool {
    near_account(id, database).now_or_never().is_some()
}

async fn trusted(cluster: &RedisCluster) -> RedisStore {
    let store = RedisStore::new(RedisConfig::new(&cluster.url()).expect("its address"));
    until("the cluster is reached", async || store.probe().await.is_ok()).await;
    store
}

/// A key that the store asks this server about when it is probed.
async fn key_of_a_probe(store: &RedisStore, node: &RedisServer) -> String {
    let probe = async { store.probe().await.expect("the store is trusted") };
    let commands = commands_while(node, probe).await;
    let asked = commands.into_iter().find(|words| words[0] == "UNLINK");
    asked.expect("a probe begins with it").swap_remove(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_under_load_takes_no_invalidation_along() {
    let cluster = RedisCluster::start().unwrap();
    let caches = [impatient(&cluster).await, impatient(&cluster).await];
    let database = Arc::new(Database::default());
    let load = Load::start(&caches, &database, Sees::ItsOwn);
    until_hits(&caches).await;
    cluster.nodes()[0].kill();
    tokio::task::block_in_place(|| cluster.wait_until_healthy()).unwrap();
    until_cached(&caches).await;
    until_hits(&caches).await;
    assert!(load.stop().await > 0);
    assert_nothing_old_is_left(&caches, &database).await;
}

/// Without sweeps, so that the old entry is still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_that_the_new_primary_has_never_heard_of_is_sent_again_before_it_is_read() {
    let cluster = RedisCluster::start().unwrap();
    let config = RedisConfig::new(&cluster.url()).unwrap();
    let cache = Cache::builder().redis(config).sweep(false).build();
    assert!(cache.ready(ELECTION).await);
    let database = Database::default();
    let slot = cluster.slot_of("cachestamp:default:accounts:account-7").unwrap();
    let primary = cluster.primary_of_slot(slot);
    let replica = cluster.replica_of(primary);
    with_cache(cache.clone(), async {
        account(7, &database).await;
        expect_outcomes(&[Hit], account(7, &database)).await;
        until_replicated(primary, replica);
        replica.pause();
        let _: i64 = primary.command(["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
        database.write(7);
        let invalidated = cache.invalidate("accounts").scope("account", 7).await.unwrap();
        assert_eq!(invalidated, Invalidated::Acknowledged);
        primary.kill();
        replica.resume();
        // Before its election, which takes more than a second.
        assert_eq!(
            keys(replica, "cachestamp:default:accounts:account-7").len(),
            1,
            "the stamp that was removed is back"
        );
        tokio::task::block_in_place(|| cluster.wait_until_healthy()).unwrap();
        assert!(cache.ready(ELECTION).await);
        assert_eq!(account(7, &database).await, 1);
    })
    .await;
}

fn until_replicated(primary: &RedisServer, replica: &RedisServer) {
    let offset = |server: &RedisServer, field: &str| {
        let info: String = server.command(["INFO", "replication"]).expect("INFO answers");
        let offset = info.lines().find_map(|line| line.strip_prefix(field));
        offset.map(|offset| offset.trim().to_owned()).expect("an offset")
    };
    let deadline = Instant::now() + ELECTION;
    while offset(primary, "master_repl_offset:") != offset(replica, "slave_repl_offset:") {
        assert!(Instant::now() < deadline, "the replica has everything");
        std::thread::yield_now();
    }
}

/// With the deadlines of a real service.
async fn impatient(cluster: &RedisCluster) -> Cache {
    let config = RedisConfig::new(&cluster.url()).expect("the address of the cluster");
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(ELECTION).await, "the cluster is reached");
    cache
}

async fn until_hits(caches: &[Cache; 2]) {
    for cache in caches {
        let before = cache.stats().hits;
        let hit = async {
            while cache.stats().hits < before + 100 {
                tokio::task::yield_now().await;
            }
        };
        timeout(ELECTION, hit).await.expect("values are cached");
    }
}
