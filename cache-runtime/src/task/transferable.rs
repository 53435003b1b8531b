//! A background task of which at most one runs, and which another runtime takes over if nobody drives the one that it is in.

use std::time::{Duration, Instant};

use tokio::runtime::Id;

use super::background::{Claim, SingleTask};
use crate::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// The place of a task that goes on where it is driven.
#[derive(Debug)]
pub(crate) struct TransferableTask {
    task: SingleTask,
    /// A task that has not moved for this long, in another runtime than the one that asks, is not waited for.
    stuck_after: Duration,
    /// The runtime of the last task.
    runtime: Mutex<Option<Id>>,
    moves: Arc<Moves>,
}

/// When a task was last seen to move. Not by tokio's clock, which may be paused.
#[derive(Debug)]
struct Moves {
    epoch: Instant,
    /// In milliseconds.
    last: AtomicU64,
}

impl Moves {
    fn note(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn stood_still(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl TransferableTask {
    pub(crate) fn new(stuck_after: Duration) -> Self {
        Self {
            task: SingleTask::default(),
            stuck_after,
            runtime: Mutex::default(),
            moves: Arc::new(Moves {
                epoch: Instant::now(),
                last: AtomicU64::new(0),
            }),
        }
    }

    /// Whether a task has the place, driven or not.
    pub(crate) fn is_running(&self) -> bool {
        self.task.is_running()
    }

    /// Whether the task that has the place does not move, if one has.
    pub(crate) fn is_stuck(&self) -> bool {
        self.moves.stood_still() >= self.stuck_after
    }

    /// The place, for a task in this runtime, if none has it or the one that has it is stuck in another.
    pub(crate) fn claim(&self, runtime: Id) -> Option<TransferableClaim> {
        let mut last = self.runtime.lock();
        let claim = match self.task.claim() {
            None if self.is_stuck() && *last != Some(runtime) => self.task.take_over(),
            claim => claim?,
        };
        Some(self.begin(&mut last, runtime, claim))
    }

    /// The place, for a task in this runtime, unless one of this runtime has it.
    pub(crate) fn take_over(&self, runtime: Id) -> Option<TransferableClaim> {
        let mut last = self.runtime.lock();
        if self.is_running() && *last == Some(runtime) {
            return None;
        }
        let claim = self.task.take_over();
        Some(self.begin(&mut last, runtime, claim))
    }

    fn begin(&self, last: &mut Option<Id>, runtime: Id, claim: Claim) -> TransferableClaim {
        *last = Some(runtime);
        self.moves.note();
        TransferableClaim {
            claim,
            moves: Arc::clone(&self.moves),
        }
    }
}

/// The claim to be the task; given up when dropped, so also when its runtime is shut down.
#[derive(Debug)]
#[must_use]
pub(crate) struct TransferableClaim {
    claim: Claim,
    moves: Arc<Moves>,
}

impl TransferableClaim {
    /// Whether this is still the task, and no other runtime has taken it over. If it is, it has moved.
    pub(crate) fn is_current(&self) -> bool {
        let is_current = self.claim.is_current();
        if is_current {
            self.moves.note();
        }
        is_current
    }
}
