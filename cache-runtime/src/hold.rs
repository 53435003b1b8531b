//! What brackets the body of a mutation of `crash_safe` resources: its writer is in the hold of the stamps from before the
//! body until after the invalidation, and readers that see it store nothing.
//!
//! If the process is killed between the commit and the invalidation, the entries of before are unusable already, and none can
//! come about until the writer's stay is over, by its lease. Loads that begin later see what was committed.

use std::{sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use crate::{
    Cache,
    cache::Inner,
    health::Without,
    runtime::{self, Needs},
    store::{Store, StoreError, StoreErrorKind},
};

/// Who cannot look for writers does not store: readers keep the promise where the store has no holds.
pub(crate) const WITHOUT_HOLDS: Without = Without {
    right: None,
    support: "the store has no holds: results of crash_safe resources are not stored",
};

/// A writer in the hold of some stamps. Dropped without [`release`](Self::release), its stay is over when its lease is.
#[derive(Debug)]
pub(crate) struct Hold {
    cache: Cache,
    stamps: Arc<[String]>,
    writer: u64,
    settle: Duration,
    /// What keeps the lease from running out. Ended with the hold.
    renewal: AbortHandle,
}

impl Hold {
    /// Enters the hold of each of these stamps. `None` if the store did not take it: the mutation goes on without.
    pub(crate) async fn enter(cache: &Cache, stamps: Vec<String>, settle: Duration) -> Option<Self> {
        let inner = &cache.inner;
        let (store, runtime) = inner.store().zip(runtime::handle_for(Needs::Timers).ok())?;
        let (stamps, writer): (Arc<[String]>, _) = (stamps.into(), fastrand::u64(..));
        let lease = inner.settings.hold_lease;
        let entered = if inner.health.is_trusted() {
            inner.write("a hold", store.hold(&stamps, writer, lease)).await
        } else {
            Err(StoreError::unavailable())
        };
        if let Err(cause) = entered {
            // Then nothing is stored that it would have kept from being stored, and that was said once.
            if cause.kind() == StoreErrorKind::Unsupported {
                return None;
            }
            tracing::warn!(store = store.description(), %cause, "a mutation of a crash_safe resource goes on without its hold: were this process killed between its commit and its invalidation, old values could be served until their time is over");
            return None;
        }
        let renewal = runtime.spawn(renew(Arc::clone(store), Arc::clone(&stamps), writer, lease));
        Some(Self {
            cache: cache.clone(),
            stamps,
            writer,
            settle,
            renewal: renewal.abort_handle(),
        })
    }

    /// Leaves the hold, after the invalidation: now, or when `settle` is over.
    pub(crate) async fn release(self) {
        let inner: &Arc<Inner> = &self.cache.inner;
        self.renewal.abort();
        if let Some(store) = &inner.store {
            let releasing = store.release(&self.stamps, self.writer, self.settle);
            // Without an answer the stay is over when its lease is.
            drop(inner.write("the end of a hold", releasing).await);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(store: Arc<dyn Store>, stamps: Arc<[String]>, writer: u64, lease: Duration) {
    loop {
        tokio::time::sleep(lease / 3).await;
        if let Err(cause) = store.hold(&stamps, writer, lease).await {
            tracing::debug!(%cause, "a hold was not renewed; it is tried again");
        }
    }
}
