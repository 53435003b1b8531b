//! Invalidations that no store has acknowledged yet.
//!
//! Every invalidation is written here first and sent second, so it survives a dropped future, a panic and a lost store. As
//! long as it stands here, this process does not read what depends on it.
//!
//! What was acknowledged is remembered for a minute: after a failover or a restart the store may have lost it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::key::Address;

/// With more stamps than this, the stamps of scope values are replaced by that of their whole resource: the journal then
/// holds at most one line for each resource of each tenant.
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
    /// Each stamp with the number of the last invalidation that named it.
    stamps: HashMap<String, u64>,
    last: u64,
    /// Each stamp whose removal was acknowledged, with the time when it was.
    acknowledged: HashMap<String, Instant>,
    /// When the acknowledged ones were last looked through for what is too old.
    forgot: Option<Instant>,
}

/// How far the journal had been written when a batch was taken from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position(u64);

impl Journal {
    /// Writes an invalidation down. From here on this process does not read what depends on these stamps.
    pub(crate) fn write(&self, stamps: &[String]) -> Position {
        let mut pending = self.pending();
        pending.last += 1;
        let number = pending.last;
        for stamp in stamps {
            pending.stamps.insert(stamp.clone(), number);
        }
        if pending.stamps.len() > LIMIT {
            pending.widen();
        }
        self.len.store(pending.stamps.len(), Ordering::Release);
        Position(number)
    }

    /// Strikes out what the store has acknowledged, but not what was written again since.
    pub(crate) fn acknowledge(&self, stamps: &[String], position: Position) {
        let mut pending = self.pending();
        let now = Instant::now();
        for stamp in stamps {
            if pending.stamps.get(stamp).is_some_and(|&number| number <= position.0) {
                pending.stamps.remove(stamp);
            }
            pending.acknowledged.insert(stamp.clone(), now);
        }
        pending.forget(now);
        self.len.store(pending.stamps.len(), Ordering::Release);
    }

    /// Writes down again what was acknowledged within the last minute: the store may have lost it. Returns how many stamps
    /// that are.
    pub(crate) fn replay(&self) -> usize {
        let now = Instant::now();
        let mut pending = self.pending();
        pending.last += 1;
        let number = pending.last;
        let acknowledged = std::mem::take(&mut pending.acknowledged);
        let recent = acknowledged
            .into_iter()
            .filter(|(_, at)| now.duration_since(*at) <= REMEMBERED);
        let before = pending.stamps.len();
        for (stamp, _) in recent {
            pending.stamps.insert(stamp, number);
        }
        self.len.store(pending.stamps.len(), Ordering::Release);
        pending.stamps.len() - before
    }

    /// Whether an invalidation of this address is still unacknowledged.
    pub(crate) fn blocks(&self, address: &Address) -> bool {
        if self.is_empty() {
            return false;
        }
        let pending = self.pending();
        address.stamps().iter().any(|stamp| pending.stamps.contains_key(stamp))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    /// Everything that is pending, to be sent again.
    pub(crate) fn batch(&self) -> (Vec<String>, Position) {
        let pending = self.pending();
        (pending.stamps.keys().cloned().collect(), Position(pending.last))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn widen(&mut self) {
        for (stamp, number) in std::mem::take(&mut self.stamps) {
            let latest = self.stamps.entry(resource_stamp(&stamp)).or_insert(number);
            *latest = number.max(*latest);
        }
    }

    /// Forgets the acknowledged ones that are too old, now and then; too many at once are widened.
    fn forget(&mut self, now: Instant) {
        if self.acknowledged.len() > LIMIT {
            let widened = std::mem::take(&mut self.acknowledged);
            self.acknowledged = widened.into_keys().map(|stamp| (resource_stamp(&stamp), now)).collect();
        }
        if self.forgot.is_none_or(|last| now.duration_since(last) >= REMEMBERED) {
            self.acknowledged.retain(|_, at| now.duration_since(*at) <= REMEMBERED);
            self.forgot = Some(now);
        }
    }
}

/// `cachestamp:{tenant}:{resource}` of any stamp of that resource.
fn resource_stamp(stamp: &str) -> String {
    stamp.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_again_during_a_send_stays() {
        let journal = Journal::default();
        let stamps = vec!["cachestamp:t:r".to_owned()];
        let first = journal.write(&stamps);
        journal.write(&stamps);
        journal.acknowledge(&stamps, first);
        assert!(!journal.is_empty());
        let (batch, position) = journal.batch();
        journal.acknowledge(&batch, position);
        assert!(journal.is_empty());
    }

    #[test]
    fn a_pending_stamp_blocks_every_address_that_depends_on_it() {
        let journal = Journal::default();
        journal.write(&["cachestamp:t:r:company-1".to_owned()]);
        assert!(journal.blocks(&Address::new("t", "r", &[("company", "1")], "h")));
        assert!(!journal.blocks(&Address::new("t", "r", &[("company", "2")], "h")));
        assert!(!journal.blocks(&Address::new("u", "r", &[("company", "1")], "h")));
    }

    #[test]
    fn an_overflowing_journal_widens_and_forgets_nothing() {
        let journal = Journal::default();
        for company in 0..=LIMIT {
            journal.write(&[format!("cachestamp:t:r:company-{company}")]);
        }
        assert_eq!(journal.batch().0, ["cachestamp:t:r"]);
        assert!(journal.blocks(&Address::new("t", "r", &[("company", "5")], "h")));
    }
}
