//! What there is to know at a moment.

use std::collections::VecDeque;

use super::{Failover, PROCESSES};
use crate::terms::{Stamp, Version, fresh};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) database: Version,
    /// Of each process, the version whose invalidation is in force; 0 without.
    pub(super) in_force: [Version; PROCESSES],
    pub(super) primary: Server,
    pub(super) replica: Server,
    /// Executed by the primary, not by the replica; the oldest first.
    pub(super) log: VecDeque<Command>,
    /// The primary before the last failover, where it goes on answering.
    pub(super) old: Option<Server>,
    pub(super) processes: [Process; PROCESSES],
    /// Sorted.
    pub(super) readers: Vec<Reader>,
    /// On their way to whoever is the primary then; sorted.
    pub(super) fills: Vec<Entry>,
    pub(super) reads_left: u8,
    pub(super) evictions_left: u8,
    pub(super) failovers_left: u8,
    /// A read has returned an older version than was promised to it.
    pub(super) stale: bool,
}

/// The version of a value and the stamp that it was loaded under.
pub(super) type Entry = (Version, Stamp);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) stamp: Option<Stamp>,
    pub(super) entry: Option<Entry>,
}

impl Server {
    /// The version that a hit returns.
    pub(super) fn valid(self) -> Option<Version> {
        let (version, stamp) = self.entry?;
        (self.stamp == Some(stamp)).then_some(version)
    }

    pub(super) fn execute(&mut self, command: Command) {
        match command {
            Command::SetStamp(stamp) => self.stamp = Some(stamp),
            Command::RemoveStamp { .. } => self.stamp = None,
            Command::SetEntry(entry) => self.entry = Some(entry),
            Command::RemoveEntry => self.entry = None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Command {
    SetStamp(Stamp),
    /// `by`: the process whose invalidation it is; an eviction is nobody's.
    RemoveStamp {
        by: Option<usize>,
    },
    SetEntry(Entry),
    RemoveEntry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    pub(super) connection: Connection,
    pub(super) mutation: Mutation,
    /// The version whose invalidation it has had acknowledged; 0 without.
    pub(super) acknowledged: Version,
    /// It would replay that invalidation.
    pub(super) remembers: bool,
    /// It has replayed once.
    pub(super) has_replayed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Connection {
    Up,
    /// There is none, or one on which the replay has not been acknowledged.
    Lost,
    /// To the primary before the last failover.
    Old,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mutation {
    Idle,
    Committed(Version),
    /// The primary has removed the stamp.
    Sent(Version),
    Done,
}

/// A read that found no valid entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reader {
    /// Will create the stamp.
    Creating,
    /// Has a ticket, will load.
    Loading { stamp: Stamp },
}

/// Numbers are positions in the state's collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// `MGET`, and a hit is returned.
    BeginRead(usize),
    ReadOn(usize),
    DeliverFill(usize),
    Write(usize),
    /// There is a new connection; what is remembered is sent, and acknowledged.
    Replay(usize),
    Forget(usize),
    Replicate,
    FailOver,
    NoticeFailover(usize),
    EvictEntry,
    EvictStamp,
}

impl State {
    pub(super) fn new(model: &Failover) -> Self {
        let process = Process {
            connection: Connection::Up,
            mutation: Mutation::Idle,
            acknowledged: 0,
            remembers: false,
            has_replayed: false,
        };
        Self {
            database: 0,
            in_force: [0; PROCESSES],
            primary: Server::default(),
            replica: Server::default(),
            log: VecDeque::new(),
            old: None,
            processes: [process; PROCESSES],
            readers: Vec::new(),
            fills: Vec::new(),
            reads_left: model.reads,
            evictions_left: model.evictions,
            failovers_left: model.failovers,
            stale: false,
        }
    }

    /// The primary executes a command, and the replica will.
    pub(super) fn execute(&mut self, command: Command) {
        self.primary.execute(command);
        self.log.push_back(command);
    }

    /// Whether the replica still lacks an invalidation of this process.
    pub(super) fn lacks(&self, process: usize) -> bool {
        let its = |command: &Command| matches!(command, Command::RemoveStamp { by: Some(by) } if *by == process);
        self.log.iter().any(its)
    }

    /// Whether a value that is older than the last version is anywhere, or can come to be.
    pub(super) fn old_value_remains(&self) -> bool {
        let servers = [Some(self.primary), Some(self.replica), self.old];
        let on_servers = servers.into_iter().flatten().filter_map(|server| server.entry);
        let in_log = self.log.iter().filter_map(|command| match command {
            Command::SetEntry(entry) => Some(*entry),
            _ => None,
        });
        let mut known = on_servers.chain(in_log).chain(self.fills.iter().copied());
        let finished = self.processes.iter().all(|process| process.mutation == Mutation::Done);
        !finished || known.any(|(version, _)| version < self.database)
    }

    /// A random number for a stamp.
    pub(super) fn random(&self) -> Stamp {
        let servers = [Some(self.primary), Some(self.replica), self.old];
        let on_servers = servers.into_iter().flatten().flat_map(|server| {
            let of_entry = server.entry.map(|(_, stamp)| stamp);
            server.stamp.into_iter().chain(of_entry)
        });
        let in_log = self.log.iter().filter_map(|command| match command {
            Command::SetStamp(stamp) | Command::SetEntry((_, stamp)) => Some(*stamp),
            _ => None,
        });
        let tickets = self.readers.iter().filter_map(|reader| match reader {
            Reader::Loading { stamp } => Some(*stamp),
            Reader::Creating => None,
        });
        let fills = self.fills.iter().map(|(_, stamp)| *stamp);
        fresh(on_servers.chain(in_log).chain(tickets).chain(fills))
    }
}
