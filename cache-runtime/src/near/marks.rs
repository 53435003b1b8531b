//! The stamps that this process keeps values under, as far as it has heard of their changes.
//!
//! A [`Mark`] is taken *before* the stamps are read from the store, and goes with the value that was read. When a change of
//! the stamp is reported the mark is void, and with it every value that carries it; so is a value whose read came before the
//! change and that is kept only after it. That is the epoch guard, one epoch for each stamp.

use std::collections::HashMap;

use crate::key::StampKey;
use crate::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// With fewer stamps than this nobody looks for those that nothing is kept under any more.
pub(crate) const FEWEST_TO_PRUNE: usize = 1024;

/// The stamps that values are kept under.
#[derive(Debug, Default)]
pub(crate) struct StampTable {
    /// The number of the session: of the time in which every change has been reported. Marks of earlier ones are void.
    session: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Weak, so that a mark goes with the last value that carries it.
    by_stamp: HashMap<StampKey, Weak<Mark>>,
    /// With more stamps than this, those without a value are looked for.
    prune_above: usize,
}

/// One stamp, from the moment when a value was asked for until its next change.
#[derive(Debug)]
pub(crate) struct Mark {
    session: u64,
    changed: AtomicBool,
}

/// What has become of a value's stamps since they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// No change has been reported.
    Unchanged,
    /// At least one has changed: the value is void.
    Changed,
    /// Changes may have gone unreported.
    Unsure,
}

/// The marks of one value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks(Box<[Arc<Mark>]>);

impl Marks {
    /// In the order of the stamps; none, if none were taken.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Mark>> {
        self.0.iter()
    }
}

impl StampTable {
    /// Takes the marks of these stamps; to be called before the stamps are read.
    pub(crate) fn take(&self, stamps: &[StampKey]) -> Marks {
        let mut table = self.table.lock();
        // Under the lock, so that the session does not end in between.
        let session = self.session.load(Ordering::SeqCst);
        Marks(stamps.iter().map(|stamp| table.take(stamp, session)).collect())
    }

    /// What is known of a value that carries these marks.
    pub(crate) fn known(&self, marks: &Marks) -> Freshness {
        self.known_of(marks.iter().map(Some))
    }

    /// As [`known`](Self::known), with `None` for a stamp without a mark.
    pub(crate) fn known_of<'m>(&self, marks: impl Iterator<Item = Option<&'m Arc<Mark>>>) -> Freshness {
        let session = self.session.load(Ordering::SeqCst);
        let mut all = false;
        let mut known = Freshness::Unchanged;
        for mark in marks {
            all = true;
            match mark {
                Some(mark) if mark.changed.load(Ordering::SeqCst) => return Freshness::Changed,
                Some(mark) if mark.session == session => {}
                Some(_) | None => known = Freshness::Unsure,
            }
        }
        if all { known } else { Freshness::Unsure }
    }

    /// A stamp has changed.
    pub(crate) fn changed(&self, stamp: &str) {
        self.void(stamp);
    }

    /// Whatever depends on a stamp is void. Returns whether anything does.
    pub(crate) fn void(&self, stamp: &str) -> bool {
        let mut table = self.table.lock();
        let mark = table.by_stamp.remove(stamp).and_then(|mark| mark.upgrade());
        if let Some(mark) = &mark {
            // Under the lock: whoever reports the next change finds no mark, and relies on this one being void.
            mark.changed.store(true, Ordering::SeqCst);
        }
        mark.is_some()
    }

    /// Changes may have gone unreported: a new session begins.
    pub(crate) fn begin_session(&self) {
        let mut table = self.table.lock();
        self.session.fetch_add(1, Ordering::SeqCst);
        table.by_stamp.clear();
    }

    /// How many stamps are in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.lock().by_stamp.len()
    }
}

impl Table {
    fn take(&mut self, stamp: &StampKey, session: u64) -> Arc<Mark> {
        if let Some(mark) = self.by_stamp.get(stamp).and_then(Weak::upgrade) {
            return mark;
        }
        let mark = Arc::new(Mark {
            session,
            changed: AtomicBool::new(false),
        });
        self.by_stamp.insert(stamp.clone(), Arc::downgrade(&mark));
        if self.by_stamp.len() > self.prune_above.max(FEWEST_TO_PRUNE) {
            self.by_stamp.retain(|_, mark| mark.strong_count() > 0);
            self.prune_above = self.by_stamp.len() * 2;
        }
        mark
    }
}
