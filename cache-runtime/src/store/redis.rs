//! Redis, through a few connections that `deadpool-redis` creates and bounds and whose multiplexed handles all callers
//! share. See `docs/decisions/0002-shared-handles.md` for why no call checks a connection out of the pool.

mod config;
mod error;
mod holds;
mod lane;
mod leases;
mod reads;
mod removals;
mod stamps;
mod sweep;
mod watch;

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::redis::{Cmd, cmd};
use bytes::Bytes;
use futures_util::future::join_all;

pub use self::config::RedisConfig;
use self::{
    lane::Lane,
    reads::{Reads, Wanted},
    removals::Removals,
};
use super::{Snapshot, StampWatcher, Store, StoreFuture, Swept};
use crate::{
    key::Address,
    stamp::{Stamp, Ticket},
};

/// The key that a probe removes. It never exists.
const PROBE: &str = "cachestamp:~probe";

/// Entries and stamps in one Redis (6.0 or newer) or Valkey server.
///
/// Created without a connection: connecting, and reconnecting after every kind of error, happens in the background with
/// full-jitter backoff. A call made meanwhile fails at once; it never waits for a connection.
pub struct RedisStore {
    config: RedisConfig,
    lanes: Vec<Arc<Lane>>,
    reads: Vec<Arc<Reads>>,
    /// `None` without replicas to wait for: then every lane that carries writes removes stamps.
    removals: Option<Removals>,
    next_read: AtomicUsize,
    next_write: AtomicUsize,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// A store on the server that `config` names. Connects in the background, from the first call on.
    pub fn new(config: RedisConfig) -> Self {
        let pool = config.pool();
        let lanes: Vec<_> = (0..config.connections())
            .map(|_| Arc::new(Lane::new(pool.clone(), &config)))
            .collect();
        // Half of the connections carry reads, so that a large entry on its way in never stands before a small read.
        let reading = lanes.len().div_ceil(2);
        let reads = lanes[..reading]
            .iter()
            .map(|lane| Arc::new(Reads::new(Arc::clone(lane))))
            .collect();
        let replicas = config.replicas_to_wait_for();
        let removals = (replicas > 0).then(|| Removals::new(Arc::new(Lane::new(pool, &config)), replicas));
        Self {
            config,
            lanes,
            reads,
            removals,
            next_read: AtomicUsize::new(0),
            next_write: AtomicUsize::new(reading),
        }
    }

    fn read_lane(&self) -> &Arc<Reads> {
        &self.reads[self.next_read.fetch_add(1, Ordering::Relaxed) % self.reads.len()]
    }

    fn write_lane(&self) -> &Arc<Lane> {
        let writing = match self.lanes.get(self.reads.len()..) {
            None | Some([]) => &self.lanes[..],
            Some(lanes) => lanes,
        };
        &writing[self.next_write.fetch_add(1, Ordering::Relaxed) % writing.len()]
    }
}

fn unlink(keys: &[impl AsRef<str>]) -> Cmd {
    let mut command = cmd("UNLINK");
    for key in keys {
        command.arg(key.as_ref());
    }
    command
}

impl Store for RedisStore {
    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        Box::pin(self.read_lane().read(address, Wanted::StampsAndEntry))
    }

    fn read_stamps<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(async {
            let snapshot = self.read_lane().read(address, Wanted::Stamps).await?;
            Ok(snapshot.stamps)
        })
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a str, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(stamps::create(self.write_lane(), fresh))
    }

    fn fill<'a>(&'a self, ticket: &'a Ticket, entry: Bytes, ttl: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut command = cmd("SET");
            command
                .arg(ticket.address().entry())
                .arg(&entry[..])
                .arg("PX")
                .arg(millis(ttl));
            self.write_lane()
                .run(async |mut connection| command.exec_async(&mut connection).await)
                .await
        })
    }

    fn remove_stamps<'a>(&'a self, stamps: &'a [String]) -> StoreFuture<'a, ()> {
        match &self.removals {
            Some(removals) => Box::pin(removals.remove(stamps)),
            None => Box::pin(stamps::remove(self.write_lane(), stamps)),
        }
    }

    fn remove_all_stamps(&self) -> StoreFuture<'_, ()> {
        match &self.removals {
            Some(removals) => Box::pin(removals.remove_all()),
            None => Box::pin(stamps::remove_all(self.write_lane())),
        }
    }

    fn watch_stamps(&self, watcher: Arc<dyn StampWatcher>) -> StoreFuture<'_, Infallible> {
        Box::pin(watch::watch(self, watcher))
    }

    fn hold<'a>(&'a self, stamps: &'a [String], writer: u64, lease: Duration) -> StoreFuture<'a, ()> {
        Box::pin(holds::enter(self.write_lane(), stamps, writer, lease))
    }

    fn release<'a>(&'a self, stamps: &'a [String], writer: u64, settle: Duration) -> StoreFuture<'a, ()> {
        Box::pin(holds::leave(self.write_lane(), stamps, writer, settle))
    }

    fn is_held<'a>(&'a self, stamps: &'a [String]) -> StoreFuture<'a, bool> {
        Box::pin(holds::anyone(self.read_lane().lane(), stamps))
    }

    fn acquire_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, bool> {
        Box::pin(leases::acquire(self.write_lane(), key, holder, lasting))
    }

    fn extend_lease<'a>(&'a self, key: &'a str, holder: u64, lasting: Duration) -> StoreFuture<'a, ()> {
        Box::pin(leases::extend(self.write_lane(), key, holder, lasting))
    }

    fn drop_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(leases::end(self.write_lane(), key))
    }

    fn sweep<'a>(&'a self, pattern: &'a str) -> StoreFuture<'a, Swept> {
        Box::pin(sweep::sweep(self.write_lane(), pattern))
    }

    fn generation(&self) -> u64 {
        let removing = self.removals.as_ref().map_or(0, Removals::generation);
        self.lanes.iter().map(|lane| lane.generation()).sum::<u64>() + removing
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        // Every lane is asked, so that one that has lost its connection gets a new one before a call needs it.
        let probes = self
            .lanes
            .iter()
            .map(|lane| lane.run(async |mut connection| cmd("UNLINK").arg(PROBE).exec_async(&mut connection).await));
        // Not by a command, which would stand behind a `WAIT`.
        let removing = self.removals.as_ref().map_or(Ok(()), Removals::is_connected);
        Box::pin(async {
            // To the end, whichever fails: each lane learns for itself.
            join_all(probes).await.into_iter().collect::<Result<(), _>>()?;
            removing
        })
    }
}

/// At least one: Redis refuses `PX 0`.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, i64::MAX as u64 / 2)
}
