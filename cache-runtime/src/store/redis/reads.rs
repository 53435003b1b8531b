//! Reads travel together: while one `MGET` is on the wire the next reads gather, and go out as one.
//!
//! No timer and no added wait: a read that finds the wire free goes out alone, on its caller's own task. A read shares only
//! an `MGET` that is *sent* after the read began, so sharing never makes an answer older.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use redis::{Value, aio::ConnectionLike, cmd};
use tokio::{runtime::Handle, sync::oneshot};

use super::{error::unexpected, lane::Lane};
use crate::{
    key::Address,
    stamp::Stamp,
    store::{Snapshot, StoreError, StoreErrorKind},
};

/// Reads in one `MGET`, at most.
const BATCH: usize = 256;

/// When a batch is given up. Its callers have given up earlier; this frees the wire.
const BATCH_DEADLINE: Duration = Duration::from_secs(1);

/// What a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    StampsAndEntry,
    Stamps,
}

impl Wanted {
    /// The keys of what is wanted: the stamps, then the entry.
    fn keys(self, address: &Address) -> impl Iterator<Item = &str> {
        let entry = (self == Self::StampsAndEntry).then(|| address.entry());
        address.stamps().iter().map(String::as_str).chain(entry)
    }
}

/// The reads of one connection.
pub(super) struct Reads {
    lane: Arc<Lane>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    on_the_wire: bool,
    waiting: Vec<Waiting>,
}

struct Waiting {
    address: Arc<Address>,
    wanted: Wanted,
    reply: oneshot::Sender<Result<Snapshot, StoreError>>,
}

impl Reads {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Self {
            lane,
            queue: Mutex::default(),
        }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Of an entry that is not wanted the snapshot has none.
    pub(super) async fn read(self: &Arc<Self>, address: &Arc<Address>, wanted: Wanted) -> Result<Snapshot, StoreError> {
        let together = {
            let mut queue = self.queue();
            if queue.on_the_wire {
                let (sender, receiver) = oneshot::channel();
                queue.waiting.push(Waiting {
                    address: Arc::clone(address),
                    wanted,
                    reply: sender,
                });
                Some(receiver)
            } else {
                queue.on_the_wire = true;
                None
            }
        };
        if let Some(reply) = together {
            return reply.await.unwrap_or_else(|_| Err(abandoned()));
        }
        let _wire = Wire(Arc::clone(self));
        self.read_alone(address, wanted).await
    }

    async fn read_alone(&self, address: &Address, wanted: Wanted) -> Result<Snapshot, StoreError> {
        let count = wanted.keys(address).count();
        let mut values = self.mget(wanted.keys(address), count).await?.into_iter();
        let stamps = values
            .by_ref()
            .take(address.stamps().len())
            .map(|value| stamp(bytes(value).as_ref()))
            .collect();
        Ok(Snapshot {
            stamps,
            entry: values.next().and_then(bytes),
        })
    }

    async fn read_together(&self, batch: &[Waiting]) -> Result<Vec<Snapshot>, StoreError> {
        // Every stamp and every equal entry stands once.
        let mut places = HashMap::with_capacity(batch.len() * 2);
        let mut keys = Vec::with_capacity(batch.len() * 2);
        for waiting in batch {
            for key in waiting.wanted.keys(&waiting.address) {
                places.entry(key).or_insert_with(|| {
                    keys.push(key);
                    keys.len() - 1
                });
            }
        }
        let values = self.mget(keys.iter().copied(), keys.len()).await?;
        let values: Vec<Option<Bytes>> = values.into_iter().map(bytes).collect();
        let snapshot = |waiting: &Waiting| Snapshot {
            stamps: waiting
                .address
                .stamps()
                .iter()
                .map(|key| stamp(values[places[key.as_str()]].as_ref()))
                .collect(),
            entry: match waiting.wanted {
                Wanted::StampsAndEntry => values[places[waiting.address.entry()]].clone(),
                Wanted::Stamps => None,
            },
        };
        Ok(batch.iter().map(snapshot).collect())
    }

    async fn mget(&self, keys: impl Iterator<Item = &str>, count: usize) -> Result<Vec<Value>, StoreError> {
        let mut command = cmd("MGET");
        for key in keys {
            command.arg(key);
        }
        let reply = self
            .lane
            // An error of the server is an error here, inside the operation: the lane learns from it.
            .run(
                async |mut connection| match connection.req_packed_command(&command).await? {
                    Value::ServerError(error) => Err(error.into()),
                    reply => Ok(reply),
                },
            )
            .await?;
        match reply {
            Value::Array(values) if values.len() == count => Ok(values),
            Value::Array(values) => Err(unexpected(
                "MGET",
                format_args!("{} values for {count} keys", values.len()),
            )),
            _ => Err(unexpected("MGET", "no array")),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes the next reads whose callers are still there. The wire stays taken; `Wire` frees it.
    fn next_batch(&mut self) -> Vec<Waiting> {
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
        let rest = self.waiting.split_off(self.waiting.len().min(BATCH));
        std::mem::replace(&mut self.waiting, rest)
    }
}

/// The right to send, handed on when dropped: to the reads that have gathered, else to the next one that comes.
struct Wire(Arc<Reads>);

impl Drop for Wire {
    fn drop(&mut self) {
        let batch = {
            let mut queue = self.0.queue();
            let batch = queue.next_batch();
            queue.on_the_wire = !batch.is_empty();
            batch
        };
        if batch.is_empty() {
            return;
        }
        // Not under the lock: a runtime that is shutting down drops the task, and with it this guard's successor, at once.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(send_gathered(Self(Arc::clone(&self.0)), batch));
        } else {
            let mut queue = self.0.queue();
            queue.on_the_wire = false;
            let stranded = std::mem::take(&mut queue.waiting);
            drop(queue);
            refuse(batch, &abandoned());
            refuse(stranded, &abandoned());
        }
    }
}

/// Sends every gathered read, batch after batch, until none is left.
async fn send_gathered(wire: Wire, mut batch: Vec<Waiting>) {
    let reads = &wire.0;
    while !batch.is_empty() {
        match tokio::time::timeout(BATCH_DEADLINE, reads.read_together(&batch)).await {
            Ok(Ok(snapshots)) => {
                for (waiting, snapshot) in batch.drain(..).zip(snapshots) {
                    // A caller that has gone away does not mind.
                    let _ = waiting.reply.send(Ok(snapshot));
                }
            }
            Ok(Err(error)) => refuse(batch, &error),
            Err(_) => refuse(batch, &StoreError::timeout("a batch of reads", BATCH_DEADLINE)),
        }
        batch = reads.queue().next_batch();
    }
}

fn refuse(batch: Vec<Waiting>, error: &StoreError) {
    for waiting in batch {
        let _ = waiting.reply.send(Err(error.clone()));
    }
}

fn abandoned() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "the runtime that would have sent the read was shut down",
    )
}

/// A key of the wrong type answers `Nil` to `MGET`; anything else that is no string reads as absent, too.
fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into()),
        Value::Okay => Some(Bytes::from_static(b"OK")),
        _ => None,
    }
}

fn stamp(bytes: Option<&Bytes>) -> Option<Stamp> {
    bytes.and_then(|bytes| Stamp::from_text(bytes))
}
