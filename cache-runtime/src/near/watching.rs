//! The background task that has the store report changes of stamps.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::Notify;

use super::Near;
use crate::{
    cache::Inner,
    runtime,
    store::{Store, StoreErrorKind},
};

/// How often a store is asked again that said that it cannot report changes: its server may have been replaced.
const UNSUPPORTED_RETRY: Duration = Duration::from_mins(1);

/// The one task that watches for a cache. The first call of a function with `near = "tracked"` starts it; it ends with the
/// cache, and is started again if its runtime was shut down.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    running: AtomicBool,
    stop: Arc<Notify>,
}

impl Watching {
    /// Starts the task unless it runs.
    pub(crate) fn ensure(&self, inner: &Arc<Inner>) {
        if self.running.load(Ordering::Relaxed) {
            return;
        }
        let (Some(store), Ok(runtime)) = (inner.store(), runtime::handle_for(inner.needs)) else {
            return;
        };
        if !self.running.swap(true, Ordering::AcqRel) {
            let claim = Claim {
                inner: Arc::downgrade(inner),
                near: Arc::clone(&inner.near),
            };
            runtime.spawn(watch(claim, Arc::clone(store), Arc::clone(&self.stop)));
        }
    }

    /// Ends the task.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn watch(claim: Claim, store: Arc<dyn Store>, stop: Arc<Notify>) {
    tokio::select! {
        () = watch_on_and_on(&claim.near, &*store) => {}
        () = stop.notified() => {}
    }
}

async fn watch_on_and_on(near: &Arc<Near>, store: &dyn Store) {
    let mut backoff = schedule();
    let mut reported = None;
    loop {
        let watcher = Arc::clone(near);
        let Err(cause) = store.watch_stamps(watcher).await;
        if near.is_coherent(near.now()) {
            backoff = schedule();
        }
        near.end_watch();
        // Once for each kind of cause in a row: a store that is away for an hour is one line.
        if reported.replace(cause.kind()) != Some(cause.kind()) && cause.kind() != StoreErrorKind::Connecting {
            tracing::warn!(store = store.description(), %cause, "changes of stamps are not reported: near values are checked with the store until they are");
        }
        let wait = match cause.kind() {
            StoreErrorKind::Unsupported => UNSUPPORTED_RETRY,
            _ => backoff.next().unwrap_or_default().mul_f32(fastrand::f32()),
        };
        tokio::time::sleep(wait).await;
    }
}

fn schedule() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .without_max_times()
        .build()
}

/// The claim to be the watching task; given up even when the runtime is shut down.
struct Claim {
    inner: Weak<Inner>,
    near: Arc<Near>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.near.end_watch();
        if let Some(inner) = self.inner.upgrade() {
            inner.watching.running.store(false, Ordering::Release);
        }
    }
}
