//! The store in Redis, through a few connections to each server, whose multiplexed handles all callers share.
//!
//! # Layout
//!
//! From the bottom up; each imports what stands above it alone.
//!
//! - `config`: where Redis is and how to connect to it. `error`, `time`: how Redis says things.
//! - `connection`: the connections to one server, pooled by `deadpool-redis`, shared, and replaced in the background.
//! - `keyspace`: which keys a server has. `read`: reads of keys, and which of them travel together.
//! - `server`: the lanes to one server, and what its probe asks about. `primary`: a server that takes writes.
//! - `cluster`: which primary has which keys. `servers`: one server or a cluster, behind one face.
//! - `commands`: what the methods of the store send, for stamps, holds, leases, sweeps and those who look at it. `watch`: changes of stamps.

mod cluster;
mod commands;
mod config;
mod connection;
mod error;
mod keyspace;
mod primary;
mod read;
mod server;
mod servers;
mod time;
mod watch;

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::redis::{Pipeline, pipe};
use bytes::Bytes;

pub use self::config::{RedisConfig, RedisConfigError};
use self::{
    commands::{examination, holds, inspection, leases, stamps, sweep},
    read::KeySet,
    server::Traffic,
    servers::Servers,
    time::millis,
};
use super::{ScanCursor, ScannedKeys, ServerReport, Snapshot, StampWatcher, Store, StoreFuture, StoredValue, Swept};
use crate::{
    entry::{Stamp, Ticket},
    key::{Address, StampKey},
};

/// Entries and stamps in Redis (6.0 or newer) or Valkey: one server, a cluster, or what sentinels watch over.
///
/// Created without a connection: connecting, and reconnecting after every kind of error, happens in the background with
/// full-jitter backoff. A call made meanwhile fails at once; it never waits for a connection.
pub struct RedisStore {
    servers: Servers,
    /// Whether there was anything to do with holds: then a probe asks for their rights, too.
    holds: AtomicBool,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("config", self.servers.config())
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// A store on what `config` names. Connects in the background, from the first call on.
    pub fn new(config: RedisConfig) -> Self {
        Self {
            servers: Servers::new(config),
            holds: AtomicBool::new(false),
        }
    }
}

impl Store for RedisStore {
    fn description(&self) -> String {
        self.servers.config().description()
    }

    fn namespace(&self) -> Option<&str> {
        self.servers.config().namespace_name()
    }

    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        Box::pin(self.servers.read(address, KeySet::StampsAndEntry))
    }

    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(async {
            let snapshot = self.servers.read(address, KeySet::Stamps).await?;
            Ok(snapshot.stamps)
        })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a StampKey, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(stamps::create(&self.servers, fresh))
    }

    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut pipeline = pipe();
            set(&mut pipeline, ticket, &entry, ttl);
            self.servers.replies(&pipeline, Traffic::Writes).await?;
            Ok(())
        })
    }

    fn read_many<'a>(&'a self, addresses: &'a [Arc<Address>]) -> StoreFuture<'a, Vec<Snapshot>> {
        Box::pin(self.servers.read_many(addresses))
    }

    fn fill_many<'a>(&'a self, entries: &'a [(&'a Ticket, Bytes, Duration)]) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if entries.is_empty() {
                return Ok(());
            }
            let mut pipeline = pipe();
            for (ticket, entry, ttl) in entries {
                set(&mut pipeline, ticket, entry, *ttl);
            }
            self.servers.replies(&pipeline, Traffic::Writes).await?;
            Ok(())
        })
    }

    fn remove_stamps<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, ()> {
        Box::pin(stamps::remove_audibly(&self.servers, Traffic::Removals, stamps))
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        Box::pin(stamps::remove_all(&self.servers))
    }

    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        Box::pin(watch::watch(&self.servers, watcher))
    }

    fn hold<'a>(&'a self, stamps: &'a [StampKey], writer: u64, stay: Duration) -> StoreFuture<'a, ()> {
        self.holds.store(true, Ordering::Relaxed);
        Box::pin(holds::enter(&self.servers, stamps, writer, stay))
    }

    fn release<'a>(&'a self, stamps: &'a [StampKey], writer: u64, settle: Duration) -> StoreFuture<'a, ()> {
        Box::pin(holds::leave(&self.servers, stamps, writer, settle))
    }

    fn is_held<'a>(&'a self, stamps: &'a [StampKey]) -> StoreFuture<'a, bool> {
        self.holds.store(true, Ordering::Relaxed);
        Box::pin(holds::anyone(&self.servers, stamps))
    }

    fn acquire_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, bool> {
        Box::pin(leases::acquire(&self.servers, key, holder, lasting))
    }

    fn extend_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, ()> {
        Box::pin(leases::extend(&self.servers, key, holder, lasting))
    }

    fn drop_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(leases::end(&self.servers, key))
    }

    fn sweep<'a>(&'a self, patterns: &'a [String]) -> StoreFuture<'a, Swept> {
        Box::pin(sweep::sweep(&self.servers, patterns))
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<&'a ScanCursor>,
        limit: usize,
    ) -> StoreFuture<'a, ScannedKeys> {
        Box::pin(inspection::scan_page(&self.servers, pattern, from, limit))
    }

    fn look_at<'a>(&'a self, keys: &'a [String], most: usize) -> StoreFuture<'a, Vec<Option<StoredValue>>> {
        Box::pin(inspection::look_at(&self.servers, keys, most))
    }

    fn examine(&self) -> StoreFuture<'_, Vec<ServerReport>> {
        Box::pin(examination::examine(&self.servers))
    }

    fn keeps_order(&self) -> bool {
        !self.servers.keys_may_move()
    }

    fn generation(&self) -> u64 {
        self.servers.generation()
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.servers.probe(self.holds.load(Ordering::Relaxed)))
    }
}

fn set(pipeline: &mut Pipeline, ticket: &Ticket, entry: &[u8], ttl: Duration) {
    pipeline
        .cmd("SET")
        .arg(ticket.address().entry())
        .arg(entry)
        .arg("PX")
        .arg(millis(ttl));
}
