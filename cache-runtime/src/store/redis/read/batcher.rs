//! The read batcher of a lane: while one `MGET` is on the wire the next reads gather, and go out as one.
//!
//! No timer and no added wait: a read that finds the wire free goes out alone, on its caller's own task. A read shares only
//! an `MGET` that is *sent* after the read began, so sharing never makes an answer older.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    super::{connection::Lane, keyspace::Keyspace},
    key_reader::{KeyReader, KeyReplies},
    key_set::KeySet,
    key_table::KeyPlace,
};
use crate::{
    key::Address,
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
    task::{Needs, handle_for},
};

/// Reads in one `MGET`, at most; a read of many addresses counts as many. One that is larger by itself goes out alone.
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

/// Gathers the reads of one lane.
pub(in super::super) struct ReadBatcher {
    reader: KeyReader,
    queue: Mutex<Queue>,
    /// How many reads travelled together lately.
    together: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    /// `None` while nothing is on the wire.
    wire: Option<WireUse>,
    /// How often the wire has been taken by a caller.
    taken: u64,
    reads: Vec<QueuedRead>,
}

/// Who uses the wire, and since when.
#[derive(Clone, Copy)]
struct WireUse {
    since: Instant,
    by: Sender,
}

/// Who has sent what is on the wire.
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
        if let Some(wire) = self.wire {
            return Err(wire.by);
        }
        self.taken += 1;
        let sender = Sender::Caller(self.taken);
        self.put(sender);
        Ok(sender)
    }

    fn put(&mut self, by: Sender) {
        let since = Instant::now();
        self.wire = Some(WireUse { since, by });
    }

    /// How many of the reads that wait go out together next.
    fn fitting(&self) -> usize {
        let mut weight = 0;
        let fits = |read: &&QueuedRead| {
            weight += read.keys.weight();
            weight <= BATCH
        };
        let fitting = self.reads.iter().take_while(fits).count();
        fitting.max(self.reads.len().min(1))
    }
}

/// A read that waits for the wire.
struct QueuedRead {
    keys: QueuedKeys,
    reply: oneshot::Sender<Result<KeyReplies, StoreError>>,
}

/// What a read that waits is answered by.
type QueuedReply = oneshot::Receiver<Result<KeyReplies, StoreError>>;

/// What a read that waits is about.
enum QueuedKeys {
    Of(Arc<Address>, KeySet),
    OfMany(Arc<[Arc<Address>]>, Arc<[KeyPlace]>),
}

impl QueuedKeys {
    fn for_each<'a>(&'a self, mut each: impl FnMut(&'a str)) {
        match self {
            Self::Of(address, keys) => keys.of(address).for_each(each),
            Self::OfMany(addresses, places) => places.iter().for_each(|place| each(place.key(addresses))),
        }
    }

    /// As how many reads it counts.
    fn weight(&self) -> usize {
        match self {
            Self::Of(..) => 1,
            Self::OfMany(_, places) => places.len(),
        }
    }
}

impl ReadBatcher {
    pub(in super::super) fn new(lane: Arc<Lane>, keyspace: Keyspace) -> Self {
        Self {
            reader: KeyReader::new(lane, keyspace),
            queue: Mutex::default(),
            together: AtomicUsize::new(0),
        }
    }

    pub(in super::super) fn lane(&self) -> &Arc<Lane> {
        self.reader.lane()
    }

    /// Whether many reads travelled together lately.
    pub(in super::super) fn has_many(&self) -> bool {
        self.together.load(Ordering::Relaxed) >= MANY
    }

    /// Whether a read that comes now would wait for long: as many wait as go out together, or the wire has been taken for so long
    /// that what is on it must be large, or lost.
    pub(in super::super) fn is_busy(&self) -> bool {
        let queue = self.queue.lock();
        queue.reads.len() >= BATCH || queue.wire.is_some_and(|wire| wire.since.elapsed() >= LONG)
    }

    /// What stands under these keys of the address, in their order.
    pub(in super::super) async fn read(
        self: &Arc<Self>,
        address: &Arc<Address>,
        keys: KeySet,
    ) -> Result<KeyReplies, StoreError> {
        match self.take_wire(|| QueuedKeys::Of(Arc::clone(address), keys.clone())) {
            Ok(sender) => {
                let _wire = self.wire(sender);
                Ok(self.reader.get(keys.of(address)).await?.collect())
            }
            Err((ahead, reply)) => self.queued(ahead, reply).await,
        }
    }

    /// What stands under these keys of the addresses, in their order; none of them stands twice.
    pub(in super::super) async fn read_many(
        self: &Arc<Self>,
        addresses: &[Arc<Address>],
        places: &Arc<[KeyPlace]>,
    ) -> Result<KeyReplies, StoreError> {
        match self.take_wire(|| QueuedKeys::OfMany(addresses.into(), Arc::clone(places))) {
            Ok(sender) => {
                let _wire = self.wire(sender);
                let keys = places.iter().map(|place| place.key(addresses));
                Ok(self.reader.get(keys).await?.collect())
            }
            Err((ahead, reply)) => self.queued(ahead, reply).await,
        }
    }

    /// Takes the wire, or has the read wait behind whoever has it.
    fn take_wire(&self, keys: impl FnOnce() -> QueuedKeys) -> Result<Sender, (Sender, QueuedReply)> {
        let mut queue = self.queue.lock();
        queue.take_wire().map_err(|ahead| {
            let (reply, receiver) = oneshot::channel();
            queue.reads.push(QueuedRead { keys: keys(), reply });
            (ahead, receiver)
        })
    }

    /// The reply to a read that waits.
    async fn queued(self: &Arc<Self>, ahead: Sender, mut reply: QueuedReply) -> Result<KeyReplies, StoreError> {
        if let Sender::Caller(_) = ahead {
            match timeout(LOST, &mut reply).await {
                Ok(reply) => return reply.unwrap_or_else(|_| Err(abandoned())),
                // Hands the wire on, if it is still that caller's.
                Err(_) => drop(self.wire(ahead)),
            }
        }
        reply.await.unwrap_or_else(|_| Err(abandoned()))
    }

    /// Answers the reads of a batch, unless it fails as a whole.
    async fn answer(&self, batch: &mut Vec<QueuedRead>) -> Result<(), StoreError> {
        // Every stamp and every equal entry stands once.
        let mut known = HashMap::with_capacity_and_hasher(batch.len() * 2, RandomState::default());
        let mut keys = Vec::with_capacity(batch.len() * 2);
        // How many reads need the reply yet.
        let mut takers = Vec::with_capacity(batch.len() * 2);
        let mut places = Vec::with_capacity(batch.len() * 3);
        // How many of the places are each read's.
        let mut counts = Vec::with_capacity(batch.len());
        for read in &*batch {
            let before = places.len();
            read.keys.for_each(|key| {
                let place = *known.entry(key).or_insert_with(|| {
                    keys.push(key);
                    takers.push(0_usize);
                    keys.len() - 1
                });
                takers[place] += 1;
                places.push(place);
            });
            counts.push(places.len() - before);
        }
        let mut replies: Vec<_> = self.reader.get(keys.iter().copied()).await?.collect();
        let mut places = places.into_iter();
        for (read, count) in batch.drain(..).zip(counts) {
            let own = places.by_ref().take(count).map(|place| {
                takers[place] -= 1;
                // Moved out for the last one: most entries are needed once, and what is shared costs an allocation.
                match takers[place] {
                    0 => mem::replace(&mut replies[place], Ok(None)),
                    _ => replies[place].clone(),
                }
            });
            // A caller that has gone away does not mind.
            let _ = read.reply.send(Ok(own.collect()));
        }
        Ok(())
    }

    /// Takes the next reads whose callers are still there. The wire stays taken; `Wire` frees it.
    fn next_batch(&self, queue: &mut Queue) -> Vec<QueuedRead> {
        queue.reads.retain(|read| !read.reply.is_closed());
        let rest = queue.reads.split_off(queue.fitting());
        let batch = mem::replace(&mut queue.reads, rest);
        // Falls slowly: with many callers, large batches and small ones take turns.
        let lately = self.together.load(Ordering::Relaxed) * 15 / 16;
        self.together.store(batch.len().max(lately), Ordering::Relaxed);
        batch
    }

    fn wire(self: &Arc<Self>, sender: Sender) -> Wire {
        Wire {
            batcher: Arc::clone(self),
            sender,
        }
    }
}

/// The right to send, handed on when dropped: to the reads that have gathered, else to the next one that comes.
struct Wire {
    batcher: Arc<ReadBatcher>,
    sender: Sender,
}

impl Drop for Wire {
    fn drop(&mut self) {
        let batch = {
            let mut queue = self.batcher.queue.lock();
            // Somebody else has it by now.
            if queue.wire.is_none_or(|wire| wire.by != self.sender) {
                return;
            }
            let batch = self.batcher.next_batch(&mut queue);
            queue.wire = None;
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
            runtime.spawn(send_gathered(self.batcher.wire(Sender::Task), batch));
        } else {
            let mut queue = self.batcher.queue.lock();
            queue.wire = None;
            let stranded = mem::take(&mut queue.reads);
            drop(queue);
            refuse(batch, &abandoned());
            refuse(stranded, &abandoned());
        }
    }
}

/// Sends every gathered read, batch after batch, until none is left.
async fn send_gathered(wire: Wire, mut batch: Vec<QueuedRead>) {
    let batcher = &wire.batcher;
    while !batch.is_empty() {
        match timeout(BATCH_DEADLINE, batcher.answer(&mut batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => refuse(batch, &error),
            Err(_) => refuse(batch, &StoreError::timeout("a batch of reads", BATCH_DEADLINE)),
        }
        let mut queue = batcher.queue.lock();
        batch = batcher.next_batch(&mut queue);
        queue.put(Sender::Task);
    }
}

fn refuse(batch: Vec<QueuedRead>, error: &StoreError) {
    for read in batch {
        let _ = read.reply.send(Err(error.clone()));
    }
}

fn abandoned() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "the runtime that would have sent the read was shut down",
    )
}
