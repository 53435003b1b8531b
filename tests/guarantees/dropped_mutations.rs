//! Mutations whose callers hang up: what is invalidated when, and how `detach` lets them go on.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_runtime::{
    Cache, CacheBuilder,
    Outcome::{Bypass, Hit, Miss},
    cached, current_tenant, invalidates, observe, transaction, with_cache, with_tenant,
};
use cache_testkit::{
    Gate, OperationKind, PATIENCE, RedisServer, SpyStore, expect_outcomes, isolated_in, patient, reaching, until,
};
use futures_util::FutureExt;
use support::{outcome_of, spy};
use tokio::time::{Instant, sleep};

/// A database of one row. A write waits for the row's lock, on the server: nothing that becomes of the client stops it.
#[derive(Clone)]
struct Database {
    row: Arc<AtomicU32>,
    lock: Gate,
}

impl Database {
    fn locked() -> Self {
        Self {
            row: Arc::default(),
            lock: Gate::closed(),
        }
    }

    async fn write(&self, value: u32) {
        let server = self.clone();
        let write = tokio::spawn(async move {
            server.lock.pass().await;
            server.row.store(value, SeqCst);
        });
        write.await.expect("a server goes on");
    }

    #[cached(resource = "item", scope(id))]
    async fn item(&self, id: u32) -> u32 {
        self.row.load(SeqCst)
    }

    #[invalidates("item"(id))]
    async fn update(&self, id: u32, value: u32) {
        self.write(value).await;
    }

    #[invalidates("item"(id), detach)]
    async fn update_to_the_end(self: Arc<Self>, id: u32, value: u32) -> Result<u32, String> {
        self.write(value).await;
        Ok(value)
    }
}

/// Starts a call and drops it when the database has been asked.
async fn hang_up(database: &Database, cache: &Cache, call: impl Future<Output: Send> + Send + 'static) {
    let call = tokio::spawn(with_cache(cache.clone(), call));
    database.lock.until_waiting(1).await;
    call.abort();
    assert!(call.await.is_err_and(|ended| ended.is_cancelled()));
}

fn spied(builder: CacheBuilder) -> (SpyStore, Cache) {
    let spy = spy();
    let cache = builder.store(spy.clone()).build();
    (spy, cache)
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_after_the_caller_hung_up_is_seen_some_seconds_later() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |cache| {
        let database = Database::locked();
        assert_eq!(database.item(1).await, 0);
        let update = database.clone();
        hang_up(&database, &cache, async move { update.update(1, 7).await }).await;
        let hung_up_at = Instant::now();
        spy.until_ended(OperationKind::RemoveStamps, 1).await;

        // The invalidation was made at once, and somebody reads before the commit.
        assert_eq!(expect_outcomes(&[Miss], database.item(1)).await, 0);
        database.lock.open();
        while database.row.load(SeqCst) != 7 {
            tokio::task::yield_now().await;
        }
        assert_eq!(expect_outcomes(&[Hit], database.item(1)).await, 0);

        spy.until_ended(OperationKind::RemoveStamps, 2).await;
        assert_eq!(hung_up_at.elapsed().as_secs(), 5);
        assert_eq!(expect_outcomes(&[Miss], database.item(1)).await, 7);
    })
    .await;
}

#[tokio::test]
async fn what_is_committed_after_the_caller_hung_up_is_seen_by_every_process() {
    let server = RedisServer::start().unwrap();
    let node = async || reaching(&server, patient().repeat_after(Duration::from_secs(1))).await;
    let (ours, theirs) = (node().await, node().await);
    let database = Database::locked();
    for node in [&ours, &theirs] {
        assert_eq!(with_cache(node.clone(), database.item(1)).await, 0);
    }
    let update = database.clone();
    hang_up(&database, &ours, async move { update.update(1, 7).await }).await;
    // The first invalidation has arrived when this node loads again: what it stores now is of before the commit.
    let read = async || with_cache(theirs.clone(), outcome_of(database.item(1))).await;
    until("it is invalidated", async || read().await.1 != Hit).await;
    database.lock.open();
    for node in [&ours, &theirs] {
        let read = async || with_cache(node.clone(), database.item(1)).await;
        until("the new value is read", async || read().await == 7).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_dropped_is_invalidated_twice_too() {
    let (spy, cache) = spied(Cache::builder().repeat_after(Duration::from_secs(8)));
    isolated_in(cache, async |cache| {
        let database = Database::locked();
        let update = database.clone();
        let whole = async move {
            transaction(async {
                other_changed(async {}).await;
                update.update(1, 7).await;
                Ok::<_, ()>(())
            })
            .await
        };
        hang_up(&database, &cache, whole).await;
        let hung_up_at = Instant::now();
        spy.until_ended(OperationKind::RemoveStamps, 1).await;
        spy.until_ended(OperationKind::RemoveStamps, 2).await;
        assert_eq!(hung_up_at.elapsed().as_secs(), 8);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn so_is_a_mutation_that_panics() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |_| {
        let panicked = AssertUnwindSafe(other_changed(async { panic!("by order of the test") }))
            .catch_unwind()
            .await;
        panicked.unwrap_err();
        spy.until_ended(OperationKind::RemoveStamps, 2).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_returned_is_invalidated_once() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |_| {
        other_changed(async {}).await;
        sleep(Duration::from_mins(1)).await;
        assert_eq!(spy.count(OperationKind::RemoveStamps), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn with_a_time_of_zero_there_is_no_second_time() {
    let (spy, cache) = spied(Cache::builder().repeat_after(Duration::ZERO));
    isolated_in(cache, async |cache| {
        let database = Database::locked();
        let update = database.clone();
        hang_up(&database, &cache, async move { update.update(1, 7).await }).await;
        spy.until_ended(OperationKind::RemoveStamps, 1).await;
        sleep(Duration::from_mins(1)).await;
        assert_eq!(spy.count(OperationKind::RemoveStamps), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_the_second_time_and_does_not_leave_it_out() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |cache| {
        let database = Database::locked();
        let update = database.clone();
        hang_up(&database, &cache, async move { update.update(1, 7).await }).await;
        spy.until_ended(OperationKind::RemoveStamps, 1).await;
        let closing_at = Instant::now();
        assert!(cache.close().await);
        assert!(closing_at.elapsed() < Duration::from_secs(1));
        assert_eq!(spy.count(OperationKind::RemoveStamps), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_second_time_is_made_up_for_when_the_store_is_back() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |cache| {
        let database = Database::locked();
        let update = database.clone();
        hang_up(&database, &cache, async move { update.update(1, 7).await }).await;
        spy.until_ended(OperationKind::RemoveStamps, 1).await;
        spy.fail_all(cache_runtime::store::StoreErrorKind::Unavailable);
        sleep(Duration::from_secs(10)).await;
        assert!(cache.stats().pending_invalidations > 0);
        spy.heal();
        assert!(cache.ready(PATIENCE).await);
        assert_eq!(cache.stats().pending_invalidations, 0);
    })
    .await;
}

#[invalidates("other")]
async fn other_changed<T>(inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test(start_paused = true)]
async fn a_detached_mutation_goes_on_to_its_end_when_its_caller_is_gone() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |cache| {
        let database = Arc::new(Database::locked());
        assert_eq!(database.item(1).await, 0);
        let update = Arc::clone(&database).update_to_the_end(1, 7);
        hang_up(&database, &cache, update).await;
        // Nothing has been changed yet, and nothing is invalidated.
        assert_eq!(expect_outcomes(&[Hit], database.item(1)).await, 0);
        database.lock.open();
        spy.until_ended(OperationKind::RemoveStamps, 1).await;
        assert_eq!(expect_outcomes(&[Miss], database.item(1)).await, 7);
        sleep(Duration::from_mins(1)).await;
        assert_eq!(spy.count(OperationKind::RemoveStamps), 1);
    })
    .await;
}

#[tokio::test]
async fn a_detached_mutation_that_is_awaited_is_one_like_any_other() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |_| {
        let database = Arc::new(Database::locked());
        database.lock.open();
        database.item(1).await;
        assert_eq!(Arc::clone(&database).update_to_the_end(1, 7).await, Ok(7));
        assert_eq!(spy.count(OperationKind::RemoveStamps), 1);
        assert_eq!(expect_outcomes(&[Miss], database.item(1)).await, 7);
    })
    .await;
}

/// What the body of a detached mutation finds around it.
#[invalidates("other", detach)]
async fn surroundings(database: Arc<Database>) -> (Option<Arc<str>>, u32) {
    database.item(1).await;
    (current_tenant(), database.item(1).await)
}

#[tokio::test]
async fn a_detached_mutation_has_the_cache_the_tenant_and_the_observer_of_its_caller() {
    isolated_in(Cache::builder().build(), async |cache| {
        let database = Arc::new(Database::locked());
        let call = with_tenant("a b", surroundings(database));
        let (tenant, _) = expect_outcomes(&[Miss, Hit], call).await;
        assert_eq!(tenant.as_deref(), Some("a b"));
        assert_eq!(cache.stats().hits, 1);
    })
    .await;
}

#[invalidates("item"(id), detach)]
async fn save_and_return(database: Arc<Database>, id: u32, value: u32) -> u32 {
    database.write(value).await;
    database.item(id).await
}

#[tokio::test]
async fn what_a_detached_mutation_names_is_not_read_from_the_cache_inside_either() {
    isolated_in(Cache::builder().build(), async |_| {
        let database = Arc::new(Database::locked());
        database.lock.open();
        database.item(1).await;
        let saved = expect_outcomes(&[Bypass], save_and_return(Arc::clone(&database), 1, 7)).await;
        assert_eq!(saved, 7);
    })
    .await;
}

#[invalidates("other", detach)]
async fn panicking(panics: bool) {
    assert!(!panics, "by order of the test");
}

#[tokio::test]
async fn the_panic_of_a_detached_mutation_is_its_callers() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |_| {
        let panic = AssertUnwindSafe(panicking(true)).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"by order of the test"));
        spy.until_ended(OperationKind::RemoveStamps, 1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn inside_a_transaction_nothing_is_detached() {
    let (spy, cache) = spied(Cache::builder());
    isolated_in(cache, async |cache| {
        let database = Arc::new(Database::locked());
        let update = Arc::clone(&database).update_to_the_end(1, 7);
        hang_up(&database, &cache, transaction(update)).await;
        // With the transaction the mutation is gone: that is invalidated at once, and again.
        spy.until_ended(OperationKind::RemoveStamps, 2).await;

        database.lock.open();
        let committed = transaction(async {
            let value = Arc::clone(&database).update_to_the_end(1, 8).await?;
            assert_eq!(spy.count(OperationKind::RemoveStamps), 2, "before the commit");
            Ok::<_, String>(value)
        });
        assert_eq!(committed.await, Ok(8));
        assert_eq!(spy.count(OperationKind::RemoveStamps), 3);
    })
    .await;
}

#[test]
fn outside_of_a_runtime_a_detached_mutation_runs_where_it_is() {
    let database = Arc::new(Database::locked());
    let read = async {
        let (_, outcomes) = observe(surroundings(Arc::clone(&database))).await;
        assert_eq!(outcomes.iter().len(), 2);
    };
    with_cache(Cache::builder().build(), read).now_or_never().unwrap();
}
