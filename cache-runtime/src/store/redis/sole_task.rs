//! A background task of which at most one runs, and which another runtime may take over: nobody may drive the one that it is in.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::runtime::Id;

/// A task that has not moved for this long, in another runtime than the one that asks, is not waited for.
const STUCK: Duration = Duration::from_secs(1);

/// The task, whether it runs or not.
#[derive(Debug, Default)]
pub(super) struct SoleTask(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The number of the last claim; they are counted from 1 on.
    last: u64,
    /// Where its task runs, and when it last moved; `None` for nowhere. Not by tokio's clock, which may be paused.
    at: Option<(Id, Instant)>,
}

/// The right to be the task; given up when dropped, so also when its runtime is shut down.
#[derive(Debug)]
#[must_use]
pub(super) struct Claim {
    state: Arc<Mutex<State>>,
    number: u64,
}

impl SoleTask {
    /// The right to begin the task in this runtime; `None` if it runs.
    pub(super) fn claim(&self, runtime: Id) -> Option<Claim> {
        let mut state = lock(&self.0);
        let is_stuck = |(other, moved): (Id, Instant)| other != runtime && moved.elapsed() >= STUCK;
        if !state.at.is_none_or(is_stuck) {
            return None;
        }
        state.last += 1;
        state.at = Some((runtime, Instant::now()));
        Some(Claim {
            state: Arc::clone(&self.0),
            number: state.last,
        })
    }
}

impl Claim {
    /// Whether this is still the task, and no other runtime has taken it over. It has moved.
    pub(super) fn is_current(&self) -> bool {
        let mut state = lock(&self.state);
        let is_current = state.last == self.number;
        if let (true, Some((_, moved))) = (is_current, &mut state.at) {
            *moved = Instant::now();
        }
        is_current
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.last == self.number {
            state.at = None;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
