//! What gives memory back after invalidations: in the background, coalesced, one sweep at a time.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    health::{OptionalOperation, Without},
    stats::Figures,
    upstream::Upstream,
};
use crate::{
    key::{Namespace, glob},
    sync::Mutex,
    task::{Claim, SingleTask},
};

/// How long invalidations are gathered before they are swept together. The entries are unusable already.
const GATHER: Duration = Duration::from_millis(500);

/// More patterns than this become one for everything: a sweep looks at every key of the store, whatever its pattern.
const PATTERNS: usize = 64;

const WITHOUT_SWEEPS: Without = Without {
    right: Some("sweeps lack a right: what was invalidated stays in the store until its time is over"),
    support: "the store does not sweep: what was invalidated stays in it until its time is over",
};

/// The sweeps of one cache.
#[derive(Debug)]
pub(crate) struct Sweeper {
    upstream: Arc<Upstream>,
    figures: Arc<Figures>,
    namespace: Namespace,
    sweeps: OptionalOperation,
    task: SingleTask,
    /// The patterns that wait for a sweep.
    pending: Mutex<Patterns>,
}

impl Sweeper {
    pub(crate) fn new(upstream: &Arc<Upstream>, figures: &Arc<Figures>, namespace: &Namespace) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            figures: Arc::clone(figures),
            namespace: namespace.clone(),
            sweeps: OptionalOperation::default(),
            task: SingleTask::default(),
            pending: Mutex::default(),
        }
    }

    /// Has the patterns swept soon. Does nothing outside of a runtime that could do it: the entries then go when their time is
    /// over.
    pub(crate) fn request(self: &Arc<Self>, patterns: Vec<String>) {
        let Ok(runtime) = self.upstream.runtime() else { return };
        let claim = {
            let mut pending = self.pending.lock();
            for pattern in patterns {
                pending.add(pattern, &self.namespace);
            }
            self.task.claim()
        };
        if let Some(claim) = claim {
            runtime.spawn(sweep_all(Arc::downgrade(self), claim));
        }
    }

    /// The next pattern. Without one the task is over: it gives its claim up under the lock, so that whoever adds a pattern
    /// after this starts another.
    fn next(&self, claim: Claim) -> Option<(String, Claim)> {
        let mut pending = self.pending.lock();
        let next = pending.0.pop_first().map(|pattern| (pattern, claim));
        drop(pending);
        next
    }

    async fn sweep(&self, pattern: &str) {
        let Some(store) = self.upstream.store_even_if_closed() else {
            return;
        };
        let swept = store.sweep(pattern).await;
        // A sweep that matched nothing has not needed every right, and without a connection nothing is known of rights.
        let tells_of_rights = match &swept {
            Ok(swept) => swept.matched > 0,
            Err(_) => self.upstream.health.is_trusted(),
        };
        if tells_of_rights {
            self.sweeps.learn(&swept, WITHOUT_SWEEPS);
        }
        match swept {
            Ok(swept) => {
                self.figures.sweeps.add(1);
                self.figures.swept.add(swept.removed);
                tracing::debug!(pattern, matched = swept.matched, removed = swept.removed, "swept");
            }
            // Their time-to-live removes what the sweep did not.
            Err(error) => {
                self.figures.failed_sweeps.add(1);
                tracing::debug!(pattern, cause = %error, "a sweep was given up");
            }
        }
    }
}

async fn sweep_all(sweeper: Weak<Sweeper>, mut claim: Claim) {
    tokio::time::sleep(GATHER).await;
    while let Some(sweeper) = sweeper.upgrade() {
        let Some((pattern, kept)) = sweeper.next(claim) else {
            return;
        };
        claim = kept;
        sweeper.sweep(&pattern).await;
    }
}

/// Patterns none of which covers another.
#[derive(Debug, Default)]
struct Patterns(BTreeSet<String>);

impl Patterns {
    fn add(&mut self, pattern: String, namespace: &Namespace) {
        if !self.0.iter().any(|wider| glob::matches(wider, &pattern)) {
            self.0.retain(|narrower| !glob::matches(&pattern, narrower));
            self.0.insert(pattern);
            if self.0.len() > PATTERNS {
                self.0 = BTreeSet::from([namespace.every_entry()]);
            }
        }
    }
}
