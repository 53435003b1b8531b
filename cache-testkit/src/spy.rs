//! A store that tells a test what was asked of it, and fails or waits when the test says so.

mod operation;
mod script;

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use cache_runtime::store::{
    Address, ScanCursor, ScannedKeys, ServerReport, Snapshot, Stamp, StampKey, StampWatcher, Store, StoreError,
    StoreErrorKind, StoreFuture, StoredValue, Swept, Ticket,
};
use tokio::sync::watch;

pub use self::operation::{Ended, Operation, OperationKind};
use self::{operation::Recording, script::Script};
use crate::{Gate, patience::within_patience};

/// Wraps any store. Clones watch over the same store: give one to the cache, and keep one.
///
/// ```
/// # use cache_runtime::{Cache, store::MemoryStore};
/// # use cache_testkit::{OperationKind, SpyStore, isolated_in};
/// # mod cache_resources { cache_runtime::resources! { answers { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "answers")]
/// # async fn answer() -> u32 { 42 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let spy = SpyStore::new(MemoryStore::new(1024 * 1024));
/// isolated_in(Cache::builder().store(spy.clone()).build(), async |_cache| {
///     answer().await;
///     spy.until_ended(OperationKind::Fill, 1).await;
///     assert_eq!(spy.count(OperationKind::Read), 1);
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SpyStore {
    store: Arc<dyn Store>,
    operations: Arc<watch::Sender<Vec<Operation>>>,
    script: Arc<Script>,
}

impl SpyStore {
    /// Watches over `store`.
    pub fn new(store: impl Store) -> Self {
        Self {
            store: Arc::new(store),
            operations: Arc::default(),
            script: Arc::default(),
        }
    }

    /// What was asked of the store so far, in order.
    pub fn operations(&self) -> Vec<Operation> {
        self.operations.borrow().clone()
    }

    /// How many operations of a kind have begun so far.
    pub fn count(&self, kind: OperationKind) -> usize {
        self.operations
            .borrow()
            .iter()
            .filter(|operation| operation.kind == kind)
            .count()
    }

    /// Returns once at least `count` operations of a kind have ended, well or not.
    ///
    /// # Panics
    ///
    /// If that takes longer than ten seconds; the message shows the operations.
    #[track_caller]
    pub fn until_ended(&self, kind: OperationKind, count: usize) -> impl Future<Output = ()> {
        let ended = move |operation: &&Operation| operation.kind == kind && operation.ended.is_some();
        self.until(move |operations| operations.iter().filter(ended).count() >= count)
    }

    /// Returns once the operations so far fulfil a condition.
    ///
    /// # Panics
    ///
    /// If that takes longer than ten seconds; the message shows the operations.
    #[track_caller]
    pub fn until(&self, mut condition: impl FnMut(&[Operation]) -> bool) -> impl Future<Output = ()> {
        let this = self.clone();
        let mut operations = self.operations.subscribe();
        within_patience(
            // The sender is alive in `this`, so this ends only with the event.
            async move { drop(operations.wait_for(|operations| condition(operations)).await) },
            move || {
                format!(
                    "a condition that the operations never fulfilled: {:#?}",
                    this.operations()
                )
            },
        )
    }

    /// Lets the next `times` operations of a kind fail, before they reach the store.
    pub fn fail_next(&self, kind: OperationKind, times: usize, error: StoreErrorKind) {
        self.script.fail(kind, times, error);
    }

    /// Lets every operation of every kind fail from now on, until [`heal`](Self::heal): a store that is gone.
    pub fn fail_all(&self, error: StoreErrorKind) {
        for kind in OperationKind::ALL {
            self.script.fail(kind, usize::MAX, error);
        }
    }

    /// No operation fails by order of the test any more.
    pub fn heal(&self) {
        self.script.heal();
    }

    /// Holds operations of a kind *before* they reach the store, until the gate is opened.
    pub fn hold(&self, kind: OperationKind) -> Gate {
        self.script.hold(kind)
    }

    /// Holds the *answers* to operations of a kind, which the store has carried out, until the gate is opened.
    pub fn hold_answer(&self, kind: OperationKind) -> Gate {
        self.script.hold_answer(kind)
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        kind: OperationKind,
        keys: Vec<String>,
        operation: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let recording = Recording::begin(&self.operations, kind, keys);
            if let Some(gate) = self.script.gate(kind) {
                gate.pass().await;
            }
            let result = match self.script.failure(kind) {
                Some(error) => Err(StoreError::new(error, format!("{kind:?} fails by order of the test"))),
                None => operation(&*self.store).await,
            };
            if let Some(gate) = self.script.answer_gate(kind) {
                gate.pass().await;
            }
            recording.end(result.as_ref().err().map(StoreError::kind));
            result
        })
    }
}

impl Store for SpyStore {
    fn description(&self) -> String {
        self.store.description()
    }

    fn namespace(&self) -> Option<&str> {
        self.store.namespace()
    }

    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        self.call(OperationKind::Read, keys_of(address), move |store| store.read(address))
    }

    fn read_many<'a>(&'a self, addresses: &'a [Arc<Address>]) -> StoreFuture<'a, Vec<Snapshot>> {
        let keys = addresses.iter().flat_map(|address| keys_of(address)).collect();
        self.call(OperationKind::ReadMany, keys, move |store| store.read_many(addresses))
    }

    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        self.call(OperationKind::ReadStamps, texts(address.stamps()), move |store| {
            store.read_stamps(address)
        })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        let keys = fresh.iter().map(|(key, _)| key.to_string()).collect();
        self.call(OperationKind::CreateStamps, keys, move |store| {
            store.create_stamps(fresh)
        })
    }

    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()> {
        let keys = vec![ticket.address().entry().to_owned()];
        self.call(OperationKind::Fill, keys, move |store| store.fill(ticket, entry, ttl))
    }

    fn fill_many<'a>(&'a self, entries: &'a [(&'a Ticket, Bytes, Duration)]) -> StoreFuture<'a, ()> {
        let keys = entries.iter().map(|(ticket, ..)| ticket.address().entry().to_owned());
        self.call(OperationKind::FillMany, keys.collect(), move |store| {
            store.fill_many(entries)
        })
    }

    fn remove_stamps<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, ()> {
        self.call(OperationKind::RemoveStamps, texts(stamps), move |store| {
            store.remove_stamps(stamps)
        })
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        self.call(OperationKind::RemoveAllStamps, Vec::new(), |store| {
            store.remove_all_stamps()
        })
    }

    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        self.call(OperationKind::WatchStamps, Vec::new(), |store| {
            store.watch_stamps(watcher)
        })
    }

    fn hold<'a>(&'a self, stamps: &'a [StampKey], writer: u64, lease: Duration) -> StoreFuture<'a, ()> {
        self.call(OperationKind::Hold, texts(stamps), move |store| {
            store.hold(stamps, writer, lease)
        })
    }

    fn release<'a>(&'a self, stamps: &'a [StampKey], writer: u64, settle: Duration) -> StoreFuture<'a, ()> {
        self.call(OperationKind::Release, texts(stamps), move |store| {
            store.release(stamps, writer, settle)
        })
    }

    fn is_held<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, bool> {
        self.call(OperationKind::IsHeld, texts(stamps), move |store| store.is_held(stamps))
    }

    fn acquire_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, bool> {
        self.call(OperationKind::AcquireLease, vec![key.to_owned()], move |store| {
            store.acquire_lease(key, holder, lasting)
        })
    }

    fn extend_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, ()> {
        self.call(OperationKind::ExtendLease, vec![key.to_owned()], move |store| {
            store.extend_lease(key, holder, lasting)
        })
    }

    fn drop_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.call(OperationKind::DropLease, vec![key.to_owned()], move |store| {
            store.drop_lease(key)
        })
    }

    fn sweep<'a>(&'a self, patterns: &'a [String]) -> StoreFuture<'a, Swept> {
        self.call(OperationKind::Sweep, patterns.to_vec(), move |store| {
            store.sweep(patterns)
        })
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<&'a ScanCursor>,
        limit: usize,
    ) -> StoreFuture<'a, ScannedKeys> {
        self.call(OperationKind::Scan, vec![pattern.to_owned()], move |store| {
            store.scan(pattern, from, limit)
        })
    }

    fn look_at<'a>(&'a self, keys: &'a [String], most: usize) -> StoreFuture<'a, Vec<Option<StoredValue>>> {
        self.call(OperationKind::LookAt, keys.to_vec(), move |store| {
            store.look_at(keys, most)
        })
    }

    fn examine(&self) -> StoreFuture<'_, Vec<ServerReport>> {
        self.call(OperationKind::Examine, Vec::new(), |store| store.examine())
    }

    fn generation(&self) -> u64 {
        self.store.generation()
    }

    fn keeps_order(&self) -> bool {
        self.store.keeps_order()
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        self.call(OperationKind::Probe, Vec::new(), |store| store.probe())
    }
}

fn texts(keys: &[StampKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn keys_of(address: &Address) -> Vec<String> {
    let mut keys = texts(address.stamps());
    keys.push(address.entry().to_owned());
    keys
}
