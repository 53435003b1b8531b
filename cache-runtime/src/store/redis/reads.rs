//! Reads travel together: while one `MGET` is on the wire the next reads gather, and go out as one.
//!
//! No timer and no added wait: a read that finds the wire free goes out alone, on its caller's own task. A read shares only
//! an `MGET` that is *sent* after the read began, so sharing never makes an answer older.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use foldhash::fast::RandomState;
use redis::{Cmd, ServerError, Value, aio::ConnectionLike, pipe};
use smallvec::SmallVec;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{error::unexpected, lane::Lane, server::REPLIES_IN_CLUSTER};
use crate::{
    key::Address,
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
    task::{Needs, handle_for},
};

/// Reads in one `MGET`, at most.
const BATCH: usize = 256;

/// So many reads are worth to be gathered on one connection.
const MANY: usize = 16;

/// A wire that has been taken for this long is left alone for another one, if there is one.
const LONG: Duration = Duration::from_millis(1);

/// A wire that a caller has taken for this long is taken from it: it may have been answered, and not be polled any more. Shorter
/// than the deadline of those who gather behind it.
const LOST: Duration = Duration::from_millis(25);

/// When a batch is given up. Its callers have given up earlier; this frees the wire.
const BATCH_DEADLINE: Duration = Duration::from_secs(1);

/// What a read asks for, of what an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    StampsAndEntry,
    Stamps,
    /// What stands at these places, in ascending order: the stamps come first, the entry last.
    Places(Arc<[usize]>),
}

impl Wanted {
    /// The keys of what is wanted: the stamps, then the entry.
    pub(super) fn keys<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a str> + Clone {
        let stamps = address.stamps();
        let all = stamps.iter().map(String::as_str).chain([address.entry()]);
        let wanted = move |place: &usize| match self {
            Self::StampsAndEntry => true,
            Self::Stamps => *place < stamps.len(),
            Self::Places(places) => places.contains(place),
        };
        all.enumerate()
            .filter(move |(place, _)| wanted(place))
            .map(|(_, key)| key)
    }
}

/// What stands under a key; nothing if it is of the wrong type. Or where a server of a cluster says that it is to be asked.
pub(super) type Found = Result<Option<Bytes>, Box<ServerError>>;

/// What one read has found, in the order of its keys: without an allocation for two stamps and an entry.
pub(super) type AllFound = SmallVec<[Found; 3]>;

/// How keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetch {
    /// All by one command.
    Together,
    /// By a command for each, sent together: a server of a cluster takes no command about keys of different slots.
    OneByOne,
}

/// The reads of one connection.
pub(super) struct Reads {
    lane: Arc<Lane>,
    fetch: Fetch,
    queue: Mutex<Queue>,
    /// How many reads travelled together lately.
    together: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    on_the_wire: Option<OnTheWire>,
    /// How often the wire has been taken by a caller.
    taken: u64,
    waiting: Vec<Waiting>,
}

/// What is on the wire.
#[derive(Clone, Copy)]
struct OnTheWire {
    since: Instant,
    by: Sender,
}

/// Who has sent it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// A caller, on its own task, and the how manieth it was.
    Caller(u64),
    /// The task that sends what has gathered.
    Task,
}

impl Queue {
    /// Takes the wire for a caller, or tells who has it.
    fn take_wire(&mut self) -> Result<Sender, Sender> {
        if let Some(wire) = self.on_the_wire {
            return Err(wire.by);
        }
        self.taken += 1;
        let sender = Sender::Caller(self.taken);
        self.put(sender);
        Ok(sender)
    }

    fn put(&mut self, by: Sender) {
        let since = Instant::now();
        self.on_the_wire = Some(OnTheWire { since, by });
    }
}

struct Waiting {
    address: Arc<Address>,
    wanted: Wanted,
    reply: oneshot::Sender<Result<AllFound, StoreError>>,
}

impl Reads {
    pub(super) fn new(lane: Arc<Lane>, fetch: Fetch) -> Self {
        Self {
            lane,
            fetch,
            queue: Mutex::default(),
            together: AtomicUsize::new(0),
        }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// Whether many reads travelled together lately.
    pub(super) fn are_many(&self) -> bool {
        self.together.load(Ordering::Relaxed) >= MANY
    }

    /// Whether a read that comes now would wait for long: as many wait as go out together, or the wire has been taken for so long
    /// that what is on it must be large, or lost.
    pub(super) fn is_busy(&self) -> bool {
        let queue = self.queue();
        queue.waiting.len() >= BATCH || queue.on_the_wire.is_some_and(|wire| wire.since.elapsed() >= LONG)
    }

    /// What is wanted, in the order of its keys.
    pub(super) async fn read(self: &Arc<Self>, address: &Arc<Address>, wanted: Wanted) -> Result<AllFound, StoreError> {
        let taken = {
            let mut queue = self.queue();
            queue.take_wire().map_err(|ahead| {
                let (sender, receiver) = oneshot::channel();
                queue.waiting.push(Waiting {
                    address: Arc::clone(address),
                    wanted: wanted.clone(),
                    reply: sender,
                });
                (ahead, receiver)
            })
        };
        match taken {
            Ok(sender) => {
                let _wire = self.wire(sender);
                Ok(self.get(wanted.keys(address)).await?.collect())
            }
            Err((ahead, mut together)) => {
                if let Sender::Caller(_) = ahead {
                    match timeout(LOST, &mut together).await {
                        Ok(reply) => return reply.unwrap_or_else(|_| Err(abandoned())),
                        // Hands the wire on, if it is still that caller's.
                        Err(_) => drop(self.wire(ahead)),
                    }
                }
                together.await.unwrap_or_else(|_| Err(abandoned()))
            }
        }
    }

    /// Answers the reads of a batch, unless it fails as a whole.
    async fn read_together(&self, batch: &mut Vec<Waiting>) -> Result<(), StoreError> {
        // Every stamp and every equal entry stands once.
        let mut known = HashMap::with_capacity_and_hasher(batch.len() * 2, RandomState::default());
        let mut keys = Vec::with_capacity(batch.len() * 2);
        // How many reads want it yet.
        let mut wanted = Vec::with_capacity(batch.len() * 2);
        let mut places = Vec::with_capacity(batch.len() * 3);
        for waiting in &*batch {
            places.extend(waiting.wanted.keys(&waiting.address).map(|key| {
                let place = *known.entry(key).or_insert_with(|| {
                    keys.push(key);
                    wanted.push(0_usize);
                    keys.len() - 1
                });
                wanted[place] += 1;
                place
            }));
        }
        let mut found: Vec<_> = self.get(keys.iter().copied()).await?.collect();
        let mut places = places.into_iter();
        for waiting in batch.drain(..) {
            let count = waiting.wanted.keys(&waiting.address).count();
            let found = places.by_ref().take(count).map(|place| {
                wanted[place] -= 1;
                // Moved out for the last one: most entries are wanted once, and what is shared costs an allocation.
                match wanted[place] {
                    0 => mem::replace(&mut found[place], Ok(None)),
                    _ => found[place].clone(),
                }
            });
            // A caller that has gone away does not mind.
            let _ = waiting.reply.send(Ok(found.collect()));
        }
        Ok(())
    }

    async fn get<'k>(
        &self,
        keys: impl Iterator<Item = &'k str> + Clone,
    ) -> Result<impl Iterator<Item = Found>, StoreError> {
        let (values, of_value): (_, fn(Value) -> Found) = match self.fetch {
            Fetch::Together => (self.mget(keys).await?, |value| Ok(bytes(value))),
            Fetch::OneByOne => {
                let mut pipeline = pipe();
                for key in keys {
                    pipeline.cmd("GET").arg(key);
                }
                (self.lane.replies(&pipeline, &REPLIES_IN_CLUSTER).await?, found)
            }
        };
        Ok(values.into_iter().map(of_value))
    }

    async fn mget<'k>(&self, keys: impl Iterator<Item = &'k str> + Clone) -> Result<Vec<Value>, StoreError> {
        let (count, len) = keys
            .clone()
            .fold((0, 0), |(count, len), key| (count + 1, len + key.len()));
        let mut command = Cmd::with_capacity(count + 1, len + "MGET".len());
        command.arg("MGET");
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

    /// Takes the next reads whose callers are still there. The wire stays taken; `Wire` frees it.
    fn next_batch(&self, queue: &mut Queue) -> Vec<Waiting> {
        queue.waiting.retain(|waiting| !waiting.reply.is_closed());
        let rest = queue.waiting.split_off(queue.waiting.len().min(BATCH));
        let batch = mem::replace(&mut queue.waiting, rest);
        // Falls slowly: with many callers, large batches and small ones take turns.
        let lately = self.together.load(Ordering::Relaxed) * 15 / 16;
        self.together.store(batch.len().max(lately), Ordering::Relaxed);
        batch
    }

    fn wire(self: &Arc<Self>, sender: Sender) -> Wire {
        Wire {
            reads: Arc::clone(self),
            sender,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

/// The right to send, handed on when dropped: to the reads that have gathered, else to the next one that comes.
struct Wire {
    reads: Arc<Reads>,
    sender: Sender,
}

impl Drop for Wire {
    fn drop(&mut self) {
        let batch = {
            let mut queue = self.reads.queue();
            // Somebody else has it by now.
            if queue.on_the_wire.is_none_or(|wire| wire.by != self.sender) {
                return;
            }
            let batch = self.reads.next_batch(&mut queue);
            queue.on_the_wire = None;
            if !batch.is_empty() {
                queue.put(Sender::Task);
            }
            batch
        };
        if batch.is_empty() {
            return;
        }
        // Not under the lock: a runtime that is shutting down drops the task, and with it this guard's successor, at once.
        if let Ok(runtime) = handle_for(Needs::Timers) {
            runtime.spawn(send_gathered(self.reads.wire(Sender::Task), batch));
        } else {
            let mut queue = self.reads.queue();
            queue.on_the_wire = None;
            let stranded = mem::take(&mut queue.waiting);
            drop(queue);
            refuse(batch, &abandoned());
            refuse(stranded, &abandoned());
        }
    }
}

/// Sends every gathered read, batch after batch, until none is left.
async fn send_gathered(wire: Wire, mut batch: Vec<Waiting>) {
    let reads = &wire.reads;
    while !batch.is_empty() {
        match timeout(BATCH_DEADLINE, reads.read_together(&mut batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => refuse(batch, &error),
            Err(_) => refuse(batch, &StoreError::timeout("a batch of reads", BATCH_DEADLINE)),
        }
        let mut queue = reads.queue();
        batch = reads.next_batch(&mut queue);
        queue.put(Sender::Task);
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

fn found(value: Value) -> Found {
    match value {
        Value::ServerError(error) if error.code() != "WRONGTYPE" => Err(Box::new(error)),
        value => Ok(bytes(value)),
    }
}

/// A key of the wrong type answers `Nil` to `MGET`; anything else that is no string reads as absent, too.
pub(super) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into()),
        Value::Okay => Some(Bytes::from_static(b"OK")),
        _ => None,
    }
}
