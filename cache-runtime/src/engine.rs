//! Reads and fills as callers need them: within their deadlines, never an error, and learned from.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::timeout};

use crate::{
    cache::Inner,
    envelope::{Envelope, Identity, Meta, Rejection},
    key::Address,
    protocol::{self, Reading},
    stamp::Ticket,
    store::{Store, StoreError, StoreErrorKind},
};

impl Inner {
    /// The store, unless the cache is disabled or was closed.
    pub(crate) fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.as_ref().filter(|_| !self.keeper.is_closed())
    }

    /// Whether the store can be asked now.
    pub(crate) fn may_read(self: &Arc<Self>) -> bool {
        self.keeper.ensure(self);
        // Without tokio there is no clock for the deadline.
        self.store().is_some() && self.health.is_trusted() && Handle::try_current().is_ok()
    }

    /// Asks the store. `None` if it is not to be asked now, or does not answer in time.
    pub(crate) async fn read(self: &Arc<Self>, address: &Arc<Address>, identity: &Identity) -> Option<Reading> {
        let asked = self.may_read() && !self.journal.blocks(address);
        let store = self.store().filter(|_| asked)?;
        let deadline = self.settings.read_timeout;
        let reading = within(deadline, "a read", protocol::read(store.as_ref(), address, identity)).await;
        if let Err(error) = &reading {
            self.health.failed(error);
        }
        let reading = reading.ok()?;
        self.health.succeeded();
        // Asked after the answer: a new connection is counted before anything can be read on it.
        if !self.keeper.is_replayed(store.generation()) {
            self.keeper.wake();
            return None;
        }
        if let Reading::Miss {
            rejected: Some(cause), ..
        } = reading
        {
            self.note_rejection(address, cause);
        }
        Some(reading)
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

    /// Stores what a load returned. Returns whether it was stored.
    pub(crate) async fn fill(&self, ticket: &Ticket, meta: Meta, payload: &[u8]) -> bool {
        let Some(store) = self.store() else { return false };
        let fits = payload.len() <= self.settings.max_value_size && !meta.ttl.is_zero();
        let Some(entry) = fits.then(|| Envelope::seal(meta, ticket.stamps(), payload)).flatten() else {
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

    /// Removes stamps within the deadline of invalidations.
    pub(crate) async fn remove_stamps(&self, store: &dyn Store, stamps: &[String]) -> Result<(), StoreError> {
        let deadline = self.settings.invalidate_timeout;
        let removed = within(deadline, "an invalidation", store.remove_stamps(stamps)).await;
        match &removed {
            Ok(()) => self.health.succeeded(),
            Err(error) => self.health.failed(error),
        }
        removed
    }
}

/// Bounds an operation of the store; `what` names it in the error.
pub(crate) async fn within<T>(
    deadline: Duration,
    what: &str,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match timeout(deadline, operation).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::timeout(what, deadline)),
    }
}
