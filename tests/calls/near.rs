//! The near cache: what it answers, and what it must never answer. See `docs/guarantees.md`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, Codec, Invalidated,
    Outcome::{self, Bypass, Hit, Miss, NearHit},
    cached, invalidates, observe,
    store::{RedisConfig, RedisStore, StoreErrorKind},
    with_cache,
};
use cache_testkit::{
    Direction, LoadCounter, OperationKind, PATIENCE, RedisServer, SpyStore, expect_outcomes, isolated, isolated_in,
    patient, reaching, until,
};
use futures_util::FutureExt as _;
use support::{outcome_of, spy, through_a_proxy};

/// A database of one row.
#[derive(Debug, Clone)]
struct Bank {
    balance: Arc<AtomicI64>,
    loads: LoadCounter,
}

impl Bank {
    fn new() -> Self {
        Self {
            balance: Arc::default(),
            loads: LoadCounter::new(),
        }
    }

    #[cached(resource = "balance", scope(account), near = "tracked")]
    async fn balance(&self, account: u32) -> i64 {
        self.loads.record();
        self.balance.load(Ordering::SeqCst)
    }

    #[cached(resource = "statement", scope(account), near = "checked")]
    async fn statement(&self, account: u32) -> i64 {
        self.loads.record();
        self.balance.load(Ordering::SeqCst)
    }

    #[invalidates("balance"(account), "statement"(account))]
    async fn deposit(&self, account: u32, amount: i64) {
        self.balance.fetch_add(amount, Ordering::SeqCst);
    }
}

/// A balance and what became of the call.
async fn look(bank: &Bank) -> (i64, Outcome) {
    outcome_of(bank.balance(1)).await
}

/// Calls until the near cache answers: until the store reports changes and the value is kept.
async fn until_near(bank: &Bank) -> i64 {
    let mut last = 0;
    let near = async || {
        let (balance, outcome) = look(bank).await;
        last = balance;
        outcome == NearHit
    };
    until("the near cache answers", near).await;
    last
}

#[tokio::test]
async fn a_tracked_value_is_answered_without_asking_the_store() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        let bank = Bank::new();
        until_near(&bank).await;
        let asked = spy.count(OperationKind::Read) + spy.count(OperationKind::ReadStamps);
        for _ in 0..100 {
            expect_outcomes(&[NearHit], bank.balance(1)).await;
        }
        assert_eq!(
            spy.count(OperationKind::Read) + spy.count(OperationKind::ReadStamps),
            asked
        );
        assert!(cache.stats().near_hits >= 100 && cache.stats().near_entries == 1);
    })
    .await;
}

#[tokio::test]
async fn a_checked_value_costs_its_stamps_and_no_decoding() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let bank = Bank::new();
        expect_outcomes(&[Miss], bank.statement(1)).await;
        let reads = spy.count(OperationKind::Read);
        for _ in 0..10 {
            expect_outcomes(&[NearHit], bank.statement(1)).await;
        }
        assert_eq!(
            (spy.count(OperationKind::Read), spy.count(OperationKind::ReadStamps)),
            (reads, 10)
        );
    })
    .await;
}

/// Although the server reports the creation of the stamps, which looks like any other change.
#[tokio::test]
async fn what_a_call_has_loaded_is_near_for_the_next_one() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new();
    let cache = reaching(&server, patient()).await;
    let near = with_cache(cache, async {
        until_near(&bank).await;
        let mut near = 0;
        for account in 100..200 {
            expect_outcomes(&[Miss], bank.balance(account)).await;
            let (_, outcomes) = observe(bank.balance(account)).await;
            near += usize::from(outcomes.iter().any(|call| call.outcome == NearHit));
        }
        near
    })
    .await;
    // The report may come between the two calls; more often it comes before.
    assert!(near >= 50, "{near} of 100");
}

#[tokio::test]
async fn in_the_process_itself_a_mutation_is_visible_at_once() {
    isolated(async |_| {
        let bank = Bank::new();
        for round in 1..50 {
            until_near(&bank).await;
            expect_outcomes(&[Miss, NearHit], async {
                bank.statement(1).await;
                bank.statement(1).await;
            })
            .await;
            bank.deposit(1, 1).await;
            assert_eq!(look(&bank).await, (round, Miss));
            assert_eq!(expect_outcomes(&[Miss], bank.statement(1)).await, round);
            bank.deposit(1, 0).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_that_is_not_acknowledged_takes_the_value_out_of_use_in_this_process() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        let bank = Bank::new();
        until_near(&bank).await;
        let gate = spy.hold(OperationKind::RemoveStamps);
        let deposit = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.deposit(1, 5).await }
        }));
        gate.until_waiting(1).await;
        assert_eq!(look(&bank).await, (5, Bypass));
        gate.open();
        deposit.await.unwrap();
        assert_eq!(look(&bank).await, (5, Miss));
    })
    .await;
}

#[tokio::test]
async fn a_mutation_in_another_process_reaches_a_tracked_value() {
    let server = RedisServer::start().unwrap();
    let (here, elsewhere) = (reaching(&server, patient()).await, reaching(&server, patient()).await);
    with_cache(here, async {
        let bank = Bank::new();
        for round in 1..20 {
            until_near(&bank).await;
            bank.balance.store(round, Ordering::SeqCst);
            let invalidated = elsewhere.invalidate("balance").scope("account", 1).await;
            assert_eq!(invalidated, Ok(Invalidated::Acknowledged));
            until("the change is reported", async || look(&bank).await.0 == round).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_mutation_in_another_process_is_visible_to_a_checked_value_at_once() {
    let server = RedisServer::start().unwrap();
    let (here, elsewhere) = (reaching(&server, patient()).await, reaching(&server, patient()).await);
    with_cache(here, async {
        let bank = Bank::new();
        for round in 1..20 {
            bank.statement(1).await;
            expect_outcomes(&[NearHit], bank.statement(1)).await;
            bank.balance.store(round, Ordering::SeqCst);
            let invalidated = elsewhere.invalidate("statement").scope("account", 1).await;
            assert_eq!(invalidated, Ok(Invalidated::Acknowledged));
            assert_eq!(bank.statement(1).await, round);
        }
    })
    .await;
}

/// The epoch guard: the answer left the store before the change and arrives after its report.
#[tokio::test]
async fn a_value_that_a_change_has_overtaken_on_its_way_is_not_kept() {
    let server = RedisServer::start().unwrap();
    let spy = SpyStore::new(RedisStore::new(RedisConfig::new(server.url()).unwrap()));
    let here = patient().store(spy.clone()).build();
    assert!(here.ready(PATIENCE).await);
    let elsewhere = reaching(&server, patient()).await;
    let bank = Bank::new();
    with_cache(elsewhere.clone(), bank.balance(2)).await;
    with_cache(here.clone(), async {
        until_near(&bank).await;
        let gate = spy.hold_answer(OperationKind::Read);
        let overtaken = tokio::spawn(with_cache(here.clone(), {
            let bank = bank.clone();
            async move { bank.balance(2).await }
        }));
        gate.until_waiting(1).await;
        bank.balance.store(7, Ordering::SeqCst);
        let invalidated = elsewhere.invalidate("balance").await;
        assert_eq!(invalidated, Ok(Invalidated::Acknowledged));
        // The first account shows when the change has been reported: its value is asked for again, and waits at the gate.
        until("the change is reported", async || {
            bank.balance(1).now_or_never().is_none()
        })
        .await;
        gate.open();
        assert_eq!(overtaken.await.unwrap(), 0, "it began before the invalidation");
        assert_eq!(bank.balance(2).await, 7);
    })
    .await;
}

#[tokio::test]
async fn a_silent_store_takes_tracked_values_out_of_use_when_the_bound_is_over() {
    let server = RedisServer::start().unwrap();
    let (proxy, config) = through_a_proxy(&server);
    let bound = Duration::from_millis(200);
    let here = Cache::builder().near_max_staleness(bound).redis(config).build();
    assert!(here.ready(PATIENCE).await, "the server was not reached");
    with_cache(here, async {
        let bank = Bank::new();
        until_near(&bank).await;
        proxy.black_hole(Direction::Both);
        bank.balance.store(9, Ordering::SeqCst);
        until("the bound is over", async || look(&bank).await.1 != NearHit).await;
        assert_eq!(look(&bank).await.0, 9, "and not again");
    })
    .await;
}

#[tokio::test]
async fn after_a_lost_connection_nothing_that_was_kept_is_used_unasked() {
    let server = RedisServer::start().unwrap();
    let here = reaching(&server, patient()).await;
    with_cache(here, async {
        let bank = Bank::new();
        for round in 1..5 {
            until_near(&bank).await;
            // What changes while nobody reports it.
            server.kill();
            server.restart().unwrap();
            bank.balance.store(round, Ordering::SeqCst);
            until("no old value is used", async || look(&bank).await.0 == round).await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_reports_of_changes_a_tracked_value_is_a_checked_one() {
    let spy = spy();
    spy.fail_next(OperationKind::WatchStamps, usize::MAX, StoreErrorKind::Unsupported);
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let bank = Bank::new();
        expect_outcomes(&[Miss], bank.balance(1)).await;
        for asked in 1..10 {
            expect_outcomes(&[NearHit], bank.balance(1)).await;
            assert_eq!(spy.count(OperationKind::ReadStamps), asked);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_kept_value_ends_with_its_time_to_live() {
    isolated(async |_| {
        let bank = Bank::new();
        until_near(&bank).await;
        bank.balance.store(3, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(look(&bank).await, (3, Miss));
    })
    .await;
}

#[cached(resource = "pages", near = "checked")]
async fn page(number: u32) -> String {
    "x".repeat(1000 + number as usize % 10)
}

#[tokio::test]
async fn the_near_cache_stays_within_its_bound() {
    let cache = Cache::builder().near_capacity(100_000).build();
    isolated_in(cache, async |cache| {
        for number in 0..5_000 {
            page(number).await;
            assert!(cache.stats().near_bytes <= 100_000, "{:?}", cache.stats());
        }
        assert!(cache.stats().near_entries > 40, "{:?}", cache.stats());
    })
    .await;
}

#[tokio::test]
async fn a_near_value_weighs_twice_its_binary_form_and_its_json_once() {
    let weight_in = async |codec| {
        let cache = Cache::builder().codec(codec).build();
        isolated_in(cache, async |cache| {
            page(0).await;
            cache.stats().near_bytes
        })
        .await
    };
    // A text of 1000 bytes: in quotes; and with a tag and its length, the length of all texts, and a byte at the end.
    let (json, packed) = (1000 + 2, 5 + 1000 + 4 + 1);
    let difference = weight_in(Codec::Packed).await - weight_in(Codec::Json).await;
    assert_eq!(difference, 2 * packed - json);
}

#[cached(resource = "pages", near = "checked")]
async fn shared_page(number: u32) -> Arc<str> {
    format!("page {number}").into()
}

#[tokio::test]
async fn what_is_returned_in_an_arc_is_not_copied() {
    isolated(async |_| {
        shared_page(1).await;
        let (one, other) = (shared_page(1).await, shared_page(1).await);
        assert!(Arc::ptr_eq(&one, &other));
    })
    .await;
}

#[cached(resource = "pages", near = "checked")]
async fn named<T: Named + Send>() -> String {
    T::NAME.to_owned()
}

trait Named {
    const NAME: &'static str;
}

struct One;
struct Other;

impl Named for One {
    const NAME: &'static str = "one";
}

impl Named for Other {
    const NAME: &'static str = "other";
}

#[tokio::test]
async fn the_forms_of_a_generic_function_keep_values_of_their_own() {
    isolated(async |_| {
        for _ in 0..3 {
            assert_eq!(
                (named::<One>().await, named::<Other>().await),
                ("one".into(), "other".into())
            );
        }
    })
    .await;
}

/// Titles by number, most of which there are none of.
#[derive(Debug, Clone, Default)]
struct Catalogue {
    titles: Arc<Mutex<HashMap<u32, String>>>,
    loads: LoadCounter,
}

impl Catalogue {
    fn get(&self, id: u32) -> Option<String> {
        self.loads.record();
        self.titles.lock().expect("nobody panics").get(&id).cloned()
    }

    #[cached(resource = "catalogue", near = "tracked")]
    async fn find(&self, id: u32) -> Option<String> {
        self.get(id)
    }

    #[cached(resource = "catalogue", near = "checked")]
    async fn try_find(&self, id: u32) -> Result<Option<String>, String> {
        Ok(self.get(id))
    }

    #[cached(resource = "catalogue", near = "tracked", cache_err = |_| true)]
    async fn show(&self, id: u32) -> Result<String, String> {
        self.get(id).ok_or_else(|| format!("no title {id}"))
    }

    #[cached(resource = "catalogue", near = "tracked", each = ids)]
    async fn find_all(&self, ids: &[u32]) -> HashMap<u32, String> {
        ids.iter().filter_map(|id| Some((*id, self.get(*id)?))).collect()
    }

    #[invalidates("catalogue")]
    async fn publish(&self, id: u32, title: &str) {
        self.titles.lock().expect("nobody panics").insert(id, title.to_owned());
    }
}

/// How often the store was asked.
fn asked(spy: &SpyStore) -> usize {
    spy.count(OperationKind::Read) + spy.count(OperationKind::ReadStamps)
}

#[tokio::test(start_paused = true)]
async fn that_there_is_nothing_is_near_for_its_own_time() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).jitter(0.0).build(), async |cache| {
        let catalogue = Catalogue::default();
        until("the near cache answers", async || {
            outcome_of(catalogue.find(7)).await == (None, NearHit)
        })
        .await;
        let (before, loads) = (asked(&spy), catalogue.loads.count());
        for _ in 0..100 {
            assert_eq!(outcome_of(catalogue.find(7)).await, (None, NearHit));
        }
        assert_eq!((asked(&spy), cache.stats().near_entries), (before, 1));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(outcome_of(catalogue.find(7)).await, (None, Miss));
        assert_eq!(catalogue.loads.count(), loads + 1);
    })
    .await;
}

#[tokio::test]
async fn that_there_is_nothing_is_checked_like_a_value_and_no_longer_so_after_an_insert() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let catalogue = Catalogue::default();
        assert_eq!(outcome_of(catalogue.try_find(7)).await, (Ok(None), Miss));
        let reads = spy.count(OperationKind::Read);
        for _ in 0..10 {
            assert_eq!(outcome_of(catalogue.try_find(7)).await, (Ok(None), NearHit));
        }
        assert_eq!((spy.count(OperationKind::Read), catalogue.loads.count()), (reads, 1));
        until("the near cache answers", async || {
            outcome_of(catalogue.find(7)).await.1 == NearHit
        })
        .await;
        catalogue.publish(7, "seven").await;
        assert_eq!(catalogue.try_find(7).await, Ok(Some("seven".to_owned())));
        assert_eq!(catalogue.find(7).await.as_deref(), Some("seven"));
    })
    .await;
}

#[tokio::test]
async fn that_another_process_has_found_nothing_is_near_once_it_was_read() {
    let spy = spy();
    let cache = || Cache::builder().store(spy.clone()).build();
    let catalogue = Catalogue::default();
    assert_eq!(with_cache(cache(), catalogue.try_find(7)).await, Ok(None));
    isolated_in(cache(), async |_| {
        assert_eq!(outcome_of(catalogue.try_find(7)).await, (Ok(None), Hit));
        assert_eq!(outcome_of(catalogue.try_find(7)).await, (Ok(None), NearHit));
        assert_eq!(catalogue.loads.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn ids_without_a_value_are_near_too() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let catalogue = Catalogue::default();
        catalogue.publish(2, "two").await;
        let found = HashMap::from([(2, "two".to_owned())]);
        let all_near = async || {
            let (titles, outcomes) = observe(catalogue.find_all(&[1, 2, 3])).await;
            assert_eq!(titles, found);
            outcomes.iter().all(|call| call.outcome == NearHit)
        };
        until("the near cache answers", all_near).await;
        let before = (asked(&spy), catalogue.loads.count());
        assert!(all_near().await);
        assert_eq!((asked(&spy), catalogue.loads.count()), before);
    })
    .await;
}

#[tokio::test]
async fn errors_are_the_stores_alone() {
    isolated(async |cache| {
        let catalogue = Catalogue::default();
        let refused = || Err("no title 7".to_owned());
        assert_eq!(outcome_of(catalogue.show(7)).await, (refused(), Miss));
        for _ in 0..3 {
            assert_eq!(outcome_of(catalogue.show(7)).await, (refused(), Hit));
        }
        assert_eq!((catalogue.loads.count(), cache.stats().near_entries), (1, 0));
    })
    .await;
}
