//! A background task of which at most one runs, and which another runtime takes over if nobody drives the one that it is in.

use std::time::{Duration, Instant};

use tokio::runtime::Id;

use crate::{
    sync::{Arc, Mutex},
    task::{self, SingleTask},
};

/// A task that has not moved for this long, in another runtime than the one that asks, is not waited for.
const STUCK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(in super::super) struct TransferableTask {
    task: SingleTask,
    last: Arc<Mutex<Option<Sighting>>>,
}

/// Where the task ran last, and when it last moved. Not by tokio's clock, which may be paused.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    runtime: Id,
    moved: Instant,
}

/// The claim to be the task; given up when dropped, so also when its runtime is shut down.
#[derive(Debug)]
#[must_use]
pub(in super::super) struct Claim {
    claim: task::Claim,
    last: Arc<Mutex<Option<Sighting>>>,
}

impl TransferableTask {
    /// The right to begin the task in this runtime; `None` if it runs.
    pub(in super::super) fn claim(&self, runtime: Id) -> Option<Claim> {
        let mut last = self.last.lock();
        let is_stuck = last.is_some_and(|last| last.runtime != runtime && last.moved.elapsed() >= STUCK);
        let claim = match self.task.claim() {
            None if is_stuck => self.task.take_over(),
            claim => claim?,
        };
        *last = Some(Sighting {
            runtime,
            moved: Instant::now(),
        });
        Some(Claim {
            claim,
            last: Arc::clone(&self.last),
        })
    }
}

impl Claim {
    /// Whether this is still the task, and no other runtime has taken it over. It has moved.
    pub(in super::super) fn is_current(&self) -> bool {
        let mut last = self.last.lock();
        let is_current = self.claim.is_current();
        if let (true, Some(last)) = (is_current, &mut *last) {
            last.moved = Instant::now();
        }
        is_current
    }
}
