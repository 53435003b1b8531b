//! Redis, through a few connections that `deadpool-redis` creates and bounds and whose multiplexed handles all callers
//! share. See `docs/decisions/0002-shared-handles.md` for why no call checks a connection out of the pool.

mod config;
mod error;
mod lane;
mod reads;
mod sweep;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::redis::{Pipeline, RedisResult, Value, aio::ConnectionLike, cmd, pipe};
use bytes::Bytes;
use futures_util::future::try_join_all;

pub use self::config::RedisConfig;
use self::{error::unexpected, lane::Lane, reads::Reads};
use super::{Snapshot, Store, StoreError, StoreFuture, Swept};
use crate::{
    key::Address,
    stamp::{Stamp, Ticket},
};

/// How long a stamp is kept after its creation. An entry outlives its stamp as a miss, so this only has to be longer than
/// any sensible time-to-live.
const STAMP_LIFETIME: Duration = Duration::from_hours(30 * 24);

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
        Self {
            config,
            lanes,
            reads,
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

    async fn unlink(&self, keys: &[impl AsRef<str>]) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut command = cmd("UNLINK");
        for key in keys {
            command.arg(key.as_ref());
        }
        self.write_lane()
            .run(async |mut connection| command.exec_async(&mut connection).await)
            .await
    }
}

impl Store for RedisStore {
    fn read<'a>(&'a self, address: &'a Arc<Address>) -> StoreFuture<'a, Snapshot> {
        Box::pin(self.read_lane().read(address))
    }

    fn create_stamps<'a>(&'a self, fresh: &'a [(&'a str, Stamp)]) -> StoreFuture<'a, Vec<Option<Stamp>>> {
        Box::pin(async move {
            let mut pipeline = pipe();
            let lifetime = millis(STAMP_LIFETIME);
            for (key, stamp) in fresh {
                pipeline
                    .cmd("SET")
                    .arg(key)
                    .arg(stamp.to_text())
                    .arg("NX")
                    .arg("PX")
                    .arg(lifetime);
                pipeline.cmd("GET").arg(key);
            }
            let lane = self.write_lane();
            let replies = lane
                .run(async |connection| replies(connection, &pipeline).await)
                .await?;
            if replies.len() != 2 * fresh.len() {
                return Err(unexpected("SET NX and GET", format_args!("{} replies", replies.len())));
            }
            let mut stamps = Vec::with_capacity(fresh.len());
            let mut foreign = Vec::new();
            for ((key, _), [set, get]) in fresh.iter().zip(replies.as_chunks().0) {
                let stamp = match get {
                    Value::BulkString(text) => Stamp::from_text(text),
                    _ => None,
                };
                match (stamp, set, get) {
                    (None, Value::ServerError(error), Value::Nil) => return Err(error::from_server(error)),
                    // Something that is no stamp stands under the key: it goes, so that the next read can create one.
                    (None, _, Value::BulkString(_) | Value::ServerError(_)) => foreign.push(*key),
                    _ => {}
                }
                stamps.push(stamp);
            }
            self.unlink(&foreign).await?;
            Ok(stamps)
        })
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
        Box::pin(self.unlink(stamps))
    }

    fn sweep<'a>(&'a self, pattern: &'a str) -> StoreFuture<'a, Swept> {
        Box::pin(sweep::sweep(self.write_lane(), pattern))
    }

    fn generation(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.generation()).sum()
    }

    fn probe(&self) -> StoreFuture<'_, ()> {
        // Every lane is asked, so that one that has lost its connection gets a new one before a call needs it.
        let probes = self
            .lanes
            .iter()
            .map(|lane| lane.run(async |mut connection| cmd("UNLINK").arg(PROBE).exec_async(&mut connection).await));
        Box::pin(async { try_join_all(probes).await.map(drop) })
    }
}

/// Sends a pipeline and returns every reply, server errors among them.
async fn replies(mut connection: impl ConnectionLike, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
    connection.req_packed_commands(pipeline, 0, pipeline.len()).await
}

/// At least one: Redis refuses `PX 0`.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, i64::MAX as u64 / 2)
}
