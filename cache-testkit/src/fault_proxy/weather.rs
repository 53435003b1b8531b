use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

/// The index of what flows to the server, in arrays of two.
pub(super) const TO_SERVER: usize = 0;

/// The index of what flows to the client.
pub(super) const TO_CLIENT: usize = 1;

/// Which part of a connection a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// What clients send.
    ToServer,
    /// What the server answers.
    ToClient,
    /// All of it.
    Both,
}

impl Direction {
    pub(super) fn each(self, mut apply: impl FnMut(usize)) {
        if self != Self::ToClient {
            apply(TO_SERVER);
        }
        if self != Self::ToServer {
            apply(TO_CLIENT);
        }
    }
}

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    Clear,
    Held,
    Delayed(Duration),
    Trickling(Duration),
}

/// What all connections of a proxy are told.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    pub(super) upstream: SocketAddr,
    pub(super) courses: [Course; 2],
    pub(super) refusing: bool,
    /// How often everything was reset: a connection that sees the number rise is meant.
    pub(super) resets: u64,
    /// The same for half-closes.
    pub(super) cuts: [u64; 2],
    /// How many connections there have been: the number of the next one.
    pub(super) accepted: u64,
    /// The connections that are open, by their number, and not stranded.
    pub(super) open: BTreeSet<u64>,
    /// Those that nothing gets through any more, whatever becomes of the others.
    pub(super) stranded: BTreeSet<u64>,
    pub(super) closing: bool,
}

impl Weather {
    pub(super) fn fair(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            courses: [Course::Clear; 2],
            refusing: false,
            resets: 0,
            cuts: [0; 2],
            accepted: 0,
            open: BTreeSet::new(),
            stranded: BTreeSet::new(),
            closing: false,
        }
    }
}
