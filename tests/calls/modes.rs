//! `refresh`, `bypass` and `peek`: what calls inside take from the cache and leave there.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{self, Bypass, Hit, Miss, NearHit, Refreshed, StaleHit},
    bypass, cached, invalidates, peek, refresh, spawn, transaction,
};
use cache_testkit::{
    Gate, LoadCounter, OperationKind, RedisServer, assert_loads, expect_outcomes, isolated, isolated_in, isolated_on,
    until,
};
use futures_util::{FutureExt as _, future::join_all};
use support::{outcome_of, spy};
use tokio::task::JoinSet;

/// A database of one row, in which somebody writes who tells nobody.
#[derive(Debug, Clone)]
struct Shelf {
    row: Arc<AtomicU32>,
    loads: LoadCounter,
    /// Loads wait here, with what they have read.
    gate: Gate,
}

impl Shelf {
    fn new() -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            row: Arc::default(),
            loads: LoadCounter::new(),
            gate,
        }
    }

    fn write(&self, row: u32) {
        self.row.store(row, Ordering::SeqCst);
    }

    async fn read(&self) -> u32 {
        self.loads.record();
        let row = self.row.load(Ordering::SeqCst);
        self.gate.pass().await;
        row
    }

    #[cached(resource = "shelf")]
    async fn row(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "shelf_near", near = "tracked")]
    async fn near(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "shelf_checked", near = "checked")]
    async fn checked(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "shelf_leased", lease = "1m")]
    async fn leased(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "shelf_limited")]
    async fn limited(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "shelf_safe")]
    async fn safe(&self) -> u32 {
        self.read().await
    }

    #[cached(resource = "shelf_fallible")]
    async fn fallible(&self) -> Result<u32, u32> {
        match self.read().await {
            row if row < 100 => Ok(row),
            row => Err(row),
        }
    }

    #[cached(resource = "shelf_above")]
    async fn above(&self) -> u32 {
        self.row().await + 1000
    }

    #[invalidates("shelf", "shelf_safe")]
    async fn put(&self, row: u32) {
        self.write(row);
    }

    /// A mutation that calls back while it is under way.
    #[invalidates("shelf_safe")]
    async fn during_a_mutation<T>(&self, inside: impl Future<Output = T>) -> T {
        inside.await
    }
}

#[tokio::test]
async fn a_refresh_loads_whatever_is_stored_and_what_it_loads_is_found_by_others() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        expect_outcomes(&[Miss], shelf.row()).await;
        shelf.write(1);
        assert_eq!(expect_outcomes(&[Hit], shelf.row()).await, 0);
        assert_eq!(expect_outcomes(&[Refreshed], refresh(shelf.row())).await, 1);
        assert_eq!(expect_outcomes(&[Hit], shelf.row()).await, 1);
        assert_loads(&shelf.loads, 2);
        let stats = cache.stats();
        assert_eq!((stats.refreshed, stats.fills, stats.misses, stats.hits), (1, 2, 1, 2));
    })
    .await;
}

#[tokio::test]
async fn a_refresh_of_what_is_not_stored_stores_it() {
    isolated(async |_| {
        let shelf = Shelf::new();
        expect_outcomes(&[Refreshed], refresh(shelf.row())).await;
        expect_outcomes(&[Hit], shelf.row()).await;
        shelf.put(1).await;
        expect_outcomes(&[Refreshed], refresh(shelf.row())).await;
        assert_eq!(expect_outcomes(&[Hit], shelf.row()).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_asks_for_stamps_and_not_for_the_entry() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let shelf = Shelf::new();
        shelf.row().await;
        let reads = spy.count(OperationKind::Read);
        refresh(shelf.row()).await;
        assert_eq!(spy.count(OperationKind::Read), reads);
        assert_eq!(spy.count(OperationKind::ReadStamps), 1);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_replaces_near_values_and_uses_none() {
    isolated(async |_| {
        let shelf = Shelf::new();
        until("the near cache answers", async || {
            outcome_of(shelf.near()).await.1 == NearHit
        })
        .await;
        shelf.checked().await;
        shelf.write(1);
        expect_outcomes(&[NearHit], shelf.checked()).await;
        assert_eq!(expect_outcomes(&[Refreshed], refresh(shelf.near())).await, 1);
        assert_eq!(expect_outcomes(&[Refreshed], refresh(shelf.checked())).await, 1);
        assert_eq!(expect_outcomes(&[NearHit], shelf.near()).await, 1);
        assert_eq!(expect_outcomes(&[NearHit], shelf.checked()).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_is_joined_with_no_load_that_began_before_it() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        shelf.gate.close();
        let before = spawn({
            let shelf = shelf.clone();
            async move { shelf.row().await }
        });
        shelf.loads.until(1).await;
        shelf.write(1);
        let anew = spawn({
            let shelf = shelf.clone();
            async move { refresh(shelf.row()).await }
        });
        shelf.loads.until(2).await;
        shelf.gate.open();
        assert_eq!(before.await.unwrap(), 0);
        assert_eq!(anew.await.unwrap(), 1);
        assert_eq!(cache.stats().shared_loads, 0);
    })
    .await;
}

#[tokio::test]
async fn a_load_that_began_before_a_refresh_does_not_fill_over_what_that_has_filled() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        shelf.gate.close();
        let mut before = Box::pin(shelf.row());
        assert!(before.as_mut().now_or_never().is_none());
        shelf.write(1);
        shelf.gate.open();
        assert_eq!(refresh(shelf.row()).await, 1);
        assert_eq!(before.await, 0, "its caller asked before");
        assert_eq!(cache.stats().fills, 1);
        assert_eq!(expect_outcomes(&[Hit], shelf.row()).await, 1);
    })
    .await;
}

#[tokio::test]
async fn who_misses_during_a_refresh_waits_for_its_load() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        shelf.gate.close();
        let tasks: Vec<_> = [true, false, false]
            .map(|anew| {
                let shelf = shelf.clone();
                spawn(async move {
                    if anew {
                        refresh(shelf.row()).await
                    } else {
                        shelf.loads.until(1).await;
                        shelf.row().await
                    }
                })
            })
            .into();
        until("two wait", async || cache.stats().misses == 2).await;
        shelf.gate.open();
        for row in join_all(tasks).await {
            assert_eq!(row.unwrap(), 0);
        }
        assert_loads(&shelf.loads, 1);
        assert_eq!(cache.stats().shared_loads, 2);
    })
    .await;
}

#[tokio::test]
async fn what_a_refresh_loaded_before_an_invalidation_is_never_served_after_it() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.gate.close();
        let mut anew = Box::pin(refresh(shelf.row()));
        assert!(anew.as_mut().now_or_never().is_none());
        shelf.put(1).await;
        shelf.gate.open();
        assert_eq!(anew.await, 0);
        assert_eq!(expect_outcomes(&[Miss], shelf.row()).await, 1);
    })
    .await;
}

#[tokio::test]
async fn the_entry_stays_when_a_refresh_fails() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.fallible().await.unwrap();
        shelf.write(100);
        assert_eq!(refresh(shelf.fallible()).await, Err(100));
        assert_eq!(expect_outcomes(&[Hit], shelf.fallible()).await, Ok(0));
    })
    .await;
}

#[tokio::test]
async fn a_refresh_does_not_wait_for_the_lease_of_another_process() {
    let server = RedisServer::start().expect("a server");
    isolated_on(&server, async |_| {
        let shelf = Shelf::new();
        shelf.gate.close();
        let mut elsewhere = Box::pin(isolated_on(&server, async |_| shelf.leased().await));
        tokio::select! {
            _ = &mut elsewhere => unreachable!("the gate is closed"),
            () = shelf.loads.until(1) => {}
        }
        shelf.write(1);
        shelf.gate.open();
        assert_eq!(refresh(shelf.leased()).await, 1);
        elsewhere.await;
    })
    .await;
}

#[tokio::test]
async fn a_refresh_waits_for_its_turn_and_loads_then_although_the_entry_is_there() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        shelf.gate.close();
        let mut first = Box::pin(shelf.limited());
        assert!(first.as_mut().now_or_never().is_none());
        let mut anew = Box::pin(refresh(shelf.limited()));
        assert!(anew.as_mut().now_or_never().is_none());
        assert_eq!(cache.stats().queued_loads, 1);
        shelf.write(1);
        shelf.gate.open();
        first.await;
        assert_eq!(anew.await, 1);
        assert_loads(&shelf.loads, 2);
    })
    .await;
}

#[tokio::test]
async fn calls_inside_of_a_body_that_is_refreshed_load_anew_too() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.above().await;
        shelf.write(1);
        let anew = expect_outcomes(&[Refreshed, Refreshed], refresh(shelf.above())).await;
        assert_eq!(anew, 1001);
        assert_eq!(expect_outcomes(&[Hit], shelf.row()).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_refreshed_body_that_calls_itself_ends_and_stores_nothing_inside() {
    #[cached(resource = "shelf_circle", independent(depth))]
    async fn circle(depth: &AtomicU32) -> u32 {
        match depth.fetch_add(1, Ordering::SeqCst) {
            0 => Box::pin(circle(depth)).await + 10,
            depth => depth,
        }
    }
    isolated(async |cache| {
        assert_eq!(refresh(circle(&AtomicU32::new(0))).await, 11);
        assert_eq!(cache.stats().fills, 1);
        assert_eq!(expect_outcomes(&[Hit], circle(&AtomicU32::new(0))).await, 11);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_fills_nothing_while_a_writer_is_in_a_hold() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        expect_outcomes(&[Refreshed], refresh(shelf.safe())).await;
        expect_outcomes(&[Hit], shelf.safe()).await;
        let other = spawn(isolated_in(cache.clone(), {
            let shelf = shelf.clone();
            async move |_| shelf.during_a_mutation(pending::<()>()).await
        }));
        until("the hold is taken", async || outcome_of(shelf.safe()).await.1 != Hit).await;
        let fills = cache.stats().fills;
        refresh(shelf.safe()).await;
        assert_eq!(cache.stats().fills, fills);
        other.abort();
    })
    .await;
}

#[tokio::test]
async fn inside_of_a_transaction_a_refresh_leaves_nothing_behind() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        let inside = async { Ok::<_, ()>(expect_outcomes(&[Bypass], refresh(shelf.row())).await) };
        transaction(inside).await.unwrap();
        assert_eq!(cache.stats().fills, 0);
    })
    .await;
}

#[tokio::test]
async fn a_bypassed_call_reads_nothing_and_fills_nothing() {
    use OperationKind::{CreateStamps, Fill, Read, ReadStamps};
    let spy = spy();
    let asked = || [CreateStamps, Fill, Read, ReadStamps].map(|kind| spy.count(kind));
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let shelf = Shelf::new();
        expect_outcomes(&[Bypass], bypass(shelf.row())).await;
        assert_eq!(asked(), [0; 4]);
        shelf.row().await;
        shelf.write(1);
        let before = asked();
        assert_eq!(expect_outcomes(&[Bypass, Bypass], bypass(shelf.above())).await, 1001);
        assert_eq!(asked(), before);
        assert_eq!(expect_outcomes(&[Hit], shelf.row()).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_peek_gives_what_is_there_near_or_in_the_store() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.row().await;
        until("the near cache answers", async || {
            outcome_of(shelf.near()).await.1 == NearHit
        })
        .await;
        assert_eq!(expect_outcomes(&[Hit], peek(shelf.row())).await, Some(0));
        assert_eq!(expect_outcomes(&[NearHit], peek(shelf.near())).await, Some(0));
        let both = peek(async { (shelf.row().await, shelf.near().await) });
        assert_eq!(both.await, Some((0, 0)));
    })
    .await;
}

#[tokio::test]
async fn the_first_call_of_a_peek_that_would_have_to_load_ends_it_and_no_body_runs() {
    isolated(async |cache| {
        let shelf = Shelf::new();
        shelf.row().await;
        let (mut before, mut after) = (0, 0);
        let look = peek(async {
            shelf.row().await;
            before += 1;
            shelf.above().await;
            after += 1;
        });
        assert_eq!(expect_outcomes(&[Hit, Miss], look).await, None);
        assert_eq!((before, after), (1, 0));
        assert_loads(&shelf.loads, 1);
        assert_eq!(cache.stats().loads, 1);
    })
    .await;
}

#[tokio::test]
async fn a_peek_ends_although_its_future_would_have_gone_another_way() {
    isolated(async |_| {
        let shelf = Shelf::new();
        let either = peek(async {
            tokio::select! {
                biased;
                row = shelf.row() => row,
                () = std::future::ready(()) => 7,
            }
        });
        assert_eq!(either.await, None);
    })
    .await;
}

#[tokio::test]
async fn a_peek_does_not_wait_for_a_load_under_way() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.gate.close();
        let mut load = Box::pin(shelf.row());
        assert!(load.as_mut().now_or_never().is_none());
        assert_eq!(peek(shelf.row()).await, None);
        shelf.gate.open();
        load.await;
    })
    .await;
}

#[tokio::test]
async fn what_was_invalidated_is_not_given_by_a_peek() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.row().await;
        shelf.put(1).await;
        assert_eq!(peek(shelf.row()).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_peek_runs_no_body_without_a_cache_or_inside_of_a_transaction() {
    let shelf = Shelf::new();
    isolated_in(Cache::disabled(), async |_| {
        assert_eq!(peek(shelf.row()).await, None);
    })
    .await;
    isolated(async |_| {
        shelf.row().await;
        let inside = async { Ok::<_, ()>(peek(shelf.row()).await) };
        assert_eq!(transaction(inside).await, Ok(None));
    })
    .await;
    assert_loads(&shelf.loads, 1);
}

#[tokio::test]
async fn the_innermost_mode_counts() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.row().await;
        shelf.write(1);
        assert_eq!(refresh(peek(shelf.row())).await, Some(0));
        assert_eq!(expect_outcomes(&[Bypass], refresh(bypass(shelf.row()))).await, 1);
        assert_eq!(
            refresh(peek(shelf.row())).await,
            Some(0),
            "the bypass has filled nothing"
        );
        assert_eq!(
            expect_outcomes(&[Refreshed], peek(bypass(refresh(shelf.row())))).await,
            Some(1)
        );
        let both = refresh(async { (bypass(async {}).await, shelf.row().await) });
        expect_outcomes(&[Refreshed], both).await;
        expect_outcomes(&[Hit], shelf.row()).await;
    })
    .await;
}

#[tokio::test]
async fn spawned_tasks_inherit_a_refresh_and_a_bypass() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.row().await;
        let spawned = |expected: Outcome| {
            let shelf = shelf.clone();
            async move { spawn(async move { expect_outcomes(&[expected], shelf.row()).await }).await }
        };
        refresh(spawned(Refreshed)).await.unwrap();
        bypass(spawned(Bypass)).await.unwrap();
        spawned(Hit).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_task_inside_of_a_peek_ends_it_and_is_aborted_with_it_before_it_loads() {
    isolated(async |_| {
        let shelf = Shelf::new();
        let look = peek(async {
            let mut tasks = JoinSet::new();
            for _ in 0..3 {
                let shelf = shelf.clone();
                tasks.spawn(cache_runtime::in_current_context(async move { shelf.row().await }));
            }
            tasks.join_all().await
        });
        assert_eq!(look.await, None);
        tokio::task::yield_now().await;
        assert_loads(&shelf.loads, 0);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_a_peek_leaves_behind_goes_on_without_it() {
    isolated(async |_| {
        let shelf = Shelf::new();
        let mut left_behind = None;
        let look = peek(async {
            let shelf = shelf.clone();
            left_behind = Some(spawn(async move { (shelf.row().await, shelf.row().await) }));
            pending::<()>().await;
        });
        assert_eq!(look.await, None);
        assert_eq!(left_behind.unwrap().await.unwrap(), (0, 0));
        assert_loads(&shelf.loads, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_value_past_its_time_is_not_there_for_a_peek() {
    isolated(async |_| {
        let shelf = Shelf::new();
        shelf.row().await;
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(peek(shelf.row()).await, None);
    })
    .await;
}

/// The clock of entries is the system's, so what has a short time is waited for.
#[tokio::test]
async fn a_peek_may_give_a_value_past_its_time_within_its_window_and_nothing_is_loaded_in_its_place() {
    #[cached(resource = "shelf_stale", ttl = "1ms", stale_while_revalidate = "1h", skip(shelf))]
    async fn old_row(shelf: Shelf) -> u32 {
        shelf.read().await
    }
    isolated(async |cache| {
        let shelf = Shelf::new();
        old_row(shelf.clone()).await;
        until("its time is over", async || {
            let (row, outcome) = outcome_of(peek(old_row(shelf.clone()))).await;
            assert_eq!(row, Some(0));
            outcome == StaleHit
        })
        .await;
        assert_eq!((cache.stats().loads, cache.stats().refreshes), (1, 0));
        shelf.write(1);
        assert_eq!(refresh(old_row(shelf.clone())).await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_invalidated_softly_is_not_there_for_a_peek_which_loads_nothing() {
    #[cached(resource = "shelf_soft", stale_while_revalidate, skip(shelf))]
    async fn soft_row(shelf: Shelf) -> u32 {
        shelf.read().await
    }
    isolated(async |cache| {
        let shelf = Shelf::new();
        soft_row(shelf.clone()).await;
        cache.invalidate("shelf_soft").soft().await.unwrap();
        assert_eq!(peek(soft_row(shelf.clone())).await, None);
        assert_eq!(expect_outcomes(&[StaleHit], soft_row(shelf.clone())).await, 0);
        shelf.loads.until(2).await;
    })
    .await;
}
