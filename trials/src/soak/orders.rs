//! What the laboratory and the service say to each other: an order and its answer are a line of JSON each.

use serde::{Deserialize, Serialize};

/// What the laboratory asks of the service.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Order {
    /// Find out how many callers keep the machine busy: answered with a `u32`.
    Fill,
    /// Have so many callers from now on: answered with `()`, when those from before are gone.
    Callers(Callers),
    /// Tell what there was so far: answered with [`Counts`].
    Count,
    /// Make calls with nobody else there: answered with an `Option<Alone>`; `None` without a server.
    CallAlone,
}

/// Callers of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Callers {
    pub(super) count: u32,
    /// Whether each pauses between its calls.
    pub(super) paused: bool,
}

impl Callers {
    pub(super) const NOBODY: Self = Self { count: 0, paused: true };
}

/// What callers have seen since the start, and what the process has now.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) calls: u64,
    /// Those of the calls that changed something.
    pub(super) mutations: u64,
    /// Those of the calls whose caller went away.
    pub(super) abandoned: u64,
    /// Calls that were answered with an older value than they had to be.
    pub(super) stale: u64,
    /// Calls whose future was left alone half-way.
    pub(super) left_alone: u64,
    /// Loads that others have loaded beside.
    pub(super) taken_over: u64,
    /// What the slowest query of the database took, with the wait for a connection, in milliseconds.
    pub(super) slowest_load_ms: u64,
    /// The longest that a call was polled for, in milliseconds.
    pub(super) longest_ms: u64,
    /// The longest that a call was polled for, as a share of what it may take.
    pub(super) longest_share: f64,
    /// Calls that took longer than they may.
    pub(super) too_long: u64,
    /// Calls that panicked, hung, or were answered with somebody else's value.
    pub(super) errors: u64,
    /// The first few of what is wrong.
    pub(super) first: Vec<String>,
    /// Calls that were answered by the cache.
    pub(super) hits: u64,
    /// Tasks of the runtime that have not ended.
    pub(super) tasks: u64,
    pub(super) pending_invalidations: u64,
}

/// The medians of a caller who is alone, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Alone {
    /// Of a cached call that Redis answers.
    pub(super) cached: f64,
    /// Of a `GET` over a plain connection, made in turns with the other: what the machine and the server take.
    pub(super) bare: f64,
}

impl Alone {
    pub(super) fn ratio(self) -> f64 {
        self.cached / self.bare
    }
}
