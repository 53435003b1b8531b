//! Gives memory back after invalidations: in the background, coalesced, one sweep at a time.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use crate::{cache::Inner, glob, health::Without, key, runtime};

/// How long invalidations are gathered before they are swept together. The entries are unusable already.
const GATHER: Duration = Duration::from_millis(500);

/// More patterns than this become one for everything: a sweep looks at every key of the store, whatever its pattern.
const PATTERNS: usize = 64;

const WITHOUT_SWEEPS: Without = Without {
    right: Some("sweeps lack a right: what was invalidated stays in the store until its time is over"),
    support: "the store does not sweep: what was invalidated stays in it until its time is over",
};

/// The patterns that wait for a sweep.
#[derive(Debug, Default)]
pub(crate) struct Sweeper(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pending: BTreeSet<String>,
    /// Whether a task is on its way to them.
    running: bool,
}

impl Sweeper {
    /// Has the patterns swept soon. Does nothing outside of a runtime that could do it: the entries then go when their time is over.
    pub(crate) fn request(inner: &Arc<Inner>, patterns: Vec<String>) {
        let (true, Ok(runtime)) = (inner.settings.sweep, runtime::handle_for(inner.needs)) else {
            return;
        };
        let start = {
            let mut state = inner.sweeper.state();
            for pattern in patterns {
                state.add(pattern, &inner.key_prefix);
            }
            !std::mem::replace(&mut state.running, true)
        };
        if start {
            runtime.spawn(sweep_all(Running(Arc::downgrade(inner))));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, pattern: String, prefix: &str) {
        if !self.pending.iter().any(|wider| glob::matches(wider, &pattern)) {
            self.pending.retain(|narrower| !glob::matches(&pattern, narrower));
            self.pending.insert(pattern);
            if self.pending.len() > PATTERNS {
                self.pending = BTreeSet::from([key::sweep_everything(prefix)]);
            }
        }
    }

    /// The next pattern; without one the task is over, and a later request starts another.
    fn next(&mut self) -> Option<String> {
        let next = self.pending.pop_first();
        self.running = next.is_some();
        next
    }
}

async fn sweep_all(task: Running) {
    tokio::time::sleep(GATHER).await;
    while let Some(inner) = task.0.upgrade() {
        let Some(store) = &inner.store else { return };
        let next = inner.sweeper.state().next();
        let Some(pattern) = next else {
            task.done();
            return;
        };
        let swept = store.sweep(&pattern).await;
        // A sweep that matched nothing has not needed every right, and without a connection nothing is known of rights.
        let tells_of_rights = match &swept {
            Ok(swept) => swept.matched > 0,
            Err(_) => inner.health.is_trusted(),
        };
        if tells_of_rights {
            inner.sweeps.learn(&swept, WITHOUT_SWEEPS);
        }
        match swept {
            Ok(swept) => {
                inner.counters.swept.add(swept.removed);
                tracing::debug!(pattern, matched = swept.matched, removed = swept.removed, "swept");
            }
            // Their time-to-live removes what the sweep did not.
            Err(error) => tracing::debug!(pattern, cause = %error, "a sweep was given up"),
        }
    }
}

/// The claim to be the sweeping task; given up even when the runtime is shut down.
struct Running(Weak<Inner>);

impl Running {
    /// The claim was given up already, under the lock that showed that there is nothing left to do.
    fn done(mut self) {
        self.0 = Weak::new();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.sweeper.state().running = false;
        }
    }
}
