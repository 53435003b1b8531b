//! A load of this process that has the lease which another one waits for.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::loads::{Awaited, HOLDERS, Load, Sightings, WAITS, WATCH_INTERVAL, Wait};

/// The one that has a lease, as seen by one who waits for it. Whoever has it is watched by those who wait: nobody else need know
/// its flight.
#[derive(Debug)]
pub(super) struct Neighbour {
    key: Arc<str>,
    sightings: Sightings,
    looked: Option<Instant>,
    wait: Option<Wait>,
}

/// What is to be done about it.
#[derive(Debug)]
pub(super) enum Standing {
    /// It can be waited for, or there is none, and it is another process that has the lease.
    Healthy,
    /// It has stalled: the lease is the next one's.
    Stalled(Arc<Load>),
    /// It waits for the one that would wait.
    Circle,
}

impl Neighbour {
    pub(super) fn new(key: &Arc<str>) -> Self {
        Self {
            key: Arc::clone(key),
            sightings: Sightings::default(),
            looked: None,
            wait: None,
        }
    }

    /// Looks at it, on behalf of `load`, which waits.
    pub(super) fn look(&mut self, load: &Arc<Load>) -> Standing {
        let Some(holder) = HOLDERS.of(&self.key) else {
            self.looked = None;
            return Standing::Healthy;
        };
        if self.wait.is_none() {
            let held = HeldLease {
                key: Arc::clone(&self.key),
                waiting: Arc::clone(load),
            };
            self.wait = WAITS.begin(load, Arc::new(held));
            if self.wait.is_none() {
                return Standing::Circle;
            }
        }
        let loads = [holder];
        // Looks are counted. So they must not come one right after the other.
        let due = self.looked.is_none_or(|looked| looked.elapsed() >= WATCH_INTERVAL);
        if due {
            self.looked = Some(Instant::now());
            self.sightings.look(&loads);
        }
        let [holder] = &loads;
        if holder.has_stalled() {
            Standing::Stalled(Arc::clone(holder))
        } else if WAITS.are_held_up(&loads) {
            Standing::Circle
        } else {
            Standing::Healthy
        }
    }

    /// When the next look is due; `None` without a neighbour.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let looked = self.looked?;
        Some(WATCH_INTERVAL.saturating_sub(looked.elapsed()))
    }
}

/// A lease that somebody has.
#[derive(Debug)]
struct HeldLease {
    key: Arc<str>,
    waiting: Arc<Load>,
}

impl Awaited for HeldLease {
    fn loads(&self) -> Vec<Arc<Load>> {
        // It has been given this lease, or another one that it has tried to get, and is to come for it.
        if self.waiting.has_lease() {
            return Vec::new();
        }
        HOLDERS.of(&self.key).into_iter().collect()
    }
}
