//! One load for concurrent callers of the same key, and what becomes of it when the leader does not land.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    cached, invalidates,
    store::{NoStore, StoreErrorKind},
    with_cache,
};
use cache_testkit::{
    Gate, LoadCounter, OperationKind, PATIENCE, assert_loads, expect_outcomes, isolated, isolated_in, until,
};
use futures_util::future::join_all;
use serde::{Deserialize, Deserializer, Serialize};
use support::{spy, two_caches};
use tokio::task::JoinSet;

/// A function whose loads stand at a gate, and all but the first at a second one, which is open unless a test closes it.
#[derive(Debug, Clone)]
struct Slow {
    loads: LoadCounter,
    gate: Gate,
    again: Gate,
    fails: Arc<AtomicBool>,
}

impl Slow {
    fn new() -> Self {
        let again = Gate::closed();
        again.open();
        Self {
            loads: LoadCounter::new(),
            gate: Gate::closed(),
            again,
            fails: Arc::default(),
        }
    }

    #[cached(resource = "slow")]
    async fn load(&self, id: u32) -> Result<u64, String> {
        let load = self.loads.record();
        self.gate.pass().await;
        if load > 1 {
            self.again.pass().await;
        }
        if self.fails.load(Ordering::Relaxed) {
            Err(format!("load {load} failed"))
        } else {
            Ok(load)
        }
    }

    #[cached(resource = "slow")]
    async fn find(&self, id: u32) -> Option<u64> {
        self.loads.record();
        self.gate.pass().await;
        None
    }

    #[cached(resource = "slow")]
    async fn panics_first(&self, id: u32) -> u64 {
        let load = self.loads.record();
        self.gate.pass().await;
        assert!(load > 1, "by order of the test");
        load
    }

    #[invalidates("slow")]
    async fn change(&self) {}

    #[cached(resource = "balance", scope(account))]
    async fn balance(&self, account: u32) -> u64 {
        let load = self.loads.record();
        self.gate.pass().await;
        load
    }

    #[invalidates("balance"(account in accounts))]
    async fn transfer(&self, accounts: &[u32]) {}

    /// So many concurrent callers of one key, all of them under way.
    async fn callers(&self, cache: &Cache, count: usize) -> JoinSet<Result<u64, String>> {
        let mut callers = JoinSet::new();
        for _ in 0..count {
            let slow = self.clone();
            callers.spawn(with_cache(cache.clone(), async move { slow.load(1).await }));
        }
        self.gate.until_waiting(1).await;
        until_all_have_read(cache, count as u64).await;
        callers
    }
}

/// A caller counts its outcome when it has read, right before it joins or starts the flight.
async fn until_all_have_read(cache: &Cache, count: u64) {
    until("so many calls have read", async || {
        cache.stats().misses + cache.stats().bypasses >= count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_callers_of_a_cold_key_share_one_load() {
    isolated(async |cache| {
        let slow = Slow::new();
        let callers = slow.callers(&cache, 10_000).await;
        slow.gate.open();
        assert_eq!(callers.join_all().await, vec![Ok(1); 10_000]);
        assert_loads(&slow.loads, 1);
        assert_eq!(cache.stats().loads, 1);
        assert_eq!(cache.stats().shared_loads, 9_999);
    })
    .await;
}

/// It has seen no entry, and finds no flight any more.
#[tokio::test]
async fn a_caller_whose_read_came_before_a_fill_and_whose_turn_comes_after_it_does_not_load_again() {
    let spy = spy();
    let cache = Cache::builder().store(spy.clone()).read_timeout(3 * PATIENCE).build();
    let slow = Slow::new();
    slow.gate.open();
    let load = |id| {
        let slow = slow.clone();
        with_cache(cache.clone(), async move { slow.load(id).await })
    };
    // Another entry, so that the stamps are there and the same for all.
    assert_eq!(load(0).await, Ok(1));
    let answer = spy.hold_answer(OperationKind::Read);
    let late = tokio::spawn(load(1));
    answer.until_waiting(1).await;
    spy.hold_answer(OperationKind::Read).open();
    assert_eq!(load(1).await, Ok(2));
    answer.open();
    assert_eq!(late.await.unwrap(), Ok(2));
    assert_loads(&slow.loads, 2);
    assert_eq!(cache.stats().shared_loads, 1);
}

#[tokio::test]
async fn waiters_of_an_option_are_given_its_none() {
    isolated(async |cache| {
        let slow = Slow::new();
        let mut callers = JoinSet::new();
        for _ in 0..5 {
            let slow = slow.clone();
            callers.spawn(with_cache(cache.clone(), async move { slow.find(1).await }));
        }
        until_all_have_read(&cache, 5).await;
        slow.gate.open();
        assert_eq!(callers.join_all().await, vec![None; 5]);
        assert_loads(&slow.loads, 1);
    })
    .await;
}

/// A value that counts how often it is decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    #[serde(deserialize_with = "counted")]
    total: u64,
    #[serde(skip)]
    draft: Option<u64>,
}

/// The same, and there may be only one of it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unique(Report);

thread_local! {
    static DECODED: Cell<u64> = const { Cell::new(0) };
}

fn counted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    DECODED.set(DECODED.get() + 1);
    u64::deserialize(deserializer)
}

#[cached(resource = "slow", skip(gate), near = "tracked")]
async fn report(gate: &Gate) -> Result<Report, String> {
    report_of_its_own(gate).await
}

#[cached(resource = "slow", skip(gate))]
async fn unique(gate: &Gate) -> Result<Unique, String> {
    report_of_its_own(gate).await.map(Unique)
}

async fn report_of_its_own(gate: &Gate) -> Result<Report, String> {
    gate.pass().await;
    Ok(Report {
        total: 1,
        draft: Some(2),
    })
}

/// What ten concurrent calls return, the one that loads first, and how often the waiters decode.
async fn ten_at_once<T: Send + 'static, F: Future<Output = Result<T, String>> + Send + 'static>(
    cache: &Cache,
    call: impl Fn(Gate) -> F,
) -> (Vec<T>, u64) {
    let gate = Gate::closed();
    let calls: Vec<_> = (0..10)
        .map(|_| tokio::spawn(with_cache(cache.clone(), call(gate.clone()))))
        .collect();
    until_all_have_read(cache, 10).await;
    // The shape of the type has been looked at by now, which decodes, too.
    DECODED.set(0);
    gate.open();
    let mut returned = Vec::new();
    for call in calls {
        let loaded = call.await.expect("a call ends");
        returned.push(loaded.expect("the load succeeds"));
    }
    assert_eq!(cache.stats().shared_loads, 9);
    (returned, DECODED.get())
}

#[tokio::test]
async fn waiters_of_a_function_with_a_near_cache_decode_nothing() {
    isolated(async |cache| {
        let (reports, decoded) = ten_at_once(&cache, |gate| async move { report(&gate).await }).await;
        assert!(reports.iter().all(|report| report.total == 1), "{reports:?}");
        // By the one that loads, to see that it comes back.
        assert_eq!(decoded, 1);
    })
    .await;
}

#[tokio::test]
async fn waiters_of_a_function_without_one_decode_each() {
    isolated(async |cache| {
        let (_, decoded) = ten_at_once(&cache, |gate| async move { unique(&gate).await }).await;
        assert_eq!(decoded, 9 + 1);
    })
    .await;
}

#[tokio::test]
async fn waiters_are_given_what_a_hit_gives_with_or_without_fields_that_serde_skips() {
    isolated(async |cache| {
        let (reports, _) = ten_at_once(&cache, |gate| async move { report(&gate).await }).await;
        let near_hit = report(&Gate::closed()).await.unwrap();
        assert!(reports.iter().all(|waited| *waited == near_hit), "{reports:?}");
        assert_eq!(near_hit.draft, Some(2));
    })
    .await;
    isolated(async |cache| {
        let (reports, _) = ten_at_once(&cache, |gate| async move { unique(&gate).await }).await;
        let hit = unique(&Gate::closed()).await.unwrap();
        assert_eq!((&reports[0].0.draft, hit.0.draft), (&Some(2), None));
        assert!(reports[1..].iter().all(|waited| *waited == hit), "{reports:?}");
    })
    .await;
}

/// Ten thousand of them wait for one load.
#[test]
fn a_call_takes_less_than_two_kilobytes() {
    let gate = Gate::closed();
    let (call, body) = (size_of_val(&report(&gate)), size_of_val(&report_of_its_own(&gate)));
    assert!(call - body < 2048, "{call} bytes, {body} of them the body's");
}

#[tokio::test]
async fn when_the_leader_is_cancelled_one_waiter_takes_over() {
    isolated(async |cache| {
        let slow = Slow::new();
        let leader = tokio::spawn(with_cache(cache.clone(), {
            let slow = slow.clone();
            async move { slow.load(1).await }
        }));
        slow.loads.until(1).await;
        let waiters = slow.callers(&cache, 3).await;
        until_all_have_read(&cache, 4).await;
        leader.abort();
        slow.loads.until(2).await;
        slow.gate.open();
        assert_eq!(waiters.join_all().await, vec![Ok(2); 3]);
        assert_loads(&slow.loads, 2);
    })
    .await;
}

#[tokio::test]
async fn when_the_leader_panics_its_own_caller_alone_sees_the_panic() {
    isolated(async |cache| {
        let slow = Slow::new();
        let caller = || {
            let slow = slow.clone();
            with_cache(cache.clone(), async move { slow.panics_first(1).await })
        };
        let leader = tokio::spawn(caller());
        slow.loads.until(1).await;
        let waiter = tokio::spawn(caller());
        until_all_have_read(&cache, 2).await;
        slow.gate.open();
        assert!(leader.await.unwrap_err().is_panic());
        assert_eq!(waiter.await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn when_the_load_fails_waiters_load_side_by_side_and_return_their_own_errors() {
    isolated(async |cache| {
        let slow = Slow::new();
        slow.fails.store(true, Ordering::Relaxed);
        slow.again.close();
        let callers = slow.callers(&cache, 5).await;
        slow.gate.open();
        // All four waiters are inside their own load at the same time: they are not queued behind one another.
        slow.again.until_waiting(4).await;
        slow.again.open();
        let mut errors: Vec<String> = callers.join_all().await.into_iter().map(Result::unwrap_err).collect();
        errors.sort();
        let expected: Vec<String> = (1..=5).map(|load| format!("load {load} failed")).collect();
        assert_eq!(errors, expected);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_started_after_an_invalidation_never_joins_a_load_that_started_before_it() {
    isolated(async |cache| {
        let slow = Slow::new();
        let mut before = slow.callers(&cache, 2).await;
        slow.change().await;
        let after = tokio::spawn(with_cache(cache.clone(), {
            let slow = slow.clone();
            async move { slow.load(1).await }
        }));
        slow.loads.until(2).await;
        slow.gate.open();
        assert_eq!(after.await.unwrap(), Ok(2));
        assert_eq!(before.join_next().await.unwrap().unwrap(), Ok(1));
        assert_eq!(
            expect_outcomes(&[Hit], slow.load(1)).await,
            Ok(2),
            "load 1 was overtaken and is not stored"
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_loaded_of_several_values_while_a_mutation_of_them_runs_is_given_to_nobody_after_it() {
    let [here, elsewhere] = two_caches(&spy());
    isolated_in(here, async |_| {
        let slow = Slow::new();
        let before = join_all((0..3).map(|account| slow.balance(account)));
        let after = async {
            slow.gate.until_waiting(3).await;
            with_cache(elsewhere, slow.transfer(&[1, 2])).await;
            let open = async {
                slow.gate.until_waiting(4).await;
                slow.gate.open();
            };
            // Before what is under way has landed.
            let (untouched, first, ()) = tokio::join!(slow.balance(0), slow.balance(1), open);
            (untouched, first)
        };
        let (before, (untouched, first)) = tokio::join!(before, after);
        assert_eq!(
            (untouched, first),
            (before[0], 4),
            "of the other account the load is shared"
        );
        // And after it.
        assert_eq!(expect_outcomes(&[Miss], slow.balance(2)).await, 5);
        assert_eq!(expect_outcomes(&[Hit], slow.balance(0)).await, before[0]);
    })
    .await;
}

/// Without stamps nobody may join a load that began before them: it may have been overtaken by an invalidation that this
/// process cannot see. They wait for it, so that the database is spared, and share the next one.
async fn a_hundred_callers_cause_two_loads(cache: Cache) {
    let slow = Slow::new();
    slow.again.close();
    let callers = slow.callers(&cache, 100).await;
    slow.gate.open();
    slow.again.until_waiting(1).await;
    // The others were woken together with the one that stands at the gate, and wait for it again.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    slow.again.open();
    let mut values: Vec<u64> = callers.join_all().await.into_iter().flatten().collect();
    values.sort_unstable();
    assert_eq!((values[0], &values[1..]), (1, &[2; 99][..]));
    assert_loads(&slow.loads, 2);
}

#[tokio::test]
async fn flights_protect_the_database_while_the_store_is_away() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        spy.fail_all(StoreErrorKind::Unavailable);
        a_hundred_callers_cause_two_loads(cache).await;
    })
    .await;
}

#[tokio::test]
async fn flights_protect_the_database_behind_a_store_that_keeps_nothing() {
    isolated_in(
        Cache::builder().store(NoStore).build(),
        a_hundred_callers_cause_two_loads,
    )
    .await;
}

#[tokio::test]
async fn an_invalidation_detaches_the_flights_of_a_store_that_is_away() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        spy.fail_all(StoreErrorKind::Unavailable);
        let slow = Slow::new();
        let before = slow.callers(&cache, 1).await;
        slow.change().await;
        let after = tokio::spawn(with_cache(cache.clone(), {
            let slow = slow.clone();
            async move { slow.load(1).await }
        }));
        slow.loads.until(2).await;
        slow.gate.open();
        assert_eq!(after.await.unwrap(), Ok(2));
        assert_eq!(before.join_all().await, [Ok(1)]);
    })
    .await;
}
