//! What tasks know of those that have spawned them.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, mpsc},
};

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit, Miss},
    cached, current_tenant, in_current_context, invalidates, observe, spawn, transaction, with_tenant,
};
use cache_testkit::{Gate, OperationKind, PATIENCE, expect_outcomes, isolated, isolated_in};
use futures_util::FutureExt as _;
use support::spy;
use tokio::{sync::oneshot, task::JoinSet};

#[cached(resource = "item")]
async fn item() -> u32 {
    1
}

#[cached(resource = "other")]
async fn other() -> u32 {
    2
}

#[invalidates("item")]
async fn item_changed<T>(inside: impl Future<Output = T>) -> T {
    inside.await
}

#[tokio::test]
async fn a_tenant_is_known_as_it_was_given() {
    assert_eq!(current_tenant(), None);
    let long = "x".repeat(1000);
    for tenant in ["client-a", "a:b *{ü}", "", &long] {
        let known = with_tenant(tenant, async { current_tenant() }).await;
        assert_eq!(known.as_deref(), Some(tenant));
    }
    let inner = with_tenant(1, with_tenant(2, async { current_tenant() })).await;
    assert_eq!(inner.as_deref(), Some("2"));
}

/// Says what the tenant is where it is dropped.
struct TenantWhenDropped(mpsc::Sender<Option<Arc<str>>>);

impl Drop for TenantWhenDropped {
    fn drop(&mut self) {
        self.0.send(current_tenant()).expect("somebody listens");
    }
}

#[tokio::test]
async fn what_is_dropped_half_way_or_by_a_panic_is_dropped_in_its_context_which_is_over_then() {
    let (tell, told) = mpsc::channel();
    let half_way = TenantWhenDropped(tell.clone());
    let inside = async move {
        let _half_way = half_way;
        pending::<()>().await;
    };
    assert!(with_tenant("a", inside).now_or_never().is_none());
    let panicking = TenantWhenDropped(tell);
    let inside = async move {
        let _panicking = panicking;
        panic!("as meant");
    };
    assert!(spawn(with_tenant("b", inside)).await.unwrap_err().is_panic());
    let told: Vec<_> = told.try_iter().flatten().collect();
    assert_eq!(told.iter().map(|tenant| &**tenant).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(current_tenant(), None);
}

#[tokio::test]
async fn a_spawned_task_reads_with_the_tenant_and_the_cache_of_who_spawned_it_and_is_observed() {
    isolated(async |cache| {
        with_tenant("a", async {
            item().await;
            let (value, outcomes) = observe(async { spawn(item()).await }).await;
            assert_eq!(value.unwrap(), 1);
            assert_eq!(outcomes.iter().map(|call| call.outcome).collect::<Vec<_>>(), [Hit]);
        })
        .await;
        assert_eq!(cache.stats().hits, 1);
    })
    .await;
}

#[tokio::test]
async fn a_spawned_mutation_invalidates_for_the_tenant_of_who_spawned_it() {
    isolated(async |_| {
        for tenant in ["a", "default"] {
            with_tenant(tenant, item()).await;
        }
        with_tenant("a", async { spawn(item_changed(async {})).await.unwrap() }).await;
        with_tenant("a", expect_outcomes(&[Miss], item())).await;
        expect_outcomes(&[Hit], item()).await;
    })
    .await;
}

#[tokio::test]
async fn a_task_of_a_join_set_or_a_thread_can_carry_the_context_too() {
    isolated(async |cache| {
        with_tenant("a", async {
            let mut tasks = JoinSet::new();
            tasks.spawn(in_current_context(item()));
            tasks.join_all().await;
            let carried = in_current_context(async { current_tenant() });
            let handle = tokio::runtime::Handle::current();
            let on_a_thread = tokio::task::spawn_blocking(move || handle.block_on(carried));
            assert_eq!(on_a_thread.await.unwrap().as_deref(), Some("a"));
            expect_outcomes(&[Hit], item()).await;
        })
        .await;
        assert_eq!(cache.stats().hits, 1);
    })
    .await;
}

#[tokio::test]
#[expect(clippy::async_yields_async, reason = "what is carried outlives what it was made in")]
async fn the_context_is_that_of_the_spawning_and_not_of_the_polling() {
    let carried = with_tenant("a", async { in_current_context(async { current_tenant() }) }).await;
    let polled = with_tenant("b", carried).await;
    assert_eq!(polled.as_deref(), Some("a"));
    let outside = in_current_context(async { current_tenant() });
    assert_eq!(with_tenant("b", outside).await, None);
}

#[tokio::test]
#[expect(clippy::async_yields_async, reason = "what is carried outlives what it was made in")]
async fn a_task_spawned_inside_a_mutation_reads_past_the_cache_until_the_mutation_is_over() {
    isolated(async |_| {
        item().await;
        other().await;
        let gate = Gate::closed();
        let task = item_changed(async {
            let gate = gate.clone();
            let inside = spawn(expect_outcomes(&[Bypass, Hit], async { (item().await, other().await) }));
            inside.await.unwrap();
            // This one outlives the mutation.
            spawn(async move {
                gate.pass().await;
                expect_outcomes(&[Miss, Hit], async { (item().await, item().await) }).await;
            })
        })
        .await;
        gate.open();
        task.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_task_spawned_inside_a_transaction_reads_past_the_cache_until_the_transaction_is_over() {
    isolated(async |cache| {
        item().await;
        let gate = Gate::closed();
        let task: Result<_, ()> = transaction(async {
            spawn(expect_outcomes(&[Bypass], item())).await.unwrap();
            let gate = gate.clone();
            Ok(spawn(async move {
                gate.pass().await;
                expect_outcomes(&[Hit], item()).await;
                item_changed(async {}).await;
                expect_outcomes(&[Miss], item()).await;
            }))
        })
        .await;
        gate.open();
        task.unwrap().await.unwrap();
        assert_eq!(cache.stats().invalidations, 1);
    })
    .await;
}

/// Whether the spawned mutation commits by itself, or with the transaction, cannot be known.
#[tokio::test]
async fn a_mutation_spawned_inside_a_transaction_is_invalidated_at_once_and_after_the_commit() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        for (commits, expected) in [(true, 2), (false, 1)] {
            let before = spy.count(OperationKind::RemoveStamps);
            let ended: Result<(), ()> = transaction(async {
                spawn(item_changed(async {})).await.unwrap();
                assert_eq!(spy.count(OperationKind::RemoveStamps), before + 1);
                commits.then_some(()).ok_or(())
            })
            .await;
            assert_eq!(ended.is_ok(), commits);
            assert_eq!(spy.count(OperationKind::RemoveStamps), before + expected);
        }
        assert!(cache.close().await);
    })
    .await;
}

/// Calls itself on a task of its own, with the same two keys in turn.
#[cached(resource = "item", skip(rounds))]
async fn circle(key: u32, rounds: Rounds) -> u32 {
    if rounds.0 == 0 {
        return 0;
    }
    spawn(next_round(key, rounds)).await.expect("no panic")
}

/// Boxed, as what calls itself has to be.
fn next_round(key: u32, rounds: Rounds) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(circle(3 - key, Rounds(rounds.0 - 1)))
}

#[derive(Clone, Copy)]
struct Rounds(u32);

#[tokio::test]
async fn a_task_does_not_wait_for_the_load_that_has_spawned_it_and_waits_for_it() {
    isolated(async |_| {
        // Round and round: 1 spawns 2, and 2 spawns 1.
        let depth = tokio::time::timeout(PATIENCE, circle(1, Rounds(6)));
        assert_eq!(depth.await, Ok(0));
    })
    .await;
}

#[tokio::test]
async fn a_mutation_that_ends_after_its_transaction_is_invalidated_at_once() {
    isolated(async |cache| {
        item().await;
        let (done, until_done) = oneshot::channel::<()>();
        let task: Result<_, ()> = transaction(async {
            Ok(spawn(item_changed(async {
                until_done.await.unwrap();
            })))
        })
        .await;
        tokio::task::yield_now().await;
        assert_eq!(cache.stats().invalidations, 0);
        done.send(()).unwrap();
        task.unwrap().await.unwrap();
        assert_eq!(cache.stats().invalidations, 1);
        expect_outcomes(&[Miss], item()).await;
    })
    .await;
}

#[tokio::test]
async fn a_task_that_is_spawned_otherwise_knows_nothing() {
    isolated(async |_| {
        let known = with_tenant("a", async { tokio::spawn(async { current_tenant() }).await });
        assert_eq!(known.await.unwrap(), None);
        // With nobody's cache it runs uncached.
        let task = item_changed(async { tokio::spawn(expect_outcomes(&[Bypass], item())).await });
        assert_eq!(tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap(), 1);
    })
    .await;
}
