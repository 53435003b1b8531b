//! The store as a cache uses it: within deadlines, behind a breaker, and where the runtime can carry it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{runtime::Handle, time::timeout};

use super::{
    Settings,
    health::{Health, OptionalOperation, Without},
};
use crate::{
    store::{Store, StoreError, StoreErrorKind},
    task::{Needs, Unfit, handle_for},
};

/// Who cannot look for writers does not store: readers keep the promise where the store has no holds.
const WITHOUT_HOLDS: Without = Without {
    right: None,
    support: "the store has no holds: results of crash_safe resources are not stored",
};

/// The store of a cache, if it has one, and what is known of it.
pub(crate) struct Upstream {
    store: Option<Arc<dyn Store>>,
    pub(crate) health: Health,
    holds: OptionalOperation,
    /// What a runtime must have to carry the cache.
    needs: Needs,
    closed: AtomicBool,
    unfit_runtime_said: AtomicBool,
    read_timeout: Duration,
    fill_timeout: Duration,
    invalidate_timeout: Duration,
}

impl Upstream {
    pub(crate) fn new(store: Option<Arc<dyn Store>>, settings: &Settings) -> Self {
        let description = store.as_ref().map(|store| store.description()).unwrap_or_default();
        let health = Health::new(settings.breaker_failures, description);
        // A store in this process answers at once and can be used at once; any other is reached for in the background.
        let probed = store.as_ref().map(|store| store.probe().now_or_never());
        let in_process = matches!(probed, Some(Some(Ok(()))));
        if in_process {
            health.probed(Ok(()));
        }
        Self {
            store,
            health,
            holds: OptionalOperation::default(),
            needs: if in_process { Needs::Timers } else { Needs::Connections },
            closed: AtomicBool::new(false),
            unfit_runtime_said: AtomicBool::new(false),
            read_timeout: settings.read_timeout,
            fill_timeout: settings.fill_timeout,
            invalidate_timeout: settings.invalidate_timeout,
        }
    }

    /// The store, unless the cache is disabled or was closed.
    pub(crate) fn store(&self) -> Option<&Arc<dyn Store>> {
        self.store.as_ref().filter(|_| !self.is_closed())
    }

    /// The store, unless the cache is disabled: what was begun is brought to its end after the cache was closed, too.
    pub(crate) fn store_even_if_closed(&self) -> Option<&Arc<dyn Store>> {
        self.store.as_ref()
    }

    /// No call uses the store from here on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether the store is in another process.
    pub(crate) fn is_remote(&self) -> bool {
        self.needs == Needs::Connections
    }

    /// The runtime of the caller, if it can carry the cache.
    pub(crate) fn runtime(&self) -> Result<Handle, Unfit> {
        handle_for(self.needs)
    }

    /// Whether the runtime of the caller can carry the cache: elsewhere bodies just run. Said once, if it cannot.
    pub(crate) fn is_carried(&self) -> bool {
        let Err(unfit) = self.runtime() else {
            return true;
        };
        if self.store.is_some() && !self.unfit_runtime_said.swap(true, Ordering::Relaxed) {
            tracing::warn!(cause = %unfit, "the cache cannot be used here: calls run uncached");
        }
        false
    }

    /// Reads within the deadline of reads. Only where the runtime [carries](Self::is_carried) the cache: whoever reads has looked.
    pub(crate) async fn read<T>(&self, reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        // Not by `within`: each byte of it is in the future of every call.
        let read = match timeout(self.read_timeout, reading).await {
            Ok(read) => read,
            Err(_) => Err(StoreError::timeout("a read", self.read_timeout)),
        };
        self.learn(&read);
        read
    }

    /// Probes within the deadline of reads, and not a longer one: a server that is too slow for callers must not be trusted by
    /// the probe.
    pub(crate) async fn probe(&self, store: &dyn Store) -> Result<(), StoreError> {
        within(self.read_timeout, "a probe", store.probe()).await
    }

    /// Fills within the deadline of fills.
    pub(crate) async fn fill<T>(&self, filling: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let filled = within(self.fill_timeout, "a fill", filling).await;
        if let Err(error) = &filled
            // Unlike a read, a slow fill may be the entry's own fault: it is large.
            && error.kind() != StoreErrorKind::Timeout
        {
            self.health.failed(error);
        }
        filled
    }

    /// Does something of an invalidation within the deadline of invalidations.
    pub(crate) async fn write<T>(
        &self,
        what: &str,
        writing: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.write_within(self.invalidate_timeout, what, writing).await
    }

    /// As [`write`](Self::write), within another deadline.
    pub(crate) async fn write_within<T>(
        &self,
        deadline: Duration,
        what: &str,
        writing: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let written = within(deadline, what, writing).await;
        self.learn(&written);
        written
    }

    fn learn<T>(&self, result: &Result<T, StoreError>) {
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

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Bounds an operation of the store; `what` names it in the error.
pub(crate) async fn within<T>(
    deadline: Duration,
    what: &str,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    // Not counted as a failure: nothing was asked of the store.
    handle_for(Needs::Timers).map_err(|unfit| StoreError::new(StoreErrorKind::Other, unfit.to_string()))?;
    match timeout(deadline, operation).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::timeout(what, deadline)),
    }
}
