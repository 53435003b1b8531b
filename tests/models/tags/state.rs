//! What there is to know at a moment.

use super::WRITERS;
use crate::terms::{Stamp, Version, fresh, insert_sorted, take};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: Version,
    /// The newest version whose invalidation has been acknowledged: a read that starts now must not return an older one.
    pub(super) floor: Version,
    pub(super) stamps: Stamps,
    pub(super) entry: Option<Entry>,
    pub(super) writers: [Writer; WRITERS],
    /// Sorted.
    pub(super) readers: Vec<Reader>,
    /// On their way to the store; sorted.
    pub(super) fills: Vec<Entry>,
    pub(super) reads_left: u8,
    pub(super) evictions_left: u8,
    /// A load has found that its epoch has moved.
    pub(super) is_any_refused: bool,
    /// A read has returned an older version than its floor.
    pub(super) stale: bool,
}

/// What the store has beside the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Resource,
    /// Of the bucket that the tag is in.
    Epoch,
    Tag,
}

impl Key {
    pub(super) const ALL: [Self; 3] = [Self::Resource, Self::Epoch, Self::Tag];
}

/// What stands under the keys, or what somebody has read there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Stamps([Option<Stamp>; Key::ALL.len()]);

impl Stamps {
    pub(super) fn get(self, key: Key) -> Option<Stamp> {
        self.0[key as usize]
    }

    pub(super) fn set(&mut self, key: Key, stamp: Option<Stamp>) {
        self.0[key as usize] = stamp;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) version: Version,
    pub(super) resource: Stamp,
    pub(super) tag: Stamp,
}

impl Entry {
    fn stamp(self, key: Key) -> Option<Stamp> {
        match key {
            Key::Resource => Some(self.resource),
            Key::Tag => Some(self.tag),
            Key::Epoch => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    Committed(Version),
    /// The first of two keys is removed.
    Halfway(Version),
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
    /// Has found an entry that is good by the stamp of the resource, and asks for that of the tag.
    Checking { floor: Version, entry: Entry },
    /// Reads or creates one stamp after the other, `SET NX` and `GET`, before the load.
    Preparing {
        floor: Version,
        next: Key,
        /// `SET NX` has been executed, `GET` has not.
        set: bool,
        found: Stamps,
    },
    /// About to load.
    Loading { floor: Version, found: Stamps },
    /// Has loaded, and goes through the steps after the load. Others may join.
    Loaded {
        version: Version,
        found: Stamps,
        step: After,
        set: bool,
    },
}

/// A step after the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum After {
    /// The epoch is read, where it was not before.
    Epoch,
    /// The tag's stamp is read or created.
    Stamp,
    /// The epoch is read again.
    Check,
}

impl Reader {
    pub(super) fn may_hit(&self) -> bool {
        matches!(self, Self::Checking { .. })
    }

    fn stamp(self, key: Key) -> Option<Stamp> {
        match self {
            Self::Checking { entry, .. } => entry.stamp(key),
            Self::Preparing { found, .. } | Self::Loading { found, .. } | Self::Loaded { found, .. } => found.get(key),
        }
    }

    fn version(self) -> Option<Version> {
        match self {
            Self::Checking { entry, .. } => Some(entry.version),
            Self::Loaded { version, .. } => Some(version),
            Self::Preparing { .. } | Self::Loading { .. } => None,
        }
    }
}

/// Numbers are positions in the state's collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// A call starts: the resource's stamp and the entry are read.
    BeginRead,
    /// The next step of a call.
    Step(usize),
    /// The first returns what the second has loaded.
    Join(usize, usize),
    DeliverFill(usize),
    /// The next step of a mutation.
    Write(usize),
    EvictEntry,
    Evict(Key),
}

impl State {
    pub(super) fn new(reads_left: u8, evictions_left: u8) -> Self {
        Self {
            database: 0,
            floor: 0,
            stamps: Stamps::default(),
            entry: None,
            writers: [Writer::Idle; WRITERS],
            readers: Vec::new(),
            fills: Vec::new(),
            reads_left,
            evictions_left,
            is_any_refused: false,
            stale: false,
        }
    }

    /// Whether an entry would be a hit now.
    pub(super) fn is_good(&self, entry: Entry) -> bool {
        self.stamps.get(Key::Resource) == Some(entry.resource) && self.stamps.get(Key::Tag) == Some(entry.tag)
    }

    /// A call that started when `floor` was promised returns a stored or shared value.
    pub(super) fn returned(&mut self, version: Version, floor: Version) {
        self.stale |= version < floor;
    }

    /// A call returns what another one has loaded.
    pub(super) fn join(&mut self, index: usize, flight: usize) {
        let loaded = self.readers[flight];
        let (reader, others) = take(&self.readers, index);
        let (Reader::Loading { floor, .. }, Reader::Loaded { version, .. }) = (reader, loaded) else {
            unreachable!("{reader:?} does not join {loaded:?}");
        };
        self.returned(version, floor);
        self.readers = others;
    }

    pub(super) fn replace(&mut self, index: usize, reader: Option<Reader>) {
        self.readers.remove(index);
        if let Some(reader) = reader {
            insert_sorted(&mut self.readers, reader);
        }
    }

    /// Whether a value that is older than the last version is anywhere, or can come to be.
    pub(super) fn old_value_remains(&self) -> bool {
        let versions = self.entry.iter().chain(&self.fills).map(|entry| entry.version);
        let mut known = versions.chain(self.readers.iter().filter_map(|reader| reader.version()));
        self.writers != [Writer::Done; WRITERS] || known.any(|version| version < self.database)
    }

    /// A random number for a stamp.
    pub(super) fn random(&self, key: Key) -> Stamp {
        let entries = self.entry.iter().chain(&self.fills);
        let stored = entries.filter_map(move |entry| entry.stamp(key));
        let known = self.readers.iter().filter_map(move |reader| reader.stamp(key));
        fresh(self.stamps.get(key).into_iter().chain(known).chain(stored))
    }
}
