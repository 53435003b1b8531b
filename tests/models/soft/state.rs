//! What there is to know at a moment.

use super::WRITERS;
use crate::terms::{Stamp, Version, fresh};

/// The two stamps of the entry: strict, soft.
pub(super) type Pair<T> = [T; 2];

pub(super) const STRICT: usize = 0;
pub(super) const SOFT: usize = 1;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: Version,
    pub(super) floor: Floor,
    pub(super) stamps: Pair<Option<Stamp>>,
    pub(super) entry: Option<Entry>,
    pub(super) writers: [Writer; WRITERS],
    /// Sorted.
    pub(super) readers: Vec<Reader>,
    /// Loads under way; sorted.
    pub(super) loads: Vec<Load>,
    /// A load that has failed just now: the next one waits a little.
    pub(super) failed: Option<Load>,
    /// On their way to the store; sorted.
    pub(super) fills: Vec<Entry>,
    pub(super) reads_left: u8,
    pub(super) evictions_left: u8,
    pub(super) failures_left: u8,
    /// A call has returned an old value as it may.
    pub(super) is_any_old: bool,
    /// A call has returned something from before a strict invalidation.
    pub(super) stale: bool,
    /// A call has returned something from before a soft invalidation, and nobody loads.
    pub(super) neglected: bool,
}

/// The newest versions whose invalidations have been acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Floor {
    /// Nothing older may be returned.
    pub(super) strict: Version,
    /// Nothing older may be returned unless it is being replaced.
    pub(super) soft: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) version: Version,
    pub(super) stamps: Pair<Stamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    Committed(Version),
    /// Has read the strict half of the stamp, and is about to write it again.
    Rewriting(Version, Stamp),
    Done,
}

impl Writer {
    pub(super) fn is_done(self) -> bool {
        self == Self::Done
    }
}

/// A call until it returns or loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reader {
    /// Creates the stamps that are missing, one after the other.
    Creating {
        floor: Floor,
        old: Option<Version>,
        found: Pair<Option<Stamp>>,
        /// `SET NX` has been executed for the first missing stamp, `GET` has not.
        set: bool,
    },
    /// Has a ticket, and loads or sees to it that somebody does. `old` is what it may return meanwhile.
    Ready {
        floor: Floor,
        old: Option<Version>,
        ticket: Pair<Stamp>,
    },
}

/// A load, of a call that waits for it or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Load {
    pub(super) ticket: Pair<Stamp>,
    /// What had been invalidated softly when it began.
    pub(super) since: Version,
    /// What it has read of the database.
    pub(super) version: Option<Version>,
}

impl Load {
    /// Whether it is younger than the soft invalidation of this version.
    fn makes_up_for(self, soft: Version) -> bool {
        self.version.is_none_or(|version| version >= soft)
    }
}

/// Numbers are positions in the state's collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A call starts. Its `MGET` is executed.
    BeginRead,
    SetNx(usize),
    GetStamp(usize),
    /// A call begins a load, and returns if it has something to return.
    Begin(usize),
    /// The call relies on a load that is under way: it returns what is old, or what that has loaded.
    Join(usize, usize),
    /// A load reads the database, and is over in a second step.
    Load(usize),
    Fail(usize),
    /// The time is over in which a failed load is not tried again.
    Forget,
    DeliverFill(usize),
    /// The next step of a mutation.
    Write(usize),
    EvictEntry,
    EvictStamp(usize),
}

impl State {
    pub(super) fn new(reads_left: u8, evictions_left: u8, failures_left: u8) -> Self {
        Self {
            database: 0,
            floor: Floor::default(),
            stamps: [None; 2],
            entry: None,
            writers: [Writer::Idle; WRITERS],
            readers: Vec::new(),
            loads: Vec::new(),
            failed: None,
            fills: Vec::new(),
            reads_left,
            evictions_left,
            failures_left,
            is_any_old: false,
            stale: false,
            neglected: false,
        }
    }

    /// A call that started with this floor returns a stored or shared value.
    pub(super) fn returned(&mut self, version: Version, floor: Floor) {
        self.stale |= version < floor.strict;
        if version < floor.soft {
            let is_under_way = self.loads.iter().any(|load| load.makes_up_for(floor.soft));
            let has_failed = self.failed.is_some_and(|load| load.since >= floor.soft);
            self.is_any_old |= is_under_way;
            self.neglected |= !is_under_way && !has_failed;
        }
    }

    /// Whether a value that is older than the last version is anywhere, or can come to be.
    pub(super) fn old_value_remains(&self) -> bool {
        let entries = self.entry.iter().chain(&self.fills).map(|entry| entry.version);
        let loads = self.loads.iter().map(|load| load.version.unwrap_or(self.database));
        let held = self.readers.iter().filter_map(|reader| reader.old());
        let mut known = entries.chain(loads).chain(held);
        self.writers != [Writer::Done; WRITERS] || known.any(|version| version < self.database)
    }

    /// A random number for a stamp.
    pub(super) fn random(&self, index: usize) -> Stamp {
        let entries = self
            .entry
            .iter()
            .chain(&self.fills)
            .map(move |entry| entry.stamps[index]);
        let loads = self
            .loads
            .iter()
            .chain(&self.failed)
            .map(move |load| load.ticket[index]);
        let readers = self.readers.iter().filter_map(move |reader| reader.stamp(index));
        let rewritten = self.writers.iter().filter_map(move |writer| match writer {
            Writer::Rewriting(_, stamp) if index == STRICT => Some(*stamp),
            _ => None,
        });
        let current = self.stamps[index].into_iter();
        fresh(current.chain(entries).chain(loads).chain(readers).chain(rewritten))
    }
}

impl Reader {
    fn old(self) -> Option<Version> {
        match self {
            Self::Creating { old, .. } | Self::Ready { old, .. } => old,
        }
    }

    fn stamp(self, index: usize) -> Option<Stamp> {
        match self {
            Self::Creating { found, .. } => found[index],
            Self::Ready { ticket, .. } => Some(ticket[index]),
        }
    }
}
