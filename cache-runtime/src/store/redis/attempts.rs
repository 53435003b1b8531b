//! The claim of a background task to be the only one of its kind, which another runtime may take over: nobody may drive the
//! one that the task is in.

use std::{
    sync::MutexGuard,
    time::{Duration, Instant},
};

use tokio::runtime::Id;

use crate::sync::Mutex;

/// A task that has not moved for this long, in another runtime than the one that asks, is not waited for.
const STUCK: Duration = Duration::from_secs(1);

/// Who is at it.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the last task; they are counted from 1 on.
    last: u64,
    /// Where it runs, and when it last moved; `None` for nowhere. Not by tokio's clock, which may be paused.
    at: Option<(Id, Instant)>,
}

impl Attempts {
    /// The number of a task that is to begin in this runtime; `None` if there is one.
    pub(super) fn begin(&self, runtime: Id) -> Option<u64> {
        let mut state = self.state();
        let is_stuck = |(other, moved): (Id, Instant)| other != runtime && moved.elapsed() >= STUCK;
        if !state.at.is_none_or(is_stuck) {
            return None;
        }
        state.last += 1;
        state.at = Some((runtime, Instant::now()));
        Some(state.last)
    }

    /// Whether the task is still the one. It has moved.
    pub(super) fn goes_on(&self, number: u64) -> bool {
        let mut state = self.state();
        let is_the_one = state.last == number;
        if let (true, Some((_, moved))) = (is_the_one, &mut state.at) {
            *moved = Instant::now();
        }
        is_the_one
    }

    /// The task has ended.
    pub(super) fn end(&self, number: u64) {
        let mut state = self.state();
        if state.last == number {
            state.at = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}
