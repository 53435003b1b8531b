//! The spy tells what was asked of the store, and does what the test orders.

use std::sync::Arc;

use cache_runtime::{
    Cache, Outcome, cached,
    protocol::{self, Identity, Reading},
    store::{Address, MemoryStore, Stamp, Store, StoreErrorKind},
};
use cache_testkit::{Ended, Gate, LoadCounter, OperationKind, SpyStore, assert_loads, expect_outcomes, isolated_in};

#[cached(resource = "answers", skip(loads))]
async fn answer(question: u32, loads: &LoadCounter) -> u32 {
    loads.record();
    question * 2
}

fn spy() -> SpyStore {
    SpyStore::new(MemoryStore::new(1024 * 1024))
}

fn address() -> Arc<Address> {
    Arc::new(Address::new("t", "r", &[], "h"))
}

#[tokio::test]
async fn every_operation_is_written_down_with_its_keys_and_its_end() {
    let (spy, address) = (spy(), address());
    spy.read(&address).await.unwrap();
    spy.sweep(&["cache:t:*".to_owned()]).await.unwrap();
    let [read, sweep] = spy.operations().try_into().unwrap();
    assert_eq!((read.kind, sweep.kind), (OperationKind::Read, OperationKind::Sweep));
    assert_eq!(read.keys, ["cachestamp:t:r", "cache:t:r:h"]);
    assert_eq!(sweep.keys, ["cache:t:*"]);
    assert_eq!(read.ended, Some(Ended::Done));
    assert_eq!((spy.count(OperationKind::Read), spy.count(OperationKind::Fill)), (1, 0));
}

#[tokio::test]
async fn ordered_failures_happen_as_often_as_ordered_and_never_reach_the_store() {
    let (spy, address) = (spy(), address());
    spy.fail_next(OperationKind::CreateStamps, 2, StoreErrorKind::Unavailable);
    let identity = Identity {
        fingerprint: [0; 16],
        shape: 0,
    };
    for _ in 0..2 {
        let error = protocol::read(&spy, &address, &identity).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(spy.read(&address).await.unwrap().stamps, [None]);
    }
    let reading = protocol::read(&spy, &address, &identity).await.unwrap();
    assert!(matches!(reading, Reading::Miss { ticket: Some(_), .. }));
    let failed = Some(Ended::Failed(StoreErrorKind::Unavailable));
    assert_eq!(
        spy.operations()
            .iter()
            .filter(|operation| operation.ended == failed)
            .count(),
        2
    );
}

#[tokio::test]
async fn a_store_that_is_gone_comes_back_when_it_is_healed() {
    let spy = spy();
    spy.fail_all(StoreErrorKind::Timeout);
    for _ in 0..3 {
        assert_eq!(spy.probe().await.unwrap_err().kind(), StoreErrorKind::Timeout);
    }
    spy.heal();
    spy.probe().await.unwrap();
}

#[tokio::test]
async fn a_held_operation_has_not_reached_the_store_and_a_held_answer_has() {
    for (hold, reached) in [
        (SpyStore::hold as fn(&SpyStore, OperationKind) -> Gate, false),
        (SpyStore::hold_answer, true),
    ] {
        let (spy, address) = (spy(), address());
        let gate = hold(&spy, OperationKind::CreateStamps);
        let created = tokio::spawn({
            let (spy, key) = (spy.clone(), address.stamps()[0].clone());
            async move { spy.create_stamps(&[(&key, Stamp::random().unwrap())]).await.map(drop) }
        });
        gate.until_waiting(1).await;
        assert_eq!(spy.read(&address).await.unwrap().stamps[0].is_some(), reached);
        gate.open();
        created.await.unwrap().unwrap();
        assert!(spy.read(&address).await.unwrap().stamps[0].is_some());
    }
}

#[tokio::test]
async fn a_dropped_operation_is_written_down_as_dropped() {
    let spy = spy();
    let gate = spy.hold(OperationKind::Probe);
    let probe = tokio::spawn({
        let spy = spy.clone();
        async move { spy.probe().await }
    });
    gate.until_waiting(1).await;
    assert_eq!(spy.operations()[0].ended, None);
    probe.abort();
    spy.until_ended(OperationKind::Probe, 1).await;
    assert_eq!(spy.operations()[0].ended, Some(Ended::Dropped));
    assert_eq!(gate.waiting(), 0);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a condition that the operations never fulfilled")]
async fn an_event_that_does_not_come_is_given_up_with_what_was_awaited() {
    spy().until_ended(OperationKind::Fill, 1).await;
}

#[tokio::test]
async fn a_cache_over_a_spy_shows_what_a_call_costs() {
    let (spy, loads) = (spy(), LoadCounter::new());
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_cache| {
        expect_outcomes(&[Outcome::Miss], answer(21, &loads)).await;
        spy.until_ended(OperationKind::Fill, 1).await;
        let before = spy.count(OperationKind::Read);
        expect_outcomes(&[Outcome::Hit], answer(21, &loads)).await;
        assert_eq!(spy.count(OperationKind::Read) - before, 1, "a hit is one read");
        assert_eq!(spy.count(OperationKind::Fill), 1);
        assert_loads(&loads, 1);
    })
    .await;
}
