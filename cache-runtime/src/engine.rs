//! Reads and fills as callers need them: within their deadlines, never an error, and learned from.

use std::{
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::{
    cache::Inner,
    codec::{Codec, Encoded, NotEncoded},
    envelope::{Identity, Meta, Rejection},
    hold::WITHOUT_HOLDS,
    key::Address,
    protocol::{self, Reading},
    runtime::{self, Needs},
    shape::Fidelity,
    stamp::{Stamp, Ticket},
    store::{Store, StoreError, StoreErrorKind},
};

impl Inner {
    /// The store, unless the cache is disabled or was closed.
    pub(crate) fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.as_ref().filter(|_| !self.keeper.is_closed())
    }

    /// Whether the runtime of the caller can carry the cache: elsewhere bodies just run. Said once, if it cannot.
    pub(crate) fn is_carried(&self) -> bool {
        let Err(unfit) = runtime::handle_for(self.needs) else {
            return true;
        };
        if self.store.is_some() && !self.unfit_runtime_said.swap(true, Ordering::Relaxed) {
            tracing::warn!(cause = %unfit, "the cache cannot be used here: calls run uncached");
        }
        false
    }

    /// Whether the store can be asked now. Deadlines are kept by [`within`], which fails where there is no clock for them.
    pub(crate) fn may_read(self: &Arc<Self>) -> bool {
        self.keeper.ensure(self);
        if !self.health.is_trusted() {
            self.keeper.ensure_alive(self);
            return false;
        }
        self.store().is_some()
    }

    /// Asks the store for an entry. `None` if it is not to be asked now, or does not answer in time.
    pub(crate) async fn read(self: &Arc<Self>, address: &Arc<Address>, identity: &Identity) -> Option<Reading> {
        let store = self.store_for(address)?;
        let sealing = &self.settings.sealing;
        let reading = pin!(protocol::read_sealed(&**store, address, identity, sealing));
        let reading = self.ask(&**store, reading).await?;
        if let Reading::Miss {
            rejected: Some(cause), ..
        } = reading
        {
            self.note_rejection(address, cause);
        }
        Some(reading)
    }

    /// Asks the store for the stamps of an address alone. `None` as for [`read`](Self::read).
    pub(crate) async fn read_stamps(self: &Arc<Self>, address: &Arc<Address>) -> Option<Vec<Option<Stamp>>> {
        let store = self.store_for(address)?;
        self.ask(&**store, pin!(store.read_stamps(address))).await
    }

    /// The store, if what depends on these stamps may be read from it now.
    fn store_for(self: &Arc<Self>, address: &Address) -> Option<&Arc<dyn Store>> {
        let asked = self.may_read() && !self.journal.blocks(address.stamps());
        self.store().filter(|_| asked)
    }

    /// Reads within the deadline of reads. What reads is pinned where it is made: passed by value it would stand in the
    /// call's future three times.
    async fn ask<T>(
        &self,
        store: &dyn Store,
        reading: Pin<&mut impl Future<Output = Result<T, StoreError>>>,
    ) -> Option<T> {
        let generation = store.generation();
        // Asked before the read: one that is sent before the replay can be answered before it, and be looked at after it.
        let replayed = self.keeper.is_replayed(generation);
        let read = within(self.settings.read_timeout, "a read", reading).await;
        self.learn(&read);
        let read = read.ok()?;
        // Asked after the answer: a new connection is counted before anything can be read on it.
        if !replayed || store.generation() != generation {
            self.keeper.wake();
            return None;
        }
        Some(read)
    }

    /// Says once for each cause that an entry was refused.
    pub(crate) fn note_rejection(&self, address: &Address, cause: Rejection) {
        if self.rejections.is_first(cause) {
            tracing::warn!(
                key = address.entry(),
                cause = cause.as_str(),
                "an entry was refused and will be replaced; further ones with this cause are only counted"
            );
        }
    }

    /// What is stored of a value. What cannot be stored is counted.
    pub(crate) fn encode<T: Serialize + DeserializeOwned>(
        &self,
        value: &T,
        codec: Codec,
        limit: usize,
        fidelity: Fidelity,
    ) -> Result<Encoded, NotEncoded> {
        let encoded = codec.encode(value, limit, fidelity);
        if let Err(NotEncoded::TooLarge | NotEncoded::Changed) = encoded {
            self.counters.failed_fills.add(1);
        }
        encoded
    }

    /// Stores what a load returned. Returns whether it was stored.
    pub(crate) async fn fill(&self, ticket: &Ticket, meta: Meta, value: &Encoded) -> bool {
        let Some(store) = self.store() else { return false };
        let sealing = &self.settings.sealing;
        let fits = value.len() <= sealing.max_value_size && !meta.ttl.is_zero();
        let seal = || sealing.seal(meta, ticket.address().entry(), ticket.stamps(), value);
        let Some(entry) = fits.then(seal).flatten() else {
            self.counters.failed_fills.add(1);
            return false;
        };
        let deadline = self.settings.fill_timeout;
        let filled = within(deadline, "a fill", store.fill(ticket, entry, meta.ttl)).await;
        match &filled {
            Ok(()) => self.counters.fills.add(1),
            Err(error) => {
                self.counters.failed_fills.add(1);
                // Unlike a read, a slow fill may be the entry's own fault: it is large.
                if error.kind() != StoreErrorKind::Timeout {
                    self.health.failed(error);
                }
            }
        }
        filled.is_ok()
    }

    /// Does something of an invalidation within the deadline of invalidations.
    pub(crate) async fn write<T>(
        &self,
        what: &str,
        writing: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let written = within(self.settings.invalidate_timeout, what, writing).await;
        self.learn(&written);
        written
    }

    pub(crate) fn learn<T>(&self, result: &Result<T, StoreError>) {
        match result {
            Ok(_) => self.health.succeeded(),
            Err(error) => {
                // Of what comes by here holds alone are optional.
                self.holds.failed(error, WITHOUT_HOLDS);
                self.health.failed(error);
            }
        }
    }
}

/// Bounds an operation of the store; `what` names it in the error.
pub(crate) async fn within<T>(
    deadline: Duration,
    what: &str,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    // Not counted as a failure: nothing was asked of the store.
    runtime::handle_for(Needs::Timers).map_err(|unfit| StoreError::new(StoreErrorKind::Other, unfit.to_string()))?;
    match timeout(deadline, operation).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::timeout(what, deadline)),
    }
}
