//! A store of the six methods that every store has: what it keeps of the contract, and what the cache makes of the rest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cache_runtime::{
    Cache,
    Outcome::{self, Bypass, Hit, Miss, NearHit},
    cached, invalidates,
    store::{Address, MemoryStore, Snapshot, Stamp, StampKey, Store, StoreFuture, Ticket},
};
use cache_testkit::{
    OperationKind, SpyStore,
    contract::{self, Capability, Subject},
    expect_outcomes, isolated_in,
};
use support::Log;
use tokio::time::Instant;
use tracing::Level;

/// Two maps, in this process.
#[derive(Debug, Default)]
struct MinimalStore {
    stamps: Mutex<HashMap<StampKey, Stamp>>,
    entries: Mutex<HashMap<String, (Bytes, Option<Instant>)>>,
}

impl Store for MinimalStore {
    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        Box::pin(async {
            let stamps = self.stamps.lock().expect("no panic holds it");
            let stamps = address.stamps().iter().map(|key| stamps.get(key).copied()).collect();
            let entries = self.entries.lock().expect("no panic holds it");
            let entry = match entries.get(address.entry()) {
                Some((_, Some(expires_at))) if *expires_at <= Instant::now() => None,
                entry => entry.map(|(bytes, _)| bytes.clone()),
            };
            Ok(Snapshot { stamps, entry })
        })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(async {
            let mut stamps = self.stamps.lock().expect("no panic holds it");
            let current = |&(key, fresh): &(&StampKey, Stamp)| Some(*stamps.entry(key.to_owned()).or_insert(fresh));
            Ok(fresh.iter().map(current).collect())
        })
    }

    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let key = ticket.address().entry().to_owned();
            let mut entries = self.entries.lock().expect("no panic holds it");
            entries.insert(key, (entry, Instant::now().checked_add(ttl)));
            Ok(())
        })
    }

    fn remove_stamps<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, ()> {
        Box::pin(async {
            let mut current = self.stamps.lock().expect("no panic holds it");
            current.retain(|key, _| !stamps.contains(key));
            Ok(())
        })
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.stamps.lock().expect("no panic holds it").clear();
            Ok(())
        })
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

const REST: [Capability; 5] = [
    Capability::Sweeps,
    Capability::Watches,
    Capability::Holds,
    Capability::Leases,
    Capability::Inspection,
];

#[tokio::test]
async fn a_store_of_six_methods_keeps_the_contract_when_it_is_said_to_do_without_the_rest() {
    contract::run(async || REST.into_iter().fold(MinimalStore::default().into(), Subject::without)).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_store_does_without_breaks_the_rules_about_it_unless_that_is_said() {
    for missing in REST {
        let others = || REST.into_iter().filter(|other| *other != missing);
        let broken =
            contract::violations(async || others().fold(MinimalStore::default().into(), Subject::without)).await;
        assert!(!broken.is_empty(), "nothing is about {missing:?}");
        for violation in broken {
            assert!(
                violation.what.contains("`Subject::without`"),
                "{missing:?}: {violation}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_store_is_wrongly_said_to_do_without_is_a_violation() {
    for there in REST {
        let broken = contract::violations(async || Subject::new(MemoryStore::new(64 << 20)).without(there)).await;
        let rules: Vec<_> = broken.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, ["what_a_store_does_without_is_unsupported"], "{there:?}");
    }
}

#[cached(resource = "tags")]
async fn row(id: u32) -> u32 {
    id
}

#[cached(resource = "tags", lease)]
async fn leased_row(id: u32) -> u32 {
    id
}

#[cached(resource = "tags", near = "tracked")]
async fn near_row(id: u32) -> u32 {
    id
}

#[invalidates("tags")]
async fn change_rows() {}

#[cached(resource = "safe")]
async fn balance() -> u32 {
    7
}

#[invalidates("safe")]
async fn change_ledger() {}

/// That one line was said at warn.
#[track_caller]
fn assert_said_once(log: &Log, expected: &str) {
    let said = log.at(Level::WARN);
    assert!(
        matches!(&said[..], [line] if line.contains(expected)),
        "expected one line with {expected:?}, not {said:#?}"
    );
}

/// Calls on a store of six methods, and what it was asked.
async fn on_a_minimal_store(calls: impl AsyncFnOnce(&SpyStore)) {
    let spy = SpyStore::new(MinimalStore::default());
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_cache| {
        calls(&spy).await;
    })
    .await;
}

async fn expect(outcome: Outcome, call: impl Future<Output = u32>) {
    expect_outcomes(&[outcome], call).await;
}

#[tokio::test]
async fn six_methods_are_enough_to_cache_and_to_invalidate() {
    on_a_minimal_store(async |_spy| {
        for _ in 0..3 {
            expect(Miss, row(1)).await;
            expect(Hit, row(1)).await;
            change_rows().await;
        }
    })
    .await;
}

#[tokio::test]
async fn without_holds_results_of_crash_safe_resources_are_not_stored_which_is_said_once() {
    let (log, _guard) = Log::start();
    on_a_minimal_store(async |spy| {
        for _ in 0..3 {
            expect(Bypass, balance()).await;
            change_ledger().await;
        }
        assert_eq!(spy.count(OperationKind::Fill), 0);
        assert_eq!(spy.count(OperationKind::Hold), 3, "it may have come to be there");
    })
    .await;
    assert_said_once(&log, "results of crash_safe resources are not stored");
}

#[tokio::test]
async fn without_leases_each_process_loads_for_itself_which_is_said_once() {
    let (log, _guard) = Log::start();
    on_a_minimal_store(async |spy| {
        for id in 0..3 {
            expect(Miss, leased_row(id)).await;
            expect(Hit, leased_row(id)).await;
        }
        assert_eq!(spy.count(OperationKind::AcquireLease), 3);
        assert_eq!(spy.count(OperationKind::DropLease), 0);
    })
    .await;
    assert_said_once(&log, "each process loads for itself");
}

#[tokio::test(start_paused = true)]
async fn without_sweeps_entries_stay_until_their_time_is_over_which_is_said_once() {
    let (log, _guard) = Log::start();
    on_a_minimal_store(async |spy| {
        for sweeps in 1..4 {
            expect(Miss, row(1)).await;
            change_rows().await;
            spy.until_ended(OperationKind::Sweep, sweeps).await;
        }
    })
    .await;
    assert_said_once(&log, "what was invalidated stays in it until its time is over");
}

#[tokio::test]
async fn without_a_watch_tracked_values_are_checked_which_is_said_once() {
    let (log, _guard) = Log::start();
    on_a_minimal_store(async |spy| {
        expect(Miss, near_row(1)).await;
        spy.until_ended(OperationKind::WatchStamps, 1).await;
        for checked in 1..4 {
            expect(NearHit, near_row(1)).await;
            assert_eq!(spy.count(OperationKind::ReadStamps), checked);
        }
        change_rows().await;
        expect(Miss, near_row(1)).await;
    })
    .await;
    assert_said_once(&log, "changes of stamps are not reported");
}
