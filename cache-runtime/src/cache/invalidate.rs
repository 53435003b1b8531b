//! How a cache invalidates: written down, sent, and swept.

use tokio::time::Instant;
use tracing::Instrument as _;

use super::Engine;
use crate::{invalidation::Invalidation, key::StampKey, protocol, store::StoreError};

/// What became of an invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an invalidation has reached everybody or it has not, and who looks must not forget the second"
)]
pub enum Invalidated {
    /// No call that starts from now on, in any process, is given what was loaded before.
    Acknowledged,
    /// The store did not answer in time. No call in *this* process is given what was loaded before; for the others the
    /// invalidation is sent in the background until the store has acknowledged it.
    Pending,
}

impl Engine {
    /// Invalidates, and waits for the acknowledgement within the deadline.
    pub(crate) async fn apply(&self, invalidation: Invalidation) -> Invalidated {
        if self.upstream.store_even_if_closed().is_none() || invalidation.is_empty() {
            return Invalidated::Acknowledged;
        }
        let started = Instant::now();
        let invalidated = if invalidation.is_of_everything() {
            self.write_everything();
            Invalidated::Pending
        } else {
            self.remove(&invalidation.stamps()).await
        };
        self.figures.invalidated(started, invalidated);
        invalidation.log(invalidated == Invalidated::Acknowledged, started);
        self.sweep(invalidation);
        invalidated
    }

    /// As [`apply`](Self::apply), before a mutation of `crash_safe` resources: what it is about is unusable already while the
    /// body runs. The mutation's own invalidation follows.
    pub(crate) async fn prepare(&self, invalidation: Invalidation) {
        if self.upstream.store_even_if_closed().is_some() {
            if invalidation.is_of_everything() {
                self.write_everything();
            }
            self.remove(&invalidation.stamps()).await;
        }
    }

    /// As [`apply`](Self::apply), for what was dropped half-way: nobody can wait, and whether the database has committed is
    /// not known, nor whether it is still going to. So the invalidation is made now, and again some time later.
    pub(crate) fn apply_unfinished(&self, invalidation: Invalidation) {
        if self.upstream.store_even_if_closed().is_none() || invalidation.is_empty() {
            return;
        }
        let started = Instant::now();
        let stamps = invalidation.stamps();
        if invalidation.is_of_everything() {
            self.write_everything();
        }
        self.removals.write(&stamps);
        self.keeper.ensure();
        if !self.upstream.is_closed() {
            self.removals.repeats.write(&stamps);
        }
        self.figures.invalidations.add(1);
        self.keeper.wake();
        invalidation.log(false, started);
        self.sweep(invalidation);
    }

    fn write_everything(&self) {
        self.removals.write_everything();
        self.keeper.ensure();
        self.keeper.wake();
    }

    async fn remove(&self, stamps: &[StampKey]) -> Invalidated {
        let position = self.removals.write(stamps);
        self.keeper.ensure();
        // Dropped half-way, or without an answer, the rest is the keeper's.
        let mut unfinished = WakeKeeper(Some(self));
        let removed = match self.upstream.store_even_if_closed() {
            Some(store) if self.upstream.health.is_trusted() && self.upstream.is_carried() => {
                let span = tracing::debug_span!("cache.invalidate", stamps = stamps.len());
                let removing = self
                    .upstream
                    .write("an invalidation", protocol::remove(&**store, stamps));
                removing.instrument(span).await
            }
            _ => Err(StoreError::unavailable()),
        };
        if removed.is_err() {
            return Invalidated::Pending;
        }
        self.removals.acknowledge(stamps, position);
        unfinished.0 = None;
        Invalidated::Acknowledged
    }

    /// Gives the memory back of what was invalidated.
    fn sweep(&self, invalidation: Invalidation) {
        if self.settings.sweep {
            self.sweeper.request(invalidation.into_patterns());
        }
    }
}

/// Hands what is unfinished to the keeper.
struct WakeKeeper<'a>(Option<&'a Engine>);

impl Drop for WakeKeeper<'_> {
    fn drop(&mut self) {
        if let Some(engine) = self.0 {
            engine.keeper.wake();
        }
    }
}
