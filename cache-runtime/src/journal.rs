//! Invalidations that no store has acknowledged yet.
//!
//! Every invalidation is written here first and sent second, so it survives a dropped future, a panic and a lost store. As
//! long as it stands here, this process does not read what depends on it.
//!
//! What was acknowledged is remembered for a minute: after a failover or a restart the store may have lost it.

mod lines;

use std::time::Duration;

use tokio::time::Instant;

use self::lines::Lines;
use crate::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// With more lines than this, they are widened.
const LIMIT: usize = 65_536;

/// How long an acknowledged invalidation is remembered. A server that comes back after longer than this without the writes
/// of before has lost more than its last moments.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The invalidations of one cache that wait for an acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pending: Mutex<Pending>,
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
    pub(crate) stamps: Vec<String>,
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

impl Journal {
    /// Writes an invalidation down. From here on this process does not read what depends on these stamps.
    pub(crate) fn write(&self, stamps: &[String]) -> Position {
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
    pub(crate) fn acknowledge(&self, stamps: &[String], position: Position) {
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

    /// Writes down again what was acknowledged within the last minute: the store may have lost it. Returns how many lines
    /// that are.
    pub(crate) fn replay(&self) -> usize {
        let now = Instant::now();
        self.change(|pending| {
            pending.last += 1;
            let number = pending.last;
            let mut acknowledged = std::mem::take(&mut pending.acknowledged);
            acknowledged.retain(|at| is_recent(at, now));
            let replayed = acknowledged.len();
            pending.lines.merge(acknowledged.map(|_| number));
            replayed
        })
    }

    /// Whether an invalidation of what depends on any of these stamps is still unacknowledged.
    pub(crate) fn blocks(&self, stamps: &[String]) -> bool {
        if self.is_empty() {
            return false;
        }
        let pending = self.pending();
        stamps.iter().any(|stamp| pending.lines.cover(stamp))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many lines it has.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Everything that is pending, to be sent again.
    pub(crate) fn batch(&self) -> Batch {
        let pending = self.pending();
        Batch {
            stamps: pending.lines.stamps().cloned().collect(),
            tenants: pending.lines.tenants().cloned().collect(),
            everything: pending.lines.has_everything(),
            position: Position(pending.last),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Pending) -> T) -> T {
        let mut pending = self.pending();
        let outcome = change(&mut pending);
        pending.lines.bound(LIMIT);
        self.len.store(pending.lines.len(), Ordering::SeqCst);
        outcome
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Forgets the acknowledged ones that are too old, now and then; too many at once are widened.
    fn forget(&mut self, now: Instant) {
        self.acknowledged.bound(LIMIT);
        if self.forgot.is_none_or(|last| !is_recent(last, now)) {
            self.acknowledged.retain(|at| is_recent(at, now));
            self.forgot = Some(now);
        }
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) <= REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_written_again_during_a_send_stays() {
        let journal = Journal::default();
        let stamps = stamps(&["cachestamp:t:r"]);
        let first = journal.write(&stamps);
        journal.write(&stamps);
        journal.acknowledge(&stamps, first);
        assert!(!journal.is_empty());
        journal.acknowledge_batch(&journal.batch());
        assert!(journal.is_empty());
    }

    #[test]
    fn a_pending_stamp_blocks_whatever_depends_on_it() {
        let journal = Journal::default();
        journal.write(&stamps(&["cachestamp:t:r:company-1"]));
        assert!(journal.blocks(&stamps(&["cachestamp:t:r", "cachestamp:t:r:company-1"])));
        assert!(!journal.blocks(&stamps(&["cachestamp:t:r", "cachestamp:t:r:company-2"])));
    }

    #[test]
    fn an_overflowing_journal_widens_and_forgets_nothing() {
        let journal = Journal::default();
        for tenant in 0..=LIMIT {
            journal.write(&[format!("cachestamp:tenant-{tenant}:r")]);
            assert!(journal.len() <= LIMIT);
        }
        let batch = journal.batch();
        assert!(batch.everything && journal.blocks(&stamps(&["cachestamp:any:r"])));
        journal.acknowledge_batch(&batch);
        assert!(journal.is_empty());
        assert_eq!(journal.replay(), 1);
        assert!(journal.batch().everything, "what was widened is replayed as wide");
    }

    #[test]
    fn what_comes_during_the_send_of_a_batch_is_not_struck_out_with_it() {
        let journal = Journal::default();
        journal.write(&stamps(&["cachestamp:t:r", "cachestamp:t:s"]));
        let batch = journal.batch();
        journal.write(&stamps(&["cachestamp:t:s"]));
        journal.acknowledge_batch(&batch);
        assert_eq!(journal.batch().stamps, ["cachestamp:t:s"]);
    }
}
