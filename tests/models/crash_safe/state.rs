//! What there is to know at a moment.

use super::{CrashSafe, WRITERS};
use crate::terms::{Stamp, Version, fresh};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: Version,
    /// What loads read.
    pub(super) replica: Version,
    /// The newest version that a read which starts now must return at least.
    pub(super) floor: Version,
    pub(super) stamp: Option<Stamp>,
    pub(super) entry: Option<Entry>,
    pub(super) hold: Hold,
    pub(super) writers: [Writer; WRITERS],
    /// Sorted.
    pub(super) readers: Vec<Reader>,
    /// On their way to the store; sorted.
    pub(super) fills: Vec<Entry>,
    pub(super) reads_left: u8,
    pub(super) evictions_left: u8,
    pub(super) kills_left: u8,
    pub(super) lapses_left: u8,
    /// A read has returned an older version than its floor.
    pub(super) stale: bool,
}

/// The version of a value and the stamp that it was loaded under.
pub(super) type Entry = (Version, Stamp);

/// The ids that are in the hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Hold([bool; WRITERS]);

impl Hold {
    pub(super) fn contains(self, writer: usize) -> bool {
        self.0[writer]
    }

    pub(super) fn is_set(self) -> bool {
        self.0.contains(&true)
    }

    pub(super) fn add(&mut self, writer: usize) {
        self.0[writer] = true;
    }

    pub(super) fn remove(&mut self, writer: usize) {
        self.0[writer] = false;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    /// The first half of the beginning is done.
    Beginning {
        covered: bool,
    },
    /// The body runs. `covered`: the writer's id has been in the hold without a break.
    Begun {
        covered: bool,
    },
    Committed {
        version: Version,
    },
    /// The first half of the end is done.
    Ending {
        version: Version,
    },
    /// Done or killed.
    Gone,
}

impl Writer {
    pub(super) fn is_alive(self) -> bool {
        self != Self::Gone
    }
}

/// A call. One that has neither to return a stored value nor to store one leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reader {
    /// Has seen no hold, will read stamp and entry.
    NoHoldSeen { floor: Version },
    /// Has a valid entry, will read the hold.
    Found { floor: Version, version: Version },
    /// Has a stamp and no valid entry, will read the hold.
    Stamped { stamp: Stamp },
    /// Has neither, will read the hold.
    Unstamped,
    /// Will create the stamp.
    Creating,
    /// Has sent `SET NX`, will read the stamp.
    Created,
    /// Has a ticket, will load.
    Loading { stamp: Stamp },
}

impl Reader {
    pub(super) fn may_hit(self) -> bool {
        matches!(self, Self::NoHoldSeen { .. } | Self::Found { .. })
    }
}

/// Numbers are positions in the state's collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    BeginRead,
    /// The next step of a call.
    ReadOn(usize),
    DeliverFill(usize),
    /// The next step of a mutation.
    Write(usize),
    Kill(usize),
    Lapse(usize),
    /// The replica of the database does.
    CatchUp,
    EvictEntry,
    EvictStamp,
    EvictHold,
}

impl State {
    pub(super) fn new(model: &CrashSafe) -> Self {
        Self {
            database: 0,
            replica: 0,
            floor: 0,
            stamp: None,
            entry: None,
            hold: Hold::default(),
            writers: [Writer::Idle; WRITERS],
            readers: Vec::new(),
            fills: Vec::new(),
            reads_left: model.reads,
            evictions_left: model.evictions,
            kills_left: model.kills,
            lapses_left: model.lapses,
            stale: false,
        }
    }

    /// An id is in the hold no more, through no doing of any writer: what its writer commits is not covered.
    pub(super) fn release(&mut self, id: usize) {
        self.hold.remove(id);
        if let Writer::Beginning { covered } | Writer::Begun { covered } = &mut self.writers[id] {
            *covered = false;
        }
    }

    /// A read that starts now, or later, must not return an older version.
    pub(super) fn promise(&mut self, version: Version) {
        self.floor = self.floor.max(version);
    }

    /// A call that started when `floor` was promised returns a stored value.
    pub(super) fn returned(&mut self, version: Version, floor: Version) {
        self.stale |= version < floor;
    }

    /// Whether a value that is older than the last version is anywhere, or can come to be.
    pub(super) fn old_value_remains(&self) -> bool {
        let stored = self.entry.iter().chain(&self.fills).map(|(version, _)| *version);
        let found = self.readers.iter().filter_map(|reader| match reader {
            Reader::Found { version, .. } => Some(*version),
            _ => None,
        });
        let mut known = stored.chain(found).chain([self.replica]);
        self.writers != [Writer::Gone; WRITERS] || known.any(|version| version < self.database)
    }

    /// A random number for a stamp.
    pub(super) fn random(&self) -> Stamp {
        let entries = self.entry.iter().chain(&self.fills).map(|(_, stamp)| *stamp);
        let tickets = self.readers.iter().filter_map(|reader| match reader {
            Reader::Stamped { stamp } | Reader::Loading { stamp } => Some(*stamp),
            _ => None,
        });
        fresh(entries.chain(tickets).chain(self.stamp))
    }
}
