//! What brackets the body of a mutation of `crash_safe` resources: its writer is in the hold of the stamps from before the
//! body until after the invalidation, and readers that see it store nothing.
//!
//! If the process is killed between the commit and the invalidation, the entries of before are unusable already, and none can
//! come about until the writer's stay is over, by its time-to-live. Loads that begin later see what was committed.

use std::{sync::Arc, time::Duration};

use tokio::task::AbortHandle;

use crate::{
    cache::{Cache, Engine},
    key::StampKey,
    store::{Store, StoreError, StoreErrorKind},
    task::{Needs, handle_for},
};

/// A writer in the hold of some stamps. Dropped without [`release`](Self::release), its stay is over when its lease is.
#[derive(Debug)]
pub(crate) struct Hold {
    cache: Cache,
    stamps: Arc<[StampKey]>,
    writer: u64,
    settle: Duration,
    /// What keeps it from running out. Ended with the hold.
    renewal: AbortHandle,
}

impl Hold {
    /// Enters the hold of each of these stamps. `None` if the store did not take it: the mutation goes on without.
    pub(crate) async fn enter(cache: &Cache, stamps: Vec<StampKey>, settle: Duration) -> Option<Self> {
        let engine = &cache.engine;
        let (store, runtime) = engine.store().zip(handle_for(Needs::Timers).ok())?;
        let (stamps, writer): (Arc<[StampKey]>, _) = (stamps.into(), fastrand::u64(..));
        let ttl = engine.settings.hold_ttl;
        let entered = if engine.upstream.health.is_trusted() {
            engine.upstream.write("a hold", store.hold(&stamps, writer, ttl)).await
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
        let renewal = runtime.spawn(renew(Arc::clone(store), Arc::clone(&stamps), writer, ttl));
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
        let engine: &Engine = &self.cache.engine;
        self.renewal.abort();
        if let Some(store) = engine.upstream.store_even_if_closed() {
            let releasing = store.release(&self.stamps, self.writer, self.settle);
            // Without an answer the stay is over when its time is.
            drop(engine.upstream.write("the end of a hold", releasing).await);
        }
    }
}

/// Leaves these holds, after the invalidation.
pub(crate) async fn release(holds: Vec<Hold>) {
    for hold in holds {
        hold.release().await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(store: Arc<dyn Store>, stamps: Arc<[StampKey]>, writer: u64, ttl: Duration) {
    loop {
        tokio::time::sleep(ttl / 3).await;
        if let Err(cause) = store.hold(&stamps, writer, ttl).await {
            tracing::debug!(%cause, "a hold was not renewed; it is tried again");
        }
    }
}
