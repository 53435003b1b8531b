//! What calls and mutations cost: the round trips of docs/guarantees.md. Each operation of the store is one.

use cache_runtime::{Cache, Outcome, cached, invalidates};
use cache_testkit::{LoadCounter, OperationKind, PATIENCE, SpyStore, expect_outcomes, isolated_in, until};
use support::spy;

#[cached(resource = "plain", skip(loads))]
async fn answer(question: u32, loads: &LoadCounter) -> u32 {
    loads.record();
    question * 2
}

#[cached(resource = "plain", lease = "1m")]
async fn leased() -> u32 {
    42
}

#[cached(resource = "plain", near = "checked")]
async fn checked() -> u32 {
    42
}

#[cached(resource = "plain", near = "tracked")]
async fn tracked() -> u32 {
    42
}

#[cached(resource = "ledger")]
async fn ledger() -> u32 {
    42
}

#[invalidates("plain")]
async fn ask_anew() {}

#[invalidates("ledger")]
async fn book() {}

/// What a future asks of the store, without what the cache does in the background meanwhile.
async fn asked(spy: &SpyStore, future: impl Future) -> Vec<OperationKind> {
    let before = spy.operations().len();
    future.await;
    let background = [OperationKind::Probe, OperationKind::Sweep, OperationKind::WatchStamps];
    let operations = spy.operations().split_off(before);
    operations
        .iter()
        .map(|operation| operation.kind)
        .filter(|kind| !background.contains(kind))
        .collect()
}

/// Runs a test on a cache over a spy that can be asked.
async fn with_spy(test: impl AsyncFnOnce(&SpyStore)) {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        assert!(cache.ready(PATIENCE).await);
        test(&spy).await;
    })
    .await;
}

#[tokio::test]
async fn a_strict_call_costs_one_round_trip_and_one_more_after_an_invalidation() {
    use OperationKind::{CreateStamps, Fill, Read, RemoveStamps};
    with_spy(async |spy| {
        let loads = LoadCounter::new();
        assert_eq!(asked(spy, answer(1, &loads)).await, [Read, CreateStamps, Fill]);
        assert_eq!(asked(spy, answer(1, &loads)).await, [Read]);
        assert_eq!(asked(spy, answer(2, &loads)).await, [Read, Fill], "the stamp is there");
        assert_eq!(asked(spy, ask_anew()).await, [RemoveStamps]);
        assert_eq!(asked(spy, answer(1, &loads)).await, [Read, CreateStamps, Fill]);
    })
    .await;
}

#[tokio::test]
async fn a_lease_costs_a_load_three_round_trips_and_a_hit_none() {
    use OperationKind::{AcquireLease, CreateStamps, DropLease, Fill, Read};
    with_spy(async |spy| {
        assert_eq!(
            asked(spy, leased()).await,
            [Read, CreateStamps, AcquireLease, Read, Fill, DropLease]
        );
        assert_eq!(asked(spy, leased()).await, [Read]);
    })
    .await;
}

#[tokio::test]
async fn a_crash_safe_mutation_costs_four_round_trips_a_miss_one_more_and_a_hit_none() {
    use OperationKind::{CreateStamps, Fill, Hold, IsHeld, Read, Release, RemoveStamps};
    with_spy(async |spy| {
        assert_eq!(asked(spy, ledger()).await, [Read, CreateStamps, IsHeld, Fill]);
        assert_eq!(asked(spy, ledger()).await, [Read]);
        assert_eq!(asked(spy, book()).await, [Hold, RemoveStamps, RemoveStamps, Release]);
    })
    .await;
}

#[tokio::test]
async fn a_near_hit_costs_the_stamps_alone_if_checked_and_nothing_if_tracked() {
    use OperationKind::{CreateStamps, Fill, Read, ReadStamps};
    with_spy(async |spy| {
        assert_eq!(asked(spy, checked()).await, [Read, CreateStamps, Fill]);
        assert_eq!(asked(spy, checked()).await, [ReadStamps]);
        // The first call starts the watch; until it reports, values are checked.
        until("a tracked value asks nothing", async || {
            asked(spy, tracked()).await.is_empty()
        })
        .await;
        for _ in 0..10 {
            let hit = expect_outcomes(&[Outcome::NearHit], tracked());
            assert_eq!(asked(spy, hit).await, []);
        }
    })
    .await;
}
