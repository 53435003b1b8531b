//! What is pending and what was acknowledged, as concurrent invalidations, reads and the keeper change it.

use std::time::Duration;

use tokio::time::Instant;

use super::{LIMIT, lines::Lines};
use crate::key::StampKey;
use crate::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// How long an acknowledged invalidation is remembered. A server that comes back after longer than this without the writes
/// of before has lost more than its last moments.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The invalidations of one cache that wait for an acknowledgement.
#[derive(Debug)]
pub(crate) struct Journal {
    pending: Mutex<Pending>,
    /// With more lines than this, they are widened.
    limit: usize,
    /// The number of lines, so that a read with nothing pending takes no lock.
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Pending {
    /// With the number of the last invalidation that named it.
    lines: Lines<u64>,
    last: u64,
    /// What was acknowledged, with the time when it was.
    acknowledged: Lines<Instant>,
    /// When the acknowledged ones were last looked through for what is too old.
    forgot: Option<Instant>,
}

/// How far the journal had been written when a batch was taken from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position(u64);

/// What is pending at some position, to be sent.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) stamps: Vec<StampKey>,
    /// All stamps of these tenants.
    pub(crate) tenants: Vec<String>,
    /// All stamps.
    pub(crate) everything: bool,
    pub(crate) position: Position,
}

impl Batch {
    /// The number of lines.
    pub(crate) fn len(&self) -> usize {
        self.stamps.len() + self.tenants.len() + usize::from(self.everything)
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            pending: Mutex::default(),
            limit: limit.max(1),
            len: AtomicUsize::new(0),
        }
    }

    /// Writes an invalidation down. From here on this process does not read what depends on these stamps.
    pub(crate) fn write(&self, stamps: &[StampKey]) -> Position {
        self.change(|pending| {
            pending.last += 1;
            for stamp in stamps {
                pending.lines.write(stamp, pending.last);
            }
            Position(pending.last)
        })
    }

    /// As [`write`](Self::write), for every stamp there is.
    pub(crate) fn write_everything(&self) {
        self.change(|pending| {
            pending.last += 1;
            pending.lines.write_everything(pending.last);
        });
    }

    /// Strikes out what the store has acknowledged, but not what was written again since.
    pub(crate) fn acknowledge(&self, stamps: &[StampKey], position: Position) {
        let now = Instant::now();
        self.change(|pending| {
            for stamp in stamps {
                pending.lines.strike_out(stamp, |number| number > position.0);
                pending.acknowledged.write(stamp, now);
            }
            pending.forget(now);
        });
    }

    /// As [`acknowledge`](Self::acknowledge), for all of a batch.
    pub(crate) fn acknowledge_batch(&self, batch: &Batch) {
        let now = Instant::now();
        self.change(|pending| {
            let sent = pending.lines.take(|number| number <= batch.position.0);
            pending.acknowledged.merge(sent.map(|_| now));
            pending.forget(now);
        });
    }

    /// Writes down again what was acknowledged within the last minute, and what is pending: the store may have lost it.
    /// Returns how many lines the acknowledged ones are.
    pub(crate) fn replay(&self) -> usize {
        let now = Instant::now();
        self.change(|pending| {
            pending.last += 1;
            let number = pending.last;
            // An acknowledgement that is still on its way may be that of a server that is gone: it must not strike out what
            // is pending.
            pending.lines = std::mem::take(&mut pending.lines).map(|_| number);
            let mut acknowledged = std::mem::take(&mut pending.acknowledged);
            acknowledged.retain(|at| is_recent(at, now));
            let replayed = acknowledged.len();
            pending.lines.merge(acknowledged.map(|_| number));
            replayed
        })
    }

    /// Whether an invalidation of what depends on any of these stamps is still unacknowledged.
    pub(crate) fn blocks(&self, stamps: &[StampKey]) -> bool {
        if self.is_empty() {
            return false;
        }
        let pending = self.pending.lock();
        stamps.iter().any(|stamp| pending.lines.cover(stamp))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many lines it has.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Whether one of them is about everything.
    pub(crate) fn has_everything(&self) -> bool {
        !self.is_empty() && self.pending.lock().lines.has_everything()
    }

    /// Everything that is pending, to be sent again.
    pub(crate) fn batch(&self) -> Batch {
        let pending = self.pending.lock();
        Batch {
            stamps: pending.lines.stamps().cloned().collect(),
            tenants: pending.lines.tenants().cloned().collect(),
            everything: pending.lines.has_everything(),
            position: Position(pending.last),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Pending) -> T) -> T {
        let mut pending = self.pending.lock();
        let outcome = change(&mut pending);
        pending.lines.bound(self.limit);
        pending.acknowledged.bound(self.limit);
        self.len.store(pending.lines.len(), Ordering::SeqCst);
        outcome
    }
}

impl Pending {
    /// Forgets the acknowledged ones that are too old, now and then.
    fn forget(&mut self, now: Instant) {
        if self.forgot.is_none_or(|last| !is_recent(last, now)) {
            self.acknowledged.retain(|at| is_recent(at, now));
            self.forgot = Some(now);
        }
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) <= REMEMBERED
}
