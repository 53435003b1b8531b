//! Redis, through a few connections to each server that `deadpool-redis` creates and bounds and whose multiplexed handles all callers
//! share. See `docs/decisions/0002-shared-handles.md` for why no call checks a connection out of the pool.

mod attempts;
mod cluster;
mod config;
mod connector;
mod error;
mod holds;
mod lane;
mod leases;
mod reads;
mod removals;
mod rights;
mod server;
mod servers;
mod stamps;
mod sweep;
mod watch;

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ::redis::pipe;
use bytes::Bytes;

pub use self::config::{RedisConfig, RedisConfigError};
use self::{reads::Wanted, server::Lanes, servers::Servers};
use super::{Snapshot, StampWatcher, Store, StoreFuture, Swept};
use crate::{
    entry::{Stamp, Ticket},
    key::Address,
};

/// Entries and stamps in Redis (6.0 or newer) or Valkey: one server, a cluster, or what sentinels watch over.
///
/// Created without a connection: connecting, and reconnecting after every kind of error, happens in the background with
/// full-jitter backoff. A call made meanwhile fails at once; it never waits for a connection.
pub struct RedisStore {
    config: RedisConfig,
    servers: Servers,
    /// Whether there was anything to do with holds: then a probe asks for their rights, too.
    holds: AtomicBool,
    /// How many connections there have been, and failovers that were seen otherwise.
    generations: Arc<AtomicU64>,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// A store on what `config` names. Connects in the background, from the first call on.
    pub fn new(config: RedisConfig) -> Self {
        let generations = Arc::new(AtomicU64::new(0));
        Self {
            servers: Servers::new(&config, &generations),
            config,
            holds: AtomicBool::new(false),
            generations,
        }
    }
}

impl Store for RedisStore {
    fn description(&self) -> String {
        self.config.description()
    }

    fn namespace(&self) -> Option<&str> {
        self.config.namespace_name()
    }

    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        Box::pin(self.servers.read(address, Wanted::StampsAndEntry))
    }

    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(async {
            let snapshot = self.servers.read(address, Wanted::Stamps).await?;
            Ok(snapshot.stamps)
        })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a str, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(stamps::create(&self.servers, fresh))
    }

    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut pipeline = pipe();
            pipeline
                .cmd("SET")
                .arg(ticket.address().entry())
                .arg(&entry[..])
                .arg("PX")
                .arg(millis(ttl));
            self.servers.replies(&pipeline, Lanes::Writes).await?;
            Ok(())
        })
    }

    fn remove_stamps<'a>(&'a self, stamps: &'a [String]) -> StoreFuture<'a, ()> {
        Box::pin(stamps::remove_audibly(&self.servers, Lanes::Removals, stamps))
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        Box::pin(stamps::remove_all(self))
    }

    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        Box::pin(watch::watch(self, watcher))
    }

    fn hold<'a>(&'a self, stamps: &'a [String], writer: u64, stay: Duration) -> StoreFuture<'a, ()> {
        self.holds.store(true, Ordering::Relaxed);
        Box::pin(holds::enter(&self.servers, stamps, writer, stay))
    }

    fn release<'a>(&'a self, stamps: &'a [String], writer: u64, settle: Duration) -> StoreFuture<'a, ()> {
        Box::pin(holds::leave(&self.servers, stamps, writer, settle))
    }

    fn is_held<'a>(&'a self, stamps: &'a [String]) -> StoreFuture<'a, bool> {
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

    fn sweep<'a>(&'a self, pattern: &'a str) -> StoreFuture<'a, Swept> {
        Box::pin(sweep::sweep(&self.servers, pattern))
    }

    fn generation(&self) -> u64 {
        self.generations.load(Ordering::SeqCst)
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.servers.probe(self.holds.load(Ordering::Relaxed)))
    }
}

/// At least one: Redis refuses `PX 0`.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, i64::MAX as u64 / 2)
}
