//! Background tasks of which at most one runs, on the whole or in each runtime.
//!
//! A task has its place by a claim, which it holds for as long as it runs. However it ends, also with its runtime, the claim is
//! dropped with it, and whoever needs the task next starts another.

use tokio::runtime::{Handle, Id};

use crate::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// The place of a task of which at most one runs.
#[derive(Debug, Default)]
pub(crate) struct SingleTask(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    /// The number of the task that has it; 0 for none.
    holder: AtomicU64,
    /// How many claims there have been.
    claims: AtomicU64,
}

impl SingleTask {
    /// Whether a task has the place.
    pub(crate) fn is_running(&self) -> bool {
        self.0.holder.load(Ordering::Relaxed) != 0
    }

    /// The place, unless a task has it.
    pub(crate) fn claim(&self) -> Option<Claim> {
        let number = self.next();
        let place = &self.0.holder;
        let claimed = place.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
        claimed.is_ok().then(|| self.claim_of(number))
    }

    /// The place, whoever has it. A task that had it finds out by [`Claim::is_current`].
    pub(crate) fn take_over(&self) -> Claim {
        let number = self.next();
        self.0.holder.store(number, Ordering::Release);
        self.claim_of(number)
    }

    fn next(&self) -> u64 {
        self.0.claims.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn claim_of(&self, number: u64) -> Claim {
        Claim {
            place: Arc::clone(&self.0),
            number,
        }
    }
}

/// The claim to be the one task; given up when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    place: Arc<Place>,
    number: u64,
}

impl Claim {
    /// Whether no other task has taken the place.
    pub(crate) fn is_current(&self) -> bool {
        self.place.holder.load(Ordering::Acquire) == self.number
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let holder = &self.place.holder;
        // Unless it is another one's by now.
        let _ = holder.compare_exchange(self.number, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// The places of tasks of which at most one runs in each runtime.
#[derive(Debug, Default)]
pub(crate) struct TaskPerRuntime(Arc<Mutex<Vec<Id>>>);

impl TaskPerRuntime {
    /// The place of this runtime, unless a task has it.
    pub(crate) fn claim(&self, runtime: &Handle) -> Option<RuntimeClaim> {
        let id = runtime.id();
        let mut claimed = self.0.lock();
        if claimed.contains(&id) {
            return None;
        }
        claimed.push(id);
        Some(RuntimeClaim {
            places: Arc::clone(&self.0),
            id,
        })
    }
}

/// The claim to be the one task of a runtime; given up when dropped.
#[derive(Debug)]
pub(crate) struct RuntimeClaim {
    places: Arc<Mutex<Vec<Id>>>,
    id: Id,
}

impl Drop for RuntimeClaim {
    fn drop(&mut self) {
        self.places.lock().retain(|id| *id != self.id);
    }
}
