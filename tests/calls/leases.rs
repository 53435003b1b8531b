//! `lease`: one load of a cold key in all processes.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    cached, invalidates,
    store::{RedisStore, StoreErrorKind},
    with_cache,
};
use cache_testkit::{
    Gate, LoadCounter, OperationKind, PATIENCE, RedisServer, SpyStore, assert_loads, expect_outcomes, isolated_in,
    patient, reaching, until,
};
use support::{at, spy};
use tokio::task::JoinHandle;

#[derive(Debug, Clone)]
struct Office {
    figure: Arc<AtomicI64>,
    loads: LoadCounter,
    answer: Gate,
}

impl Office {
    fn new() -> Self {
        Self {
            figure: Arc::default(),
            loads: LoadCounter::new(),
            answer: Gate::closed(),
        }
    }

    #[cached(resource = "leased", lease = "1s")]
    async fn report(&self, month: u32) -> Result<i64, String> {
        let _ = month;
        let figure = self.figure.load(Ordering::SeqCst);
        self.loads.record();
        self.answer.pass().await;
        if figure < 0 {
            Err("no figure".to_owned())
        } else {
            Ok(figure)
        }
    }

    #[invalidates("leased")]
    async fn book(&self, amount: i64) {
        self.figure.fetch_add(amount, Ordering::SeqCst);
    }
}

async fn process(server: &RedisServer) -> Cache {
    reaching(server, patient()).await
}

fn read_in(cache: &Cache, office: &Office) -> JoinHandle<Result<i64, String>> {
    let office = office.clone();
    tokio::spawn(with_cache(cache.clone(), async move { office.report(1).await }))
}

/// Waits until a cache has counted a miss more than before.
async fn until_missed(cache: &Cache, before: u64) {
    until("a call has read", async || cache.stats().misses > before).await;
}

#[tokio::test]
async fn of_many_callers_in_several_processes_one_loads() {
    let server = RedisServer::start().unwrap();
    let caches = [
        process(&server).await,
        process(&server).await,
        process(&server).await,
        process(&server).await,
    ];
    let office = Office::new();
    let calls: Vec<_> = (0..200).map(|n| read_in(&caches[n % caches.len()], &office)).collect();
    for cache in &caches {
        until_missed(cache, 49).await;
    }
    office.answer.open();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(0));
    }
    assert_loads(&office.loads, 1);
    let keys: Vec<String> = server.command(["KEYS", "cachelease:*"]).unwrap();
    assert_eq!(keys, Vec::<String>::new(), "the lease was given back");
}

#[tokio::test]
async fn whoever_waits_takes_over_when_the_holder_gives_up() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (process(&server).await, process(&server).await);
    let office = Office::new();
    let holder = read_in(&one, &office);
    office.loads.until(1).await;
    let waiting = read_in(&other, &office);
    until_missed(&other, 0).await;
    holder.abort();
    office.loads.until(2).await;
    office.answer.open();
    assert_eq!(waiting.await.unwrap(), Ok(0));
}

/// The holder can neither extend its lease nor give it back: as if it had been killed.
#[tokio::test]
async fn whoever_waits_takes_over_when_the_holder_has_died() {
    let server = RedisServer::start().unwrap();
    let spy = SpyStore::new(RedisStore::new(at(&server)));
    let (dying, other) = (patient().store(spy.clone()).build(), process(&server).await);
    assert!(dying.ready(PATIENCE).await);
    for kind in [OperationKind::ExtendLease, OperationKind::DropLease] {
        spy.fail_next(kind, usize::MAX, StoreErrorKind::Other);
    }
    let office = Office::new();
    let holder = read_in(&dying, &office);
    office.loads.until(1).await;
    let waiting = read_in(&other, &office);
    office.loads.until(2).await;
    office.answer.open();
    assert_eq!(waiting.await.unwrap(), Ok(0));
    holder.abort();
}

#[tokio::test]
async fn a_lease_is_extended_for_as_long_as_the_load_runs() {
    let server = RedisServer::start().unwrap();
    let spy = SpyStore::new(RedisStore::new(at(&server)));
    let (one, other) = (patient().store(spy.clone()).build(), process(&server).await);
    assert!(one.ready(PATIENCE).await);
    let office = Office::new();
    let holder = read_in(&one, &office);
    office.loads.until(1).await;
    let waiting = read_in(&other, &office);
    // More than the lease of one second.
    spy.until_ended(OperationKind::ExtendLease, 5).await;
    assert_loads(&office.loads, 1);
    office.answer.open();
    assert_eq!((holder.await.unwrap(), waiting.await.unwrap()), (Ok(0), Ok(0)));
    assert_loads(&office.loads, 1);
}

#[tokio::test]
async fn nobody_waits_for_a_load_that_an_invalidation_has_overtaken() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (process(&server).await, process(&server).await);
    let office = Office::new();
    // The overtaken load ends last: its fill would replace the one that is wanted.
    let slow = Office {
        answer: Gate::closed(),
        ..office.clone()
    };
    let overtaken = read_in(&one, &slow);
    office.loads.until(1).await;
    let waited_before = read_in(&other, &office);
    until_missed(&other, 0).await;
    with_cache(other.clone(), office.book(10)).await;
    let later = read_in(&other, &office);
    office.loads.until(2).await;
    office.answer.open();
    assert_eq!(later.await.unwrap(), Ok(10));
    assert_eq!(waited_before.await.unwrap(), Ok(10), "the new stamp sent it back");
    assert_loads(&office.loads, 2);
    assert_eq!(with_cache(one, expect_outcomes(&[Hit], office.report(1))).await, Ok(10));
    slow.answer.open();
    assert_eq!(overtaken.await.unwrap(), Ok(0));
}

#[tokio::test]
async fn after_a_load_that_failed_the_next_process_tries() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (process(&server).await, process(&server).await);
    let office = Office::new();
    office.figure.store(-1, Ordering::SeqCst);
    let failing = read_in(&one, &office);
    office.loads.until(1).await;
    let waiting = read_in(&other, &office);
    until_missed(&other, 0).await;
    office.figure.store(5, Ordering::SeqCst);
    office.answer.open();
    assert!(failing.await.unwrap().is_err());
    assert_eq!(waiting.await.unwrap(), Ok(5));
}

#[tokio::test]
async fn without_a_store_that_keeps_leases_everybody_loads() {
    let spy = spy();
    spy.fail_next(OperationKind::AcquireLease, usize::MAX, StoreErrorKind::Unavailable);
    isolated_in(Cache::builder().store(spy).build(), async |_| {
        let office = Office::new();
        office.answer.open();
        assert_eq!(expect_outcomes(&[Miss], office.report(1)).await, Ok(0));
        assert_eq!(expect_outcomes(&[Hit], office.report(1)).await, Ok(0));
    })
    .await;
}
