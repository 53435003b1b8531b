//! The store in the memory of one process.

mod clock;
mod inspection;
mod stays;
mod watchers;

use std::{cell::Cell, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use tokio::time::Instant;

use self::{clock::moment_after, stays::Stays, watchers::Watchers};
use super::{ScanCursor, ScannedKeys, Snapshot, StampWatcher, Store, StoreFuture, StoredValue, Swept};
use crate::{
    entry::{Envelope, Stamp, Ticket},
    key::{Address, StampKey, glob},
    sync::Mutex,
};

/// How many stamps are kept. One that is evicted makes its entries misses, nothing worse.
const STAMPS: usize = 65_536;

/// What an entry takes beside its key and its bytes, roughly: its place, the hash table, the reference counts.
const ENTRY_OVERHEAD: u64 = 128;

/// Keeps entries in this process, bounded by their size: what a program without Redis uses.
///
/// Expiry is measured with [`tokio::time::Instant`], so a test that pauses tokio's clock can let entries expire.
#[derive(Debug)]
pub struct MemoryStore {
    entries: Cache<String, StoredEntry, EntryWeight>,
    stamps: Cache<StampKey, Stamp>,
    /// Held while a stamp is created, so that concurrent creators agree on one.
    creation: Mutex<()>,
    /// Whose stamps are about to change, by stamp.
    holds: Stays,
    /// Who loads for all, by lease.
    leases: Stays,
    watchers: Watchers,
}

#[derive(Debug, Clone)]
struct StoredEntry {
    expires_at: Instant,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
struct EntryWeight;

impl Weighter<String, StoredEntry> for EntryWeight {
    fn weight(&self, key: &String, entry: &StoredEntry) -> u64 {
        (key.len() + entry.bytes.len()) as u64 + ENTRY_OVERHEAD
    }
}

impl MemoryStore {
    /// A store of at most `capacity` bytes of entries.
    pub fn new(capacity: u64) -> Self {
        // A typical entry is about a kilobyte; the estimate only sizes the first allocation.
        let estimated_items = usize::try_from(capacity / 1024).unwrap_or(usize::MAX).clamp(64, 16_384);
        Self {
            entries: Cache::with_weighter(estimated_items, capacity, EntryWeight),
            stamps: Cache::new(STAMPS),
            creation: Mutex::new(()),
            holds: Stays::default(),
            leases: Stays::default(),
            watchers: Watchers::default(),
        }
    }

    /// The stamps before the entry: an entry found under stamps that were current a moment earlier is one that a read at that
    /// moment would have been given.
    fn snapshot(&self, address: &Address) -> Snapshot {
        let stamps = address.stamps().iter().map(|key| self.stamps.get(key)).collect();
        let entry = self.entry(address.entry());
        Snapshot { stamps, entry }
    }

    fn entry(&self, key: &str) -> Option<Bytes> {
        let entry = self.entries.get(key)?;
        if entry.expires_at > Instant::now() {
            return Some(entry.bytes);
        }
        self.entries.remove_if(key, |entry| entry.expires_at <= Instant::now());
        None
    }

    /// Whether every strict stamp that `entry` was loaded under is still the current one.
    fn is_alive(&self, key: &str, entry: &StoredEntry) -> bool {
        let Some((address, stamps)) = Address::parse(key).zip(Envelope::stamps_of_head(&entry.bytes)) else {
            return false;
        };
        entry.expires_at > Instant::now()
            && address.stamps().len() <= stamps.len()
            && address
                .stamps()
                .iter()
                .zip(stamps)
                .all(|(key, stamp)| self.stamps.peek(key) == Some(stamp))
    }
}

impl Store for MemoryStore {
    fn description(&self) -> String {
        "the memory of this process".to_owned()
    }

    fn keeps_order(&self) -> bool {
        true
    }

    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        let snapshot = self.snapshot(address);
        Box::pin(async { Ok(snapshot) })
    }

    fn read_many<'a>(&'a self, addresses: &'a [Arc<Address>]) -> StoreFuture<'a, Vec<Snapshot>> {
        let snapshots = addresses.iter().map(|address| self.snapshot(address)).collect();
        Box::pin(async { Ok(snapshots) })
    }

    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        let stamps = address.stamps().iter().map(|key| self.stamps.get(key)).collect();
        Box::pin(async { Ok(stamps) })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        let _creation = self.creation.lock();
        let create = |&(key, fresh): &(&StampKey, Stamp)| {
            let current = self.stamps.get(key).unwrap_or_else(|| {
                self.stamps.insert(key.to_owned(), fresh);
                fresh
            });
            Some(current)
        };
        let stamps = fresh.iter().map(create).collect();
        Box::pin(async { Ok(stamps) })
    }

    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()> {
        let stored = StoredEntry {
            expires_at: moment_after(ttl),
            bytes: entry,
        };
        self.entries.insert(ticket.address().entry().to_owned(), stored);
        Box::pin(async { Ok(()) })
    }

    fn remove_stamps<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, ()> {
        let _creation = self.creation.lock();
        for key in stamps {
            self.stamps.remove(key);
            // Whether or not it was there: an evicted stamp may live on in what a watcher keeps.
            self.watchers.changed(key);
        }
        Box::pin(async { Ok(()) })
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        let _creation = self.creation.lock();
        self.stamps.clear();
        self.watchers.all_changed();
        Box::pin(async { Ok(()) })
    }

    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        Box::pin(async {
            let _registration = self.watchers.register(watcher);
            std::future::pending().await
        })
    }

    fn hold<'a>(&'a self, stamps: &'a [StampKey], writer: u64, stay: Duration) -> StoreFuture<'a, ()> {
        for stamp in stamps {
            self.holds.stay(stamp, writer, stay);
        }
        Box::pin(async { Ok(()) })
    }

    fn release<'a>(&'a self, stamps: &'a [StampKey], writer: u64, settle: Duration) -> StoreFuture<'a, ()> {
        for stamp in stamps {
            self.holds.stay(stamp, writer, settle);
        }
        Box::pin(async { Ok(()) })
    }

    fn is_held<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, bool> {
        let held = stamps.iter().any(|stamp| self.holds.anyone(stamp));
        Box::pin(async move { Ok(held) })
    }

    fn acquire_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, bool> {
        let acquired = self.leases.stay_alone(key, holder, lasting);
        Box::pin(async move { Ok(acquired) })
    }

    fn extend_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, ()> {
        self.leases.stay_longer(key, holder, lasting);
        Box::pin(async { Ok(()) })
    }

    fn drop_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.leases.end(key);
        Box::pin(async { Ok(()) })
    }

    fn sweep<'a>(&'a self, patterns: &'a [String]) -> StoreFuture<'a, Swept> {
        // `retain` calls a shared closure.
        let (matched, removed) = (Cell::new(0), Cell::new(0));
        self.entries.retain(|key, entry| {
            if !patterns.iter().any(|pattern| glob::matches(pattern, key)) {
                return true;
            }
            matched.update(|count| count + 1);
            let alive = self.is_alive(key, entry);
            removed.update(|count| count + u64::from(!alive));
            alive
        });
        let swept = Swept::new(matched.get(), removed.get());
        Box::pin(async move { Ok(swept) })
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<&'a ScanCursor>,
        limit: usize,
    ) -> StoreFuture<'a, ScannedKeys> {
        let page = self.page(pattern, from, limit);
        Box::pin(async { Ok(page) })
    }

    fn look_at<'a>(&'a self, keys: &'a [String], most: usize) -> StoreFuture<'a, Vec<Option<StoredValue>>> {
        let values = keys.iter().map(|key| self.stored(key, most)).collect();
        Box::pin(async { Ok(values) })
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
