//! What there is to know at a moment.

use super::{BOUND, Near, OWN, Variant, WRITERS};
use crate::terms::{Stamp, Version, fresh};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: Version,
    /// The newest version whose invalidation has been acknowledged, to anybody.
    pub(super) floor: Version,
    /// `floor` as it was when this tick, the one before it, and so on, began.
    pub(super) floors: [Version; BOUND as usize + 1],
    /// The newest version whose invalidation this process has had acknowledged.
    pub(super) own_floor: Version,
    pub(super) writers: [Writer; WRITERS],

    // The server.
    pub(super) stamp: Option<Stamp>,
    pub(super) entry: Option<(Version, Stamp)>,
    /// The stamp has changed; the push is written at the end of the server's turn.
    pub(super) push_due: bool,
    pub(super) link: Link,
    /// The watch's own key is there.
    pub(super) key: bool,

    // The process with the near cache.
    pub(super) near: Option<Version>,
    /// The near cache may answer, as far as the connection is concerned.
    pub(super) in_use: bool,
    /// How many ticks ago what the bound counts from was; more than `BOUND` is over.
    pub(super) bound_age: u8,
    /// How many ticks ago the ping or the `TRACKING` whose answer is awaited was sent.
    pub(super) awaited: Option<u8>,
    /// Sorted.
    pub(super) reads: Vec<Read>,

    pub(super) reads_left: u8,
    pub(super) evictions_left: u8,
    pub(super) swaps_left: u8,
    pub(super) losses_left: u8,
    pub(super) breaks_left: u8,
}

/// The tracking connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Link {
    Down,
    Up {
        tracking: bool,
        /// Sent, not yet executed. There is at most one.
        request: Option<Request>,
        /// On the way to the process, first come first served.
        messages: Vec<Message>,
    },
    /// Nothing passes any more, and the process does not know.
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Track,
    Ping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Message {
    Answer(Request),
    /// To a ping: the watch's own key is gone.
    Gone,
    /// The stamp has changed.
    Push,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    /// Only of the other process.
    Committed(Version),
    /// Only of this process: committed and written into the journal; reads stay out.
    Journaled(Version),
    /// The stamp is removed; the server answers at the end of its turn.
    Removed(Version),
    Done,
}

/// A read of this process from the server. `guarded`: the epoch has moved since before it began, its value must not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Read {
    /// A valid entry is on its way back.
    Replied { guarded: bool, version: Version },
    /// No valid entry: about to load under this stamp.
    Loading { guarded: bool, stamp: Stamp },
    /// About to fill and to insert.
    Loaded {
        guarded: bool,
        version: Version,
        stamp: Stamp,
    },
}

impl Read {
    fn guard(&mut self) {
        let (Self::Replied { guarded, .. } | Self::Loading { guarded, .. } | Self::Loaded { guarded, .. }) = self;
        *guarded = true;
    }

    fn version(self) -> Option<Version> {
        match self {
            Self::Replied { version, .. } | Self::Loaded { version, .. } => Some(version),
            Self::Loading { .. } => None,
        }
    }

    fn stamp(self) -> Option<Stamp> {
        match self {
            Self::Loading { stamp, .. } | Self::Loaded { stamp, .. } => Some(stamp),
            Self::Replied { .. } => None,
        }
    }
}

fn older(age: u8) -> u8 {
    (age + 1).min(BOUND + 1)
}

/// Numbers are positions in the state's collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Tick,
    /// A tracking connection is opened and `CLIENT TRACKING` sent.
    Connect,
    /// The connection breaks, silently at first.
    Break,
    NoticeBreak,
    Ping,
    /// The server executes what came over the tracking connection.
    Serve,
    /// The server's turn ends: it writes the push.
    Push,
    /// The process handles the next message.
    Receive,
    BeginRead,
    ReadOn(usize),
    Write(usize),
    EvictStamp,
    /// Other data, without a report.
    SwapData,
    /// The stamp goes without a report.
    LoseStamp,
}

impl State {
    pub(super) fn new(model: &Near) -> Self {
        Self {
            database: 0,
            floor: 0,
            floors: [0; BOUND as usize + 1],
            own_floor: 0,
            writers: [Writer::Idle; WRITERS],
            stamp: None,
            entry: None,
            push_due: false,
            link: if model.starts_tracked {
                Link::Up {
                    tracking: true,
                    request: None,
                    messages: Vec::new(),
                }
            } else {
                Link::Down
            },
            key: model.starts_tracked,
            near: None,
            in_use: model.starts_tracked,
            bound_age: if model.starts_tracked { 0 } else { BOUND + 1 },
            awaited: None,
            reads: Vec::new(),
            reads_left: model.reads,
            evictions_left: model.evictions,
            swaps_left: model.swaps,
            losses_left: model.losses,
            breaks_left: model.breaks,
        }
    }

    /// What a near hit would return now.
    pub(super) fn near_hit(&self, model: &Near) -> Option<Version> {
        let is_fresh = self.bound_age <= BOUND || model.variant == Variant::NoHeartbeat;
        self.near
            .filter(|_| self.in_use && is_fresh && !self.own_is_pending(model))
    }

    /// Whether an invalidation of this process is on its way.
    pub(super) fn own_is_pending(&self, model: &Near) -> bool {
        let pending = matches!(self.writers[OWN], Writer::Journaled(_) | Writer::Removed(_));
        pending && model.variant != Variant::OwnReadsGoOn
    }

    /// Whether there is, or can be, a value that is older than what has been acknowledged. A dead entry stays dead.
    pub(super) fn old_value_remains(&self) -> bool {
        let old = |version: Version| version < self.floor;
        let valid = self.entry.filter(|(_, stamp)| self.stamp == Some(*stamp));
        self.writers != [Writer::Done; WRITERS]
            || self.near.is_some_and(old)
            || valid.is_some_and(|(version, _)| old(version))
            || self.reads.iter().any(|read| read.version().is_some_and(old))
    }

    /// Drops what is kept, and lets the epoch move: no read that is under way is kept.
    pub(super) fn flush(&mut self) {
        self.near = None;
        self.reads.iter_mut().for_each(Read::guard);
        self.reads.sort_unstable();
    }

    pub(super) fn tick(&mut self) {
        self.floors.rotate_right(1);
        self.floors[0] = self.floor;
        self.bound_age = older(self.bound_age);
        self.awaited = self.awaited.map(older);
    }

    /// The server's answers to all mutations arrive. That they arrive at once is the strictest for the near cache.
    pub(super) fn acknowledge(&mut self) {
        for (index, writer) in self.writers.iter_mut().enumerate() {
            if let Writer::Removed(version) = *writer {
                *writer = Writer::Done;
                self.floor = self.floor.max(version);
                if index == OWN {
                    self.own_floor = self.own_floor.max(version);
                }
            }
        }
    }

    /// The stamp has changed.
    pub(super) fn stamp_changed(&mut self) {
        self.push_due |= matches!(self.link, Link::Up { tracking: true, .. });
    }

    /// A random number for a stamp.
    pub(super) fn random(&self) -> Stamp {
        let entry = self.entry.iter().map(|(_, stamp)| *stamp);
        let tickets = self.reads.iter().filter_map(|read| read.stamp());
        fresh(entry.chain(tickets).chain(self.stamp))
    }
}
