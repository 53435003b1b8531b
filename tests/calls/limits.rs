//! What is bounded: the size and depth of values, loads that run at once, calls that wait for one load, the journal.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, CacheBuilder, Invalidated,
    Outcome::{Bypass, Hit, Miss, Rejected},
    cached,
    store::StoreErrorKind,
    with_cache, with_tenant,
};
use cache_testkit::{
    Gate, LoadCounter, OperationKind, PATIENCE, RedisServer, assert_loads, expect_outcomes, isolated, isolated_in,
    isolated_on, reaching, until,
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};
use support::{entry, overwrite, spy, with_payload};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// Longer than anything here takes, on tokio's clock.
const LONG: Duration = Duration::from_mins(10);

#[cached(resource = "pages")]
async fn page(length: usize) -> String {
    "x".repeat(length)
}

#[cached(resource = "pages")]
async fn document() -> serde_json::Value {
    serde_json::json!({ "title": "fresh" })
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[cached(resource = "pages")]
async fn tree() -> Tree {
    Tree(vec![Tree(vec![])])
}

/// Serialises as so many zeros, and counts them.
#[derive(Deserialize)]
#[serde(from = "Vec<u8>")]
struct Zeros {
    count: usize,
    written: Arc<AtomicUsize>,
}

impl From<Vec<u8>> for Zeros {
    fn from(zeros: Vec<u8>) -> Self {
        Self {
            count: zeros.len(),
            written: Arc::default(),
        }
    }
}

impl Serialize for Zeros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.count))?;
        for _ in 0..self.count {
            list.serialize_element(&0)?;
            self.written.fetch_add(1, Ordering::Relaxed);
        }
        list.end()
    }
}

#[cached(resource = "pages", independent(written))]
async fn zeros(count: usize, written: &Arc<AtomicUsize>) -> Zeros {
    Zeros {
        count,
        written: Arc::clone(written),
    }
}

/// A function whose loads stand at a gate, and that knows how many there were at once and in which order.
#[derive(Debug, Clone)]
struct Reports {
    loads: LoadCounter,
    gate: Gate,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Reports {
    fn new() -> Self {
        Self {
            loads: LoadCounter::new(),
            gate: Gate::closed(),
            running: Arc::default(),
            most: Arc::default(),
        }
    }

    #[cached(resource = "pairs")]
    async fn report(&self, id: u32) -> u64 {
        self.load().await
    }

    #[cached(resource = "pages")]
    async fn unlimited(&self, id: u32) -> u64 {
        self.load().await
    }

    async fn load(&self) -> u64 {
        let load = self.loads.record();
        self.most
            .fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.gate.pass().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        load
    }

    fn call(&self, cache: &Cache, id: u32) -> impl Future<Output = u64> + use<> {
        let reports = self.clone();
        with_cache(cache.clone(), async move { reports.report(id).await })
    }

    fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Two loads that stand at their gate, as many as may run at once.
async fn two_reports(cache: &Cache) -> (Reports, JoinSet<u64>) {
    let (reports, mut running) = (Reports::new(), JoinSet::new());
    for id in 0..2 {
        running.spawn(reports.call(cache, id));
    }
    reports.gate.until_waiting(2).await;
    (reports, running)
}

async fn until_queued(cache: &Cache, count: u64) {
    until("so many loads wait for their turn", async || {
        cache.stats().queued_loads >= count
    })
    .await;
}

async fn until_missed(cache: &Cache, count: u64) {
    until("so many calls have read", async || {
        cache.stats().misses + cache.stats().bypasses >= count
    })
    .await;
}

fn with_byte(entry: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut bytes = entry.to_vec();
    bytes[at] = value;
    bytes
}

#[tokio::test]
async fn a_result_beyond_the_limit_is_returned_and_counted_and_not_stored() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let length = 17 << 20;
        assert_eq!(expect_outcomes(&[Miss], page(length)).await.len(), length);
        assert_eq!((cache.stats().fills, cache.stats().failed_fills), (0, 1));
        assert_eq!(
            server.command::<Vec<String>>(["KEYS", "cache:*"]).unwrap(),
            Vec::<String>::new()
        );
    })
    .await;
}

#[tokio::test]
async fn a_result_beyond_the_limit_is_encoded_no_further_than_that() {
    isolated_in(Cache::builder().max_value_size(1000).build(), async |cache| {
        let written = Arc::default();
        assert_eq!(zeros(100_000, &written).await.count, 100_000);
        assert_eq!(cache.stats().failed_fills, 1);
        assert!(
            written.load(Ordering::Relaxed) <= 1000,
            "a byte for each of {written:?}"
        );
        zeros(499, &written).await;
        expect_outcomes(&[Hit], zeros(499, &written)).await;
    })
    .await;
}

#[tokio::test]
async fn those_who_wait_for_a_result_beyond_the_limit_are_given_it() {
    isolated_in(Cache::builder().max_value_size(1).build(), async |cache| {
        let reports = Reports::new();
        let mut calls = JoinSet::new();
        // The number of the tenth load would be two bytes long.
        for _ in 0..10 {
            reports.loads.record();
        }
        for _ in 0..5 {
            calls.spawn(reports.call(&cache, 1));
        }
        until_missed(&cache, 5).await;
        reports.gate.open();
        assert_eq!(calls.join_all().await, [11; 5]);
        assert_eq!((cache.stats().loads, cache.stats().failed_fills), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn an_entry_beyond_the_limit_that_another_process_stored_is_refused() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| page(1000).await).await;
    let narrow = reaching(&server, Cache::builder().max_value_size(1000)).await;
    isolated_in(narrow, async |cache| {
        assert_eq!(expect_outcomes(&[Rejected], page(1000)).await.len(), 1000);
        assert_eq!((cache.stats().rejected, cache.stats().failed_fills), (1, 1));
    })
    .await;
    isolated_on(&server, async |_| expect_outcomes(&[Hit], page(1000)).await).await;
}

#[tokio::test]
async fn a_hundred_thousand_nested_lists_are_refused_and_replaced() {
    let server = RedisServer::start().unwrap();
    let depth = 100_000;
    let bomb = [vec![b'['; depth], vec![b']'; depth]].concat();
    isolated_on(&server, async |_| {
        document().await;
        let (key, stored) = entry(&server);
        overwrite(&server, &key, &with_payload(&stored, &bomb));
        assert_eq!(expect_outcomes(&[Rejected], document()).await["title"], "fresh");
        expect_outcomes(&[Hit], document()).await;
        server.command::<()>(["UNLINK", &key]).unwrap();

        tree().await;
        let (key, stored) = entry(&server);
        overwrite(&server, &key, &with_payload(&stored, &bomb));
        expect_outcomes(&[Rejected], tree()).await;
        expect_outcomes(&[Hit], tree()).await;
    })
    .await;
}

#[tokio::test]
async fn whatever_else_stands_under_an_entrys_key_is_refused_and_replaced() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        page(10).await;
        let (key, stored) = entry(&server);
        let compressed = [0x78, 0x9c, 0xed, 0xc1, 0x01, 0x01];
        let others = [
            ("nothing", vec![]),
            ("text", b"plain text".to_vec()),
            ("a pickle", b"\x80\x04\x95\x05".to_vec()),
            ("the magic alone", stored[..3].to_vec()),
            ("a header alone", stored[..56].to_vec()),
            ("a truncated payload", stored[..stored.len() - 1].to_vec()),
            ("a longer payload", [&stored[..], b"x"].concat()),
            ("a version to come", with_byte(&stored, 3, 2)),
            ("another codec", with_byte(&stored, 4, 7)),
            (
                "something compressed",
                with_byte(&with_payload(&stored, &compressed), 5, 1),
            ),
            ("a length of 3 GiB and more", with_byte(&stored, 31, 0xff)),
            ("255 stamps", with_byte(&stored, 6, 0xff)),
            ("another fingerprint", with_byte(&stored, 40, !stored[40])),
            ("another shape", with_byte(&stored, 50, !stored[50])),
            ("a payload of another type", with_payload(&stored, b"[1]")),
            ("a payload that ends early", with_payload(&stored, b"\"xx")),
        ];
        for (rejected, (what, bytes)) in (1..).zip(others) {
            overwrite(&server, &key, &bytes);
            assert_eq!(expect_outcomes(&[Rejected], page(10)).await, "x".repeat(10), "{what}");
            assert_eq!(cache.stats().rejected, rejected, "{what}");
            expect_outcomes(&[Hit], page(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_callers_of_a_cold_key_and_of_one_that_has_just_expired_share_one_load() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        for round in 1..=2 {
            let reports = Reports::new();
            let mut calls = JoinSet::new();
            for _ in 0..10_000 {
                calls.spawn(reports.call(&cache, 1));
            }
            until_missed(&cache, 10_000 * round).await;
            reports.gate.open();
            assert_eq!(calls.join_all().await, vec![1; 10_000]);
            assert_loads(&reports.loads, 1);
            // What expiry does.
            server.command::<()>(["UNLINK", &entry(&server).0]).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn loads_beyond_the_limit_of_their_resource_wait_their_turn_in_order() {
    isolated(async |cache| {
        let reports = Reports::new();
        let mut calls = Vec::new();
        for id in 0..10 {
            calls.push(tokio::spawn(reports.call(&cache, id)));
            match id {
                0 | 1 => reports.gate.until_waiting(id as usize + 1).await,
                _ => until_queued(&cache, u64::from(id) - 1).await,
            }
        }
        assert_eq!(reports.gate.waiting(), 2);
        reports.gate.open();
        for (number, call) in (1..).zip(calls) {
            assert_eq!(call.await.unwrap(), number);
        }
        assert_eq!(reports.most_at_once(), 2);
        assert_eq!((cache.stats().queued_loads, cache.stats().loads), (8, 10));
    })
    .await;
}

#[tokio::test]
async fn the_limit_of_the_cache_is_that_of_resources_without_one_and_each_counts_alone() {
    isolated_in(Cache::builder().max_loads(1).build(), async |cache| {
        let reports = Reports::new();
        let mut calls = JoinSet::new();
        for id in 0..3 {
            calls.spawn(reports.call(&cache, id));
            let unlimited = reports.clone();
            calls.spawn(with_cache(cache.clone(), async move { unlimited.unlimited(id).await }));
        }
        until_queued(&cache, 3).await;
        reports.gate.until_waiting(3).await;
        assert_eq!(
            reports.gate.waiting(),
            3,
            "two of `pairs`, which says so, and one of `pages`"
        );
        reports.gate.open();
        assert_eq!(calls.join_all().await.len(), 6);
        assert_eq!(reports.most_at_once(), 3);
    })
    .await;
}

#[tokio::test]
async fn who_has_waited_for_its_turn_is_given_what_another_process_has_filled_meanwhile() {
    let spy = spy();
    let other = Cache::builder().store(spy.clone()).build();
    isolated_in(Cache::builder().store(spy).build(), async |cache| {
        let (reports, running) = two_reports(&cache).await;
        let queued: Vec<_> = (0..3).map(|_| tokio::spawn(reports.call(&cache, 7))).collect();
        until_missed(&cache, 5).await;
        until_queued(&cache, 1).await;

        let elsewhere = Reports::new();
        elsewhere.gate.open();
        for _ in 0..100 {
            elsewhere.loads.record();
        }
        assert_eq!(elsewhere.call(&other, 7).await, 101);

        reports.gate.open();
        for call in queued {
            assert_eq!(call.await.unwrap(), 101);
        }
        running.join_all().await;
        assert_loads(&reports.loads, 2);
        assert_eq!(cache.stats().shared_loads, 3);
    })
    .await;
}

#[tokio::test]
async fn what_is_loaded_after_its_turn_was_waited_for_is_stored_under_the_stamps_of_then() {
    let spy = spy();
    let other = Cache::builder().store(spy.clone()).build();
    isolated_in(Cache::builder().store(spy).build(), async |cache| {
        let (reports, mut running) = two_reports(&cache).await;
        running.spawn(reports.call(&cache, 7));
        until_queued(&cache, 1).await;
        assert_eq!(other.invalidate("pairs").await, Ok(Invalidated::Acknowledged));
        reports.gate.open();
        running.join_all().await;
        expect_outcomes(&[Hit], reports.report(7)).await;
        expect_outcomes(&[Miss], reports.report(0)).await;
    })
    .await;
}

#[tokio::test]
async fn who_goes_away_while_it_waits_for_its_turn_leaves_it_to_the_next() {
    isolated(async |cache| {
        let (reports, running) = two_reports(&cache).await;
        let leader = tokio::spawn(reports.call(&cache, 7));
        until_queued(&cache, 1).await;
        let waiter = tokio::spawn(reports.call(&cache, 7));
        until_missed(&cache, 4).await;
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
        until_queued(&cache, 2).await;
        reports.gate.open();
        assert_eq!(waiter.await.unwrap(), 3);
        running.join_all().await;
    })
    .await;
}

#[tokio::test]
async fn the_limit_holds_while_the_store_is_gone() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        spy.fail_all(StoreErrorKind::Unavailable);
        let reports = Reports::new();
        let mut calls = JoinSet::new();
        for id in 0..20 {
            calls.spawn(reports.call(&cache, id));
        }
        until_queued(&cache, 18).await;
        reports.gate.open();
        calls.join_all().await;
        assert_eq!(reports.most_at_once(), 2);
        assert_eq!(cache.stats().bypasses, 20);
    })
    .await;
}

/// Reads the tree below a node, by itself.
#[cached(resource = "limited")]
async fn below(node: u32) -> u32 {
    tokio::task::yield_now().await;
    if node == 0 {
        0
    } else {
        1 + Box::pin(below(node - 1)).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_calls_itself_does_not_wait_for_itself() {
    isolated(async |cache| {
        let mut calls = JoinSet::new();
        for node in (0..20).rev() {
            calls.spawn(with_cache(cache.clone(), below(node)));
        }
        let began = Instant::now();
        let sum: u32 = timeout(LONG, calls.join_all()).await.unwrap().iter().sum();
        assert_eq!(sum, 190);
        assert_eq!(began.elapsed(), Duration::ZERO);
    })
    .await;
}

#[cached(resource = "limited")]
async fn even(number: u32) -> bool {
    tokio::task::yield_now().await;
    number == 0 || Box::pin(odd(number - 1)).await
}

#[cached(resource = "graphs")]
async fn odd(number: u32) -> bool {
    tokio::task::yield_now().await;
    number != 0 && Box::pin(even(number - 1)).await
}

#[tokio::test(start_paused = true)]
async fn functions_that_call_each_other_do_not_wait_for_each_other() {
    isolated(async |cache| {
        // Each has the slot that the other one's next load needs.
        let calls = async { tokio::join!(with_cache(cache.clone(), even(11)), with_cache(cache.clone(), odd(11))) };
        let began = Instant::now();
        assert_eq!(timeout(LONG, calls).await.unwrap(), (false, true));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(cache.stats().queued_loads, 2);
    })
    .await;
}

const QUERY: Duration = Duration::from_millis(10);

#[cached(resource = "pages")]
async fn slow(id: u32) -> u32 {
    sleep(QUERY).await;
    id
}

#[tokio::test(start_paused = true)]
async fn after_ten_times_more_callers_than_can_be_served_a_call_takes_as_long_as_before() {
    isolated_in(Cache::builder().max_loads(4).build(), async |cache| {
        let began = Instant::now();
        let mut calls = JoinSet::new();
        for id in 0..2000 {
            calls.spawn(with_cache(cache.clone(), slow(id)));
        }
        calls.join_all().await;
        assert_eq!(began.elapsed(), QUERY * (2000 / 4));
        let began = Instant::now();
        slow(2000).await;
        assert_eq!(began.elapsed(), QUERY);
    })
    .await;
}

#[tokio::test]
async fn a_call_beyond_the_waiters_of_a_load_loads_for_itself() {
    isolated_in(Cache::builder().max_waiters(3).build(), async |cache| {
        let reports = Reports::new();
        let mut calls = JoinSet::new();
        for _ in 0..5 {
            calls.spawn(reports.call(&cache, 1));
        }
        reports.gate.until_waiting(2).await;
        until_missed(&cache, 5).await;
        assert_loads(&reports.loads, 2);
        reports.gate.open();
        let loaded = calls.join_all().await;
        assert_eq!(loaded.iter().filter(|load| **load == 1).count(), 4);
        assert_eq!(cache.stats().shared_loads, 3);
    })
    .await;
}

#[tokio::test]
async fn a_waiter_that_goes_away_makes_room_for_another() {
    isolated_in(Cache::builder().max_waiters(1).build(), async |cache| {
        let reports = Reports::new();
        let leader = tokio::spawn(reports.call(&cache, 1));
        reports.gate.until_waiting(1).await;
        let first = tokio::spawn(reports.call(&cache, 1));
        until_missed(&cache, 2).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        let second = tokio::spawn(reports.call(&cache, 1));
        until_missed(&cache, 3).await;
        reports.gate.open();
        assert_eq!((leader.await.unwrap(), second.await.unwrap()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_full_journal_invalidates_more_than_was_asked_and_never_less() {
    let spy = spy();
    let builder: CacheBuilder = Cache::builder().journal_limit(2).store(spy.clone());
    isolated_in(builder.build(), async |cache| {
        for tenant in ["a", "b", "c", "d"] {
            with_tenant(tenant, page(1)).await;
        }
        spy.fail_all(StoreErrorKind::Unavailable);
        for tenant in ["a", "b", "c"] {
            assert_eq!(cache.invalidate("pages").tenant(tenant).await, Ok(Invalidated::Pending));
            assert!(cache.stats().pending_invalidations <= 2);
        }
        for tenant in ["a", "b", "c", "d"] {
            expect_outcomes(&[Bypass], with_tenant(tenant, page(1))).await;
        }
        spy.heal();
        spy.until_ended(OperationKind::RemoveAllStamps, 1).await;
        assert!(cache.ready(PATIENCE).await);
        for tenant in ["a", "b", "c", "d"] {
            expect_outcomes(&[Miss], with_tenant(tenant, page(1))).await;
        }
    })
    .await;
}
