//! The background task that has the store report changes of stamps.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::Notify};

use super::Near;
use crate::{
    store::{Store, StoreErrorKind},
    task::{Claim, SingleTask, full_jitter},
};

/// How often a store is asked again that said that it cannot report changes: its server may have been replaced.
const UNSUPPORTED_RETRY: Duration = Duration::from_mins(1);

/// The pauses between attempts to watch, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// The one task that watches for a cache. The first call of a function with `near = "tracked"` starts it; it ends with the
/// cache, and is started again if its runtime was shut down.
#[derive(Debug, Default)]
pub(crate) struct NearWatch {
    task: SingleTask,
    stop: Arc<Notify>,
}

impl NearWatch {
    /// Whether the task runs.
    pub(crate) fn is_running(&self) -> bool {
        self.task.is_running()
    }

    /// Starts the task unless it runs.
    pub(crate) fn start(&self, near: &Arc<Near>, store: &Arc<dyn Store>, runtime: &Handle) {
        if let Some(claim) = self.task.claim() {
            let watching = WatchTask {
                near: Arc::clone(near),
                _claim: claim,
            };
            runtime.spawn(watch(watching, Arc::clone(store), Arc::clone(&self.stop)));
        }
    }

    /// Ends the task.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }
}

impl Drop for NearWatch {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn watch(watching: WatchTask, store: Arc<dyn Store>, stop: Arc<Notify>) {
    tokio::select! {
        () = watch_on_and_on(&watching.near, &*store) => {}
        () = stop.notified() => {}
    }
}

async fn watch_on_and_on(near: &Arc<Near>, store: &dyn Store) {
    let mut pauses = full_jitter(FIRST_PAUSE, LAST_PAUSE);
    let mut reported = None;
    loop {
        let watcher = Arc::clone(near);
        let Err(cause) = store.watch_stamps(watcher).await;
        if near.is_coherent(near.now()) {
            pauses.reset();
        }
        near.end_watch();
        // Once for each kind of cause in a row: a store that is away for an hour is one line.
        if reported.replace(cause.kind()) != Some(cause.kind()) && cause.kind() != StoreErrorKind::Connecting {
            tracing::warn!(store = store.description(), %cause, "changes of stamps are not reported: near values are checked with the store until they are");
        }
        let pause = match cause.kind() {
            StoreErrorKind::Unsupported => UNSUPPORTED_RETRY,
            _ => pauses.pause(),
        };
        tokio::time::sleep(pause).await;
    }
}

/// The task that runs. Ends the watch when it ends, also with its runtime.
struct WatchTask {
    near: Arc<Near>,
    _claim: Claim,
}

impl Drop for WatchTask {
    fn drop(&mut self) {
        self.near.end_watch();
    }
}
