//! What there is to know at a moment.

use super::WRITERS;
use crate::terms::{Stamp, Version, fresh};

/// The two stamps of the entry: resource, scope.
pub(super) type Pair<T> = [T; 2];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: Version,
    /// The newest version whose invalidation has been acknowledged: a read that starts now must not return an older one.
    pub(super) floor: Version,
    pub(super) stamps: Pair<Option<Stamp>>,
    pub(super) entry: Option<Entry>,
    /// The first invalidates the resource, the second the scope.
    pub(super) writers: [Writer; WRITERS],
    /// Sorted.
    pub(super) readers: Vec<Reader>,
    /// On their way to the store; sorted.
    pub(super) fills: Vec<Entry>,
    pub(super) reads_left: u8,
    pub(super) evictions_left: u8,
    /// A read has returned an older version than its floor.
    pub(super) stale: bool,
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
    /// Only where an invalidation takes two steps.
    DeletedOnce(Version),
    Done,
}

impl Writer {
    pub(super) fn is_done(self) -> bool {
        self == Self::Done
    }
}

/// A call. One that has neither to return a stored value nor to store one is of no further interest, and leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reader {
    /// Reads key by key.
    Reading {
        floor: Version,
        stamps: Pair<Key<Stamp>>,
        entry: Key<Entry>,
    },
    /// Creates the stamps that are missing, one after the other.
    Creating {
        floor: Version,
        found: Pair<Option<Stamp>>,
        /// `SET NX` has been executed for the first missing stamp, `GET` has not.
        set: bool,
    },
    /// About to load.
    Loading { floor: Version, ticket: Pair<Stamp> },
    /// Has loaded and not yet told the waiters.
    Loaded { ticket: Pair<Stamp>, version: Version },
}

/// A key, for who reads one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key<T> {
    Unread,
    Read(Option<T>),
}

impl<T> Key<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Unread => None,
            Self::Read(value) => value,
        }
    }
}

impl Reader {
    pub(super) fn may_hit(&self) -> bool {
        matches!(self, Self::Reading { .. })
    }

    fn stamp(self, index: usize) -> Option<Stamp> {
        match self {
            Self::Reading { stamps, .. } => stamps[index].value(),
            Self::Creating { found, .. } => found[index],
            Self::Loading { ticket, .. } | Self::Loaded { ticket, .. } => Some(ticket[index]),
        }
    }

    fn version(self) -> Option<Version> {
        match self {
            Self::Loaded { version, .. } => Some(version),
            _ => self.entry().map(|entry| entry.version),
        }
    }

    /// While keys are read one by one, an entry is held as well.
    fn entry(self) -> Option<Entry> {
        match self {
            Self::Reading { entry, .. } => entry.value(),
            _ => None,
        }
    }
}

/// Numbers are positions in the state's collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A call starts. Its `MGET` is executed, unless keys are read one by one.
    BeginRead,
    /// As that, when the time-to-live of the entry is over and its window is not.
    BeginLateRead,
    ReadStamp(usize, usize),
    ReadEntry(usize),
    SetNx(usize),
    GetStamp(usize),
    /// The body reads the database.
    Load(usize),
    /// The load is over: its fill is on the way.
    Land(usize),
    /// The first returns what the second has loaded.
    Join(usize, usize),
    DeliverFill(usize),
    /// The next step of a mutation.
    Write(usize),
    EvictEntry,
    EvictStamp(usize),
}

impl State {
    pub(super) fn new(reads_left: u8, evictions_left: u8) -> Self {
        Self {
            database: 0,
            floor: 0,
            stamps: [None; 2],
            entry: None,
            writers: [Writer::Idle; WRITERS],
            readers: Vec::new(),
            fills: Vec::new(),
            reads_left,
            evictions_left,
            stale: false,
        }
    }

    /// A call that started when `floor` was promised returns a stored or shared value.
    pub(super) fn returned(&mut self, version: Version, floor: Version) {
        self.stale |= version < floor;
    }

    /// Whether a value that is older than the last version is anywhere, or can come to be.
    pub(super) fn old_value_remains(&self) -> bool {
        let versions = self.entry.iter().chain(&self.fills).map(|entry| entry.version);
        let mut known = versions.chain(self.readers.iter().filter_map(|reader| reader.version()));
        self.writers != [Writer::Done; WRITERS] || known.any(|version| version < self.database)
    }

    /// A random number for a stamp.
    pub(super) fn random(&self, index: usize) -> Stamp {
        let entries = self.entry.iter().chain(&self.fills).copied();
        let held = entries.chain(self.readers.iter().filter_map(|reader| reader.entry()));
        let current = self.stamps[index].into_iter();
        let known = self.readers.iter().filter_map(move |reader| reader.stamp(index));
        fresh(current.chain(known).chain(held.map(move |entry| entry.stamps[index])))
    }
}
