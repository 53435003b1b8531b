//! `each` with `lease`: of the ids of calls in all processes each is loaded once, and no process waits for ever for another.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, LoadTimeout,
    Outcome::StaleHit,
    cached, invalidates, observe,
    store::{RedisConfig, RedisStore, StoreErrorKind},
    with_cache,
};
use cache_testkit::{
    Gate, OperationKind, PATIENCE, RedisServer, SpyStore, expect_outcomes, isolated_in, patient, reaching, recovered,
    until,
};
use futures_util::FutureExt;
use support::{at, keys, process_of, spy};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout},
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_hours(1);

/// A table each of whose queries stands at a gate. It has the ids below 1,000.
#[derive(Debug, Clone, Default)]
struct Table(Arc<Queries>);

#[derive(Debug, Default)]
struct Queries {
    made: Mutex<Vec<(Vec<u32>, Gate)>>,
    /// The version of every row.
    version: AtomicU64,
    fails: AtomicBool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    Gone,
    Late,
}

impl From<LoadTimeout> for Failure {
    fn from(_: LoadTimeout) -> Self {
        Self::Late
    }
}

type Rows = Result<HashMap<u32, u64>, Failure>;

impl Table {
    #[cached(resource = "rows", each = ids, lease = "1s")]
    async fn rows(&self, ids: &[u32]) -> Rows {
        self.query(ids).await
    }

    #[cached(resource = "rows", each = ids, lease = "1s", negative_ttl = "10s")]
    async fn find(&self, ids: &[u32]) -> Rows {
        self.query(ids).await
    }

    #[cached(resource = "rows", each = ids, lease = "30s", load_timeout(hard = "200ms"))]
    async fn bounded(&self, ids: &[u32]) -> Rows {
        self.query(ids).await
    }

    #[cached(resource = "rows", each = ids, lease, ttl = "1ms", stale_while_revalidate = "1h")]
    async fn revalidated(&self, ids: Vec<u32>) -> Rows {
        self.query(&ids).await
    }

    #[cached(resource = "rows", each = ids, lease, ttl = "1ms", stale_if_error = "1h", load_timeout(soft = "20ms"))]
    async fn lasting(&self, ids: Vec<u32>) -> Rows {
        self.query(&ids).await
    }

    /// One run of the body at once.
    #[cached(resource = "few_at_once", each = ids, lease = "1s")]
    async fn one_at_once(&self, ids: &[u32]) -> Rows {
        self.query(ids).await
    }

    #[invalidates("rows")]
    async fn change(&self) {
        self.0.version.fetch_add(1, Ordering::SeqCst);
    }

    async fn query(&self, ids: &[u32]) -> Rows {
        let gate = Gate::closed();
        let version = self.0.version.load(Ordering::SeqCst);
        self.0
            .made
            .lock()
            .expect("no panic holds it")
            .push((ids.to_vec(), gate.clone()));
        gate.pass().await;
        if self.0.fails.load(Ordering::SeqCst) {
            return Err(Failure::Gone);
        }
        Ok(versions(ids, version))
    }

    fn call(&self, process: &Process, ids: &[u32]) -> JoinHandle<Rows> {
        let (table, ids) = (self.clone(), ids.to_vec());
        process.spawn(async move { table.rows(&ids).await })
    }

    /// Waits for so many queries, and returns the ids of each.
    async fn until_made(&self, count: usize) -> Vec<Vec<u32>> {
        let made = || self.0.made.lock().expect("no panic holds it");
        until("so many queries have been made", async || made().len() >= count).await;
        made().iter().map(|(ids, _)| ids.clone()).collect()
    }

    fn let_pass(&self, query: usize) {
        self.0.made.lock().expect("no panic holds it")[query].1.open();
    }

    fn made(&self) -> usize {
        self.0.made.lock().expect("no panic holds it").len()
    }
}

fn versions(ids: &[u32], version: u64) -> HashMap<u32, u64> {
    ids.iter().filter(|id| **id < 1_000).map(|id| (*id, version)).collect()
}

/// A cache of its own on a server that it shares with others, as another process has it.
#[derive(Debug)]
struct Process {
    cache: Cache,
    spy: SpyStore,
}

impl Process {
    async fn on(server: &RedisServer) -> Self {
        let spy = SpyStore::new(RedisStore::new(at(server)));
        // Without sweeps, since one that has seen a dead entry may remove the one that has replaced it: that costs another load.
        let cache = patient().load_backstop(LONG).sweep(false).store(spy.clone()).build();
        assert!(cache.ready(PATIENCE).await);
        Self { cache, spy }
    }

    fn spawn<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        tokio::spawn(with_cache(self.cache.clone(), call))
    }

    /// Waits until somebody has asked for so many leases.
    async fn until_asked(&self, leases: usize) {
        self.spy.until_ended(OperationKind::AcquireLease, leases).await;
    }

    /// From here on it can neither keep a lease nor give it back: as if it had been killed.
    fn lose_leases(&self) {
        for kind in [OperationKind::ExtendLease, OperationKind::DropLease] {
            self.spy.fail_next(kind, usize::MAX, StoreErrorKind::Other);
        }
    }
}

async fn two(server: &RedisServer) -> [Process; 2] {
    [Process::on(server).await, Process::on(server).await]
}

fn assert_no_leases(server: &RedisServer) {
    assert_eq!(keys(server, "cachelease:*"), Vec::<String>::new());
}

#[tokio::test]
async fn a_process_loads_what_no_other_one_loads_and_waits_for_the_rest() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let first = table.call(&one, &[1, 2, 3]);
    table.until_made(1).await;
    let second = table.call(&other, &[4, 3, 2, 5]);
    assert_eq!(table.until_made(2).await, [vec![1, 2, 3], vec![4, 5]]);
    table.let_pass(1);
    // What it has loaded is stored, although it waits yet, and nobody else waits for it.
    until("two are stored", async || other.cache.stats().fills == 2).await;
    until("their leases are given back", async || {
        keys(&server, "cachelease:*").len() == 3
    })
    .await;
    assert!(!second.is_finished());
    table.let_pass(0);
    assert_eq!(first.await.unwrap(), Ok(versions(&[1, 2, 3], 0)));
    assert_eq!(second.await.unwrap(), Ok(versions(&[2, 3, 4, 5], 0)));
    assert_eq!((one.cache.stats().fills, other.cache.stats().fills), (3, 2));
    assert_eq!(other.cache.stats().shared_loads, 2);
    assert_no_leases(&server);
}

#[tokio::test]
async fn calls_of_two_processes_that_wait_for_one_another_all_return() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let calls: [(&Process, &[u32]); 4] = [
        (&one, &[1]),
        (&other, &[2]),
        (&one, &[3, 1, 2]),
        (&other, &[2, 4, 3, 1]),
    ];
    let mut under_way = Vec::new();
    for (begun, (process, ids)) in calls.iter().enumerate() {
        under_way.push(table.call(process, ids));
        table.until_made(begun + 1).await;
    }
    assert_eq!(table.until_made(4).await, [[1], [2], [3], [4]]);
    for query in [3, 2, 1, 0] {
        table.let_pass(query);
    }
    for (call, (_, ids)) in under_way.into_iter().zip(calls) {
        assert_eq!(call.await.unwrap(), Ok(versions(ids, 0)));
    }
    assert_eq!(table.made(), 4);
    assert_no_leases(&server);
}

/// A call that waits for a lease leads the flight of its id, and does not keep that while it loads other ids.
#[tokio::test]
async fn nobody_waits_for_a_body_of_other_ids() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let elsewhere = table.call(&other, &[2]);
    table.until_made(1).await;
    let slow = table.call(&one, &[1, 2]);
    assert_eq!(table.until_made(2).await[1], [1]);
    let waiting = table.call(&one, &[2]);
    one.until_asked(3).await;
    table.let_pass(0);
    assert_eq!(elsewhere.await.unwrap(), Ok(versions(&[2], 0)));
    assert_eq!(waiting.await.unwrap(), Ok(versions(&[2], 0)));
    assert!(!slow.is_finished());
    table.let_pass(1);
    assert_eq!(slow.await.unwrap(), Ok(versions(&[1, 2], 0)));
    assert_eq!(table.made(), 2);
}

#[tokio::test]
async fn in_each_process_one_call_asks_for_the_leases() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let loading = table.call(&one, &[1, 2]);
    table.until_made(1).await;
    let calls: Vec<_> = (0..20).map(|_| table.call(&other, &[2, 1])).collect();
    until("all have read", async || other.cache.stats().misses == 40).await;
    other.until_asked(6).await;
    let asked = other.spy.operations();
    let most_at_once = asked
        .iter()
        .filter(|operation| operation.kind == OperationKind::AcquireLease && operation.ended.is_none());
    assert!(most_at_once.count() <= 2);
    table.let_pass(0);
    loading.await.unwrap().unwrap();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(versions(&[1, 2], 0)));
    }
    assert_eq!(table.made(), 1);
}

#[tokio::test]
async fn who_waited_takes_over_all_that_is_missing_by_one_run_when_the_holder_gives_up() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let holder = table.call(&one, &[1, 2, 3]);
    table.until_made(1).await;
    let waiting = table.call(&other, &[3, 4, 2]);
    assert_eq!(table.until_made(2).await[1], [4]);
    table.let_pass(1);
    until("one is stored", async || other.cache.stats().fills == 1).await;
    holder.abort();
    let mut taken_over = table.until_made(3).await.split_off(2).concat();
    table.let_pass(2);
    while taken_over.len() < 2 {
        // Its leases are given back one by one.
        taken_over = table.until_made(4).await.split_off(2).concat();
        table.let_pass(3);
    }
    assert_eq!(waiting.await.unwrap(), Ok(versions(&[2, 3, 4], 0)));
    taken_over.sort_unstable();
    assert_eq!(taken_over, [2, 3]);
    until("all leases are given back", async || {
        keys(&server, "cachelease:*").is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_is_dropped_while_it_waits_keeps_no_lease_and_no_flight() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let holder = table.call(&one, &[1]);
    table.until_made(1).await;
    let dropped = table.call(&other, &[1]);
    other.until_asked(2).await;
    let behind = table.call(&other, &[1]);
    until("it has read", async || other.cache.stats().misses == 2).await;
    dropped.abort();
    table.let_pass(0);
    assert_eq!(behind.await.unwrap(), Ok(versions(&[1], 0)));
    holder.await.unwrap().unwrap();
    assert_eq!(table.made(), 1);
    assert_no_leases(&server);
}

#[tokio::test]
async fn who_waited_takes_over_when_the_leases_of_a_holder_that_stands_still_have_run_out() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    one.lose_leases();
    let table = Table::default();
    let holder = table.call(&one, &[1, 2]);
    table.until_made(1).await;
    let waiting = table.call(&other, &[2, 1]);
    let passing = async {
        for query in 1.. {
            table.until_made(query + 1).await;
            table.let_pass(query);
        }
    };
    tokio::select! {
        () = passing => {}
        waited = waiting => assert_eq!(waited.unwrap(), Ok(versions(&[1, 2], 0))),
    }
    holder.abort();
}

#[tokio::test]
async fn leases_are_extended_for_as_long_as_the_body_runs() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let holder = table.call(&one, &[1, 2, 3]);
    table.until_made(1).await;
    let waiting = table.call(&other, &[3, 1, 2]);
    // Five times each: more than the second that they last.
    one.spy.until_ended(OperationKind::ExtendLease, 15).await;
    assert_eq!(table.made(), 1);
    table.let_pass(0);
    assert_eq!(holder.await.unwrap(), waiting.await.unwrap());
    assert_eq!(table.made(), 1);
}

#[tokio::test]
async fn nobody_waits_for_loads_that_an_invalidation_has_overtaken() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let overtaken = table.call(&one, &[1, 2]);
    table.until_made(1).await;
    let waited_before = table.call(&other, &[2, 1]);
    other.until_asked(2).await;
    with_cache(other.cache.clone(), table.change()).await;
    // It begins anew, under the stamps of now.
    let later = table.call(&other, &[1, 2]);
    table.until_made(2).await;
    table.let_pass(1);
    assert_eq!(later.await.unwrap(), Ok(versions(&[1, 2], 1)));
    assert_eq!(waited_before.await.unwrap(), Ok(versions(&[1, 2], 1)));
    assert_eq!(table.made(), 2);
    let now = table.call(&one, &[1, 2]).await.unwrap();
    assert_eq!(now, Ok(versions(&[1, 2], 1)));
    assert_eq!(table.made(), 2);
    // It ends last, and its fill would replace what was loaded after it.
    table.let_pass(0);
    assert_eq!(overtaken.await.unwrap(), Ok(versions(&[1, 2], 0)));
    assert_no_leases(&server);
}

#[tokio::test]
async fn after_a_body_that_failed_the_next_process_tries() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    table.0.fails.store(true, Ordering::SeqCst);
    let failing = table.call(&one, &[1, 2]);
    table.until_made(1).await;
    let waiting = table.call(&other, &[2, 1]);
    other.until_asked(2).await;
    table.let_pass(0);
    assert_eq!(failing.await.unwrap(), Err(Failure::Gone));
    table.0.fails.store(false, Ordering::SeqCst);
    assert_eq!(table.until_made(2).await[1], [2, 1]);
    table.let_pass(1);
    assert_eq!(waiting.await.unwrap(), Ok(versions(&[1, 2], 0)));
}

#[tokio::test]
async fn that_an_id_has_no_value_is_found_out_once() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let find = |process: &Process| {
        let table = table.clone();
        process.spawn(async move { table.find(&[1, 1_001]).await })
    };
    let first = find(&one);
    table.until_made(1).await;
    let second = find(&other);
    other.until_asked(2).await;
    table.let_pass(0);
    assert_eq!(first.await.unwrap(), Ok(versions(&[1], 0)));
    assert_eq!(second.await.unwrap(), Ok(versions(&[1], 0)));
    assert_eq!(table.made(), 1);
}

#[tokio::test]
async fn a_call_waits_for_another_process_no_longer_than_its_load_may_take() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let holder = table.call(&one, &[1, 2]);
    table.until_made(1).await;
    let late = {
        let table = table.clone();
        other.spawn(async move { table.bounded(&[2, 1]).await })
    };
    assert_eq!(late.await.unwrap(), Err(Failure::Late));
    assert_eq!((table.made(), other.cache.stats().timed_out_loads), (1, 1));
    table.let_pass(0);
    holder.await.unwrap().unwrap();
}

#[tokio::test]
async fn old_values_are_returned_while_another_process_replaces_them() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let revalidated = |process: &Process| {
        let table = table.clone();
        process.spawn(async move { observe(table.revalidated(vec![1, 2])).await })
    };
    let first = revalidated(&one);
    table.until_made(1).await;
    table.let_pass(0);
    first.await.unwrap().0.unwrap();
    table.0.version.fetch_add(1, Ordering::SeqCst);
    let stale = async |process: &Process| {
        let (rows, outcomes) = revalidated(process).await.unwrap();
        assert_eq!(rows, Ok(versions(&[1, 2], 0)));
        outcomes.iter().all(|call| call.outcome == StaleHit)
    };
    until("the values are old", async || stale(&one).await).await;
    assert_eq!(table.until_made(2).await[1], [1, 2]);
    // Its own refresh waits, and no caller does.
    assert!(stale(&other).await);
    other.until_asked(2).await;
    table.let_pass(1);
    until("the new values are there", async || {
        revalidated(&other).await.unwrap().0 == Ok(versions(&[1, 2], 1))
    })
    .await;
    for process in [one, other] {
        process.cache.close().await;
    }
}

#[tokio::test]
async fn after_the_soft_timeout_old_values_are_returned_although_another_process_loads() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let lasting = |process: &Process| {
        let table = table.clone();
        process.spawn(async move { observe(table.lasting(vec![1, 2])).await })
    };
    let first = lasting(&one);
    table.until_made(1).await;
    table.let_pass(0);
    first.await.unwrap().0.unwrap();
    until("their time is over", async || {
        let (_, outcomes) = lasting(&one).await.unwrap();
        outcomes.iter().all(|call| call.outcome == StaleHit)
    })
    .await;
    let made = table.until_made(2).await.len();
    let (rows, outcomes) = lasting(&other).await.unwrap();
    assert_eq!(rows, Ok(versions(&[1, 2], 0)));
    assert!(outcomes.iter().all(|call| call.outcome == StaleHit), "{outcomes:?}");
    assert_eq!(table.made(), made, "the other process loads");
    for query in 1..made {
        table.let_pass(query);
    }
    for process in [one, other] {
        process.cache.close().await;
    }
}

#[tokio::test]
async fn a_call_that_waits_for_its_turn_has_no_lease() {
    let server = RedisServer::start().unwrap();
    let [one, other] = two(&server).await;
    let table = Table::default();
    let call = |process: &Process, ids: [u32; 2]| {
        let table = table.clone();
        process.spawn(async move { table.one_at_once(&ids).await })
    };
    let first = call(&one, [1, 2]);
    table.until_made(1).await;
    let queued = call(&one, [3, 4]);
    until("it is queued", async || one.cache.stats().queued_loads == 1).await;
    let elsewhere = call(&other, [4, 3]);
    assert_eq!(table.until_made(2).await[1], [4, 3]);
    table.let_pass(0);
    table.let_pass(1);
    assert_eq!(first.await.unwrap(), Ok(versions(&[1, 2], 0)));
    assert_eq!(elsewhere.await.unwrap(), Ok(versions(&[3, 4], 0)));
    assert_eq!(queued.await.unwrap(), Ok(versions(&[3, 4], 0)));
    assert_eq!(table.made(), 2);
}

#[tokio::test]
async fn without_a_store_that_keeps_leases_every_process_loads() {
    let spy = spy();
    spy.fail_next(OperationKind::AcquireLease, usize::MAX, StoreErrorKind::Unsupported);
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        let table = Table::default();
        let beside = Cache::builder().store(spy).build();
        let first = tokio::spawn(with_cache(cache.clone(), {
            let table = table.clone();
            async move { table.rows(&[1, 2]).await }
        }));
        table.until_made(1).await;
        let second = tokio::spawn(with_cache(beside, {
            let table = table.clone();
            async move { table.rows(&[1, 2]).await }
        }));
        table.until_made(2).await;
        table.let_pass(0);
        table.let_pass(1);
        assert_eq!(first.await.unwrap(), Ok(versions(&[1, 2], 0)));
        assert_eq!(second.await.unwrap(), Ok(versions(&[1, 2], 0)));
        expect_outcomes(&[cache_runtime::Outcome::Hit; 2], table.rows(&[1, 2]))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn when_redis_stands_still_in_the_middle_everybody_loads_for_itself() {
    let server = RedisServer::start().unwrap();
    // Longer than a busy machine takes for an answer.
    let builder = || Cache::builder().read_timeout(Duration::from_secs(1));
    let caches = [reaching(&server, builder()).await, reaching(&server, builder()).await];
    let [one, other] = caches.clone().map(|cache| Process { cache, spy: spy() });
    let table = Table::default();
    let holder = table.call(&one, &[1, 2]);
    table.until_made(1).await;
    let waiting = table.call(&other, &[2, 3, 1]);
    table.until_made(2).await;
    server.pause();
    table.let_pass(1);
    // It is about to wait for the others, and the one that has their leases cannot store anything.
    let passing = async {
        for query in 2.. {
            table.until_made(query + 1).await;
            table.let_pass(query);
        }
    };
    tokio::select! {
        () = passing => {}
        waited = waiting => assert_eq!(waited.unwrap(), Ok(versions(&[1, 2, 3], 0))),
    }
    table.let_pass(0);
    assert_eq!(holder.await.unwrap(), Ok(versions(&[1, 2], 0)));
    server.resume();
    for cache in &caches {
        recovered(cache).await;
    }
    let made = table.made();
    let again = table.call(&one, &[5, 6]);
    assert_eq!(table.until_made(made + 1).await[made], [5, 6]);
    table.let_pass(made);
    assert_eq!(again.await.unwrap(), Ok(versions(&[5, 6], 0)));
}

/// The other process. It says when it loads, and never ends by itself.
#[test]
#[ignore = "run by the test below, as a process of its own"]
fn the_process_that_is_killed() {
    let url = std::env::var("VICTIM_REDIS").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let cache = patient().redis(RedisConfig::new(&url).unwrap()).build();
        assert!(cache.ready(PATIENCE).await);
        let table = Table::default();
        let saying = async {
            table.until_made(1).await;
            println!("\nloading");
            std::future::pending::<()>().await;
        };
        let loading = with_cache(cache, table.rows(&[1, 2, 3]));
        let ((), rows) = tokio::join!(saying, loading);
        rows.unwrap();
    });
}

struct Victim(Child);

impl Victim {
    fn loading(server: &RedisServer) -> Self {
        let mut child = process_of("bulk_leases::the_process_that_is_killed")
            .env("VICTIM_REDIS", server.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("this program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        assert!(
            lines.any(|line| line.expect("text") == "loading"),
            "it ended before it loaded"
        );
        Self(child)
    }
}

impl Drop for Victim {
    /// SIGKILL, on Unix.
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

#[tokio::test]
async fn the_ids_of_a_process_that_was_killed_are_loaded_by_one_of_those_who_wait() {
    let server = RedisServer::start().unwrap();
    let victim = Victim::loading(&server);
    let [one, other] = two(&server).await;
    let table = Table::default();
    let calls = [table.call(&one, &[3, 2]), table.call(&other, &[1, 2])];
    one.until_asked(2).await;
    other.until_asked(2).await;
    assert_eq!(table.made(), 0, "it lives");
    drop(victim);
    // Leases that run out do so one after the other, so there may be a body for each.
    let passing = async {
        for query in 0.. {
            table.until_made(query + 1).await;
            table.let_pass(query);
        }
    };
    let [first, second] = calls;
    tokio::select! {
        () = passing => {}
        (first, second) = async { tokio::join!(first, second) } => {
            assert_eq!(first.unwrap(), Ok(versions(&[2, 3], 0)));
            assert_eq!(second.unwrap(), Ok(versions(&[1, 2], 0)));
        }
    }
    let mut loaded = table.until_made(1).await.concat();
    loaded.sort_unstable();
    assert_eq!(loaded, [1, 2, 3], "each by one of them");
}

/// Loads that take their time, and counts how often each id was loaded.
#[derive(Debug, Clone, Default)]
struct Restless(Arc<Mutex<HashMap<u32, u32>>>);

impl Restless {
    #[cached(resource = "rows", each = ids, lease = "30s")]
    async fn rows(&self, ids: Vec<u32>) -> HashMap<u32, u32> {
        self.load(&ids).await
    }

    /// A fifth of the loads fail, or panic.
    #[cached(resource = "rows", each = ids, lease = "30s")]
    async fn unlucky_rows(&self, ids: Vec<u32>) -> Result<HashMap<u32, u32>, &'static str> {
        let rows = self.load(&ids).await;
        match fastrand::u8(0..10) {
            0 => Err("no luck"),
            1 => panic!("by order of the test"),
            _ => Ok(rows),
        }
    }

    async fn load(&self, ids: &[u32]) -> HashMap<u32, u32> {
        for id in ids {
            *self.0.lock().expect("no panic holds it").entry(*id).or_default() += 1;
        }
        for _ in 0..fastrand::u8(0..6) {
            tokio::task::yield_now().await;
        }
        doubled(ids)
    }
}

fn doubled(ids: &[u32]) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, id * 2)).collect()
}

/// Some of twenty ids in any order, perhaps some of them twice.
fn any_ids() -> Vec<u32> {
    (0..fastrand::usize(1..12)).map(|_| fastrand::u32(0..20)).collect()
}

/// On one thread: of several one may stand still for so long, on a busy machine, that the load that it is to poll is taken for stalled.
#[tokio::test]
async fn overlapping_calls_in_any_order_in_three_processes_all_return_and_no_id_is_loaded_twice() {
    let server = RedisServer::start().unwrap();
    let [one, two] = two(&server).await;
    let processes = [one, two, Process::on(&server).await];
    for _ in 0..20 {
        processes[0].cache.invalidate("rows").await.unwrap();
        let restless = Restless::default();
        let mut calls = JoinSet::new();
        for n in 0..24 {
            let (restless, ids) = (restless.clone(), any_ids());
            calls.spawn(with_cache(processes[n % 3].cache.clone(), async move {
                assert_eq!(restless.rows(ids.clone()).await, doubled(&ids));
            }));
        }
        timeout(PATIENCE, calls.join_all())
            .await
            .expect("no call waits for ever");
        let loads = restless.0.lock().expect("no panic holds it");
        assert!(loads.values().all(|loads| *loads == 1), "{loads:?}");
        assert_no_leases(&server);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_calls_of_two_processes_that_fail_panic_and_are_dropped_leave_nobody_waiting() {
    let server = RedisServer::start().unwrap();
    let processes = two(&server).await;
    for _ in 0..20 {
        processes[0].cache.invalidate("rows").await.unwrap();
        let restless = Restless::default();
        let mut calls = JoinSet::new();
        for n in 0..24 {
            let (restless, ids) = (restless.clone(), any_ids());
            // Every fifth is dropped, wherever it is by then.
            let patience = match fastrand::u8(0..5) {
                0 => Duration::from_micros(fastrand::u64(0..20_000)),
                _ => PATIENCE,
            };
            calls.spawn(with_cache(processes[n % 2].cache.clone(), async move {
                let called = timeout(patience, restless.unlucky_rows(ids.clone())).await;
                if let Ok(Ok(rows)) = &called {
                    assert_eq!(*rows, doubled(&ids));
                }
                called.is_ok() || patience < PATIENCE
            }));
        }
        while let Some(call) = calls.join_next().await {
            assert!(call.unwrap_or(true), "a call has waited for {PATIENCE:?}");
        }
        until("all leases are given back", async || {
            keys(&server, "cachelease:*").is_empty()
        })
        .await;
    }
}

/// Two caches on one store in memory: as of two processes, on a clock that stands still.
fn two_in_memory() -> [Cache; 2] {
    let spy = spy();
    [(); 2].map(|()| {
        Cache::builder()
            .store(spy.clone())
            .read_timeout(LONG)
            .load_backstop(LONG)
            .build()
    })
}

#[tokio::test(start_paused = true)]
async fn the_leases_of_a_call_that_nobody_polls_are_those_of_the_next_one() {
    let [one, other] = two_in_memory();
    let table = Table::default();
    let mut stalled = with_cache(one, table.bodies_end(&[1, 2])).boxed();
    assert!(timeout(Duration::from_millis(10), stalled.as_mut()).await.is_err());
    isolated_in(other, async |cache| {
        let began = Instant::now();
        assert_eq!(table.bodies_end(&[2, 1]).await, versions(&[1, 2], 0));
        assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
        assert_eq!(cache.stats().loads, 1);
    })
    .await;
    drop(stalled);
}

impl Table {
    #[cached(resource = "rows", each = ids, lease = "30s")]
    async fn bodies_end(&self, ids: &[u32]) -> HashMap<u32, u64> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        versions(ids, 0)
    }
}

/// A body that needs other rows through the same cache.
#[cached(resource = "rows", each = ids, lease = "30s", cache = cache, skip(cache), independent(others))]
async fn with_others(ids: &[u32], cache: &Cache, others: &[u32]) -> HashMap<u32, usize> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    let found = match others {
        [] => 0,
        others => Box::pin(with_others(others, cache, &[])).await.len(),
    };
    ids.iter().map(|id| (*id, found)).collect()
}

#[tokio::test(start_paused = true)]
async fn bodies_that_have_the_leases_that_the_other_one_needs_go_on() {
    let [one, other] = two_in_memory();
    let calls = async {
        tokio::join!(
            with_others(&[1, 2], &one, &[3, 4]),
            with_others(&[3, 4], &other, &[2, 1])
        )
    };
    let began = Instant::now();
    let (left, right) = timeout(LONG / 2, calls).await.expect("no call waits for the backstop");
    assert_eq!(left, HashMap::from([(1, 2), (2, 2)]));
    assert_eq!(right, HashMap::from([(3, 2), (4, 2)]));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
