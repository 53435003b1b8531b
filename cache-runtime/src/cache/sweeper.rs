//! What gives memory back after invalidations: in the background, one walk over all keys for everything that waits for one, and
//! then a rest, so that walks have no more than a small share of the store's time, however many invalidations there are.
//!
//! The processes that share a store walk one at a time, and for what several of them have invalidated one walks.

mod claims;
mod pace;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use self::{claims::Claims, pace::Pace};
use super::{
    health::{OptionalOperation, Without},
    stats::Figures,
    upstream::Upstream,
};
use crate::{
    invalidation::Patterns,
    key::Namespace,
    store::{Store, StoreError, StoreErrorKind, Swept},
    sync::Mutex,
    task::{Claim, Needs, SingleTask, backoff, handle_for, jittered},
};

/// How long invalidations are gathered before they are swept together. The entries are unusable already.
const GATHER: Duration = Duration::from_millis(500);

/// How often it is asked whether another process has ended its walk and the rest after it.
const POLL: Duration = Duration::from_secs(1);

/// How long nothing is tried after a walk that was not answered, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_mins(1);

/// How long `close` waits for the task: it gives its claims back.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

const WITHOUT_SWEEPS: Without = Without {
    right: Some("sweeps lack a right: what was invalidated stays in the store until its time is over"),
    support: "the store does not sweep: what was invalidated stays in it until its time is over",
};

/// The sweeps of one cache. They end with it, wherever a walk has got to.
#[derive(Debug)]
pub(crate) struct Sweeper {
    work: Arc<Work>,
    /// The task ends when this is true, or gone.
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct Work {
    upstream: Arc<Upstream>,
    figures: Arc<Figures>,
    claims: Claims,
    sweeps: OptionalOperation,
    task: SingleTask,
    backlog: Mutex<Backlog>,
}

/// What waits for a walk.
#[derive(Debug, Default)]
struct Backlog {
    /// What nobody has been asked about yet.
    fresh: Patterns,
    /// What this process walks for.
    ready: Patterns,
    pace: Pace,
}

impl Sweeper {
    pub(crate) fn new(upstream: &Arc<Upstream>, figures: &Arc<Figures>, namespace: &Namespace) -> Self {
        let backlog = Backlog {
            fresh: Patterns::new(namespace),
            ready: Patterns::new(namespace),
            pace: Pace::default(),
        };
        Self {
            work: Arc::new(Work {
                upstream: Arc::clone(upstream),
                figures: Arc::clone(figures),
                claims: Claims::new(upstream, namespace),
                sweeps: OptionalOperation::default(),
                task: SingleTask::default(),
                backlog: Mutex::new(backlog),
            }),
            closed: watch::Sender::new(false),
        }
    }

    /// Has the patterns swept soon. Does nothing outside of a runtime that could do it: the entries then go when their time is
    /// over.
    pub(crate) fn request(&self, patterns: Patterns) {
        let Ok(runtime) = self.work.upstream.runtime() else {
            return;
        };
        if *self.closed.borrow() {
            return;
        }
        if let Some(claim) = self.work.add(patterns) {
            runtime.spawn(work_until_closed(
                Arc::clone(&self.work),
                claim,
                self.closed.subscribe(),
            ));
        }
    }

    /// Ends the task, and a walk where it is; waits for at most a second until other processes can take over what this one was going to
    /// walk for.
    pub(crate) async fn close(&self) {
        self.closed.send_replace(true);
        // Without timers nothing is waited for.
        if handle_for(Needs::Timers).is_ok() {
            drop(timeout(CLOSE_DEADLINE, self.closed.closed()).await);
        }
    }
}

async fn work_until_closed(work: Arc<Work>, claim: Claim, mut closed: watch::Receiver<bool>) {
    tokio::select! {
        () = work.sweep_all(claim) => return,
        _ = closed.wait_for(|closed| *closed) => {}
    }
    drop(work.claims.release().await);
}

impl Work {
    /// Adds patterns. Returns the claim of the task, if it does not run.
    fn add(&self, mut patterns: Patterns) -> Option<Claim> {
        let mut backlog = self.backlog.lock();
        // What is gone by itself before the next walk need not be walked for.
        let next = backlog.pace.left().max(GATHER);
        patterns.retain_resources(|resource| self.figures.longest_kept(resource).is_none_or(|kept| kept > next));
        if patterns.is_empty() {
            return None;
        }
        backlog.fresh.merge(patterns);
        self.task.claim()
    }

    async fn sweep_all(&self, mut claim: Claim) {
        let mut pauses = backoff(FIRST_PAUSE, LAST_PAUSE);
        let mut pause = GATHER;
        loop {
            sleep(pause).await;
            self.claim_fresh().await;
            pause = match self.walk_in_turn().await {
                Ok(pause) => {
                    pauses.reset();
                    pause
                }
                Err(_) => pauses.pause(),
            };
            match self.go_on(claim) {
                Some(kept) => claim = kept,
                // Whoever comes within the rest waits for its end in a task of their own.
                None => return,
            }
        }
    }

    /// Leaves what another process walks for to that one.
    async fn claim_fresh(&self) {
        let mut taken = Taken::of(&self.backlog, |backlog| backlog.fresh.take());
        let texts = taken.patterns.texts();
        let lasting = self.backlog.lock().pace.left();
        let others = self.claims.claim(&texts, lasting).await;
        taken.patterns.retain(|pattern| !others.contains(pattern));
        let mine = taken.patterns.take();
        self.backlog.lock().ready.merge(mine);
    }

    /// The claim, if there is something to walk for. If not the task is over: it gives its claim up under the lock, so that whoever
    /// adds a pattern after this starts another.
    fn go_on(&self, claim: Claim) -> Option<Claim> {
        let backlog = self.backlog.lock();
        let is_over = backlog.ready.is_empty() && backlog.fresh.is_empty();
        (!is_over).then_some(claim)
    }

    /// Walks, if it is time to, and it is not another process's turn. Returns how long to wait until the next attempt.
    async fn walk_in_turn(&self) -> Result<Duration, StoreError> {
        {
            let backlog = self.backlog.lock();
            let left = backlog.pace.left();
            if backlog.ready.is_empty() || !left.is_zero() {
                return Ok(left.max(GATHER));
            }
        }
        let store = self.upstream.store_even_if_closed();
        let Some(store) = store.filter(|_| self.upstream.health.is_trusted()) else {
            return Err(StoreError::unavailable());
        };
        if !self.claims.begin_walk().await? {
            return Ok(POLL / 2 + jittered(POLL / 2));
        }
        let mut taken = Taken::of(&self.backlog, |backlog| backlog.ready.take());
        let started = Instant::now();
        let swept = self.walk(&**store, &taken.patterns.texts()).await;
        let removed = match swept {
            Ok(swept) => swept.removed,
            // Its patterns wait for the next one.
            Err(error) if is_passing(&error) => return Err(error),
            // It would fail again: their time-to-live removes what the sweep did not.
            Err(_) => 0,
        };
        drop(taken.patterns.take());
        let rest = self.backlog.lock().pace.walked(started.elapsed(), removed);
        self.claims.rest(rest).await;
        Ok(self.backlog.lock().pace.left())
    }

    async fn walk(&self, store: &dyn Store, patterns: &[String]) -> Result<Swept, StoreError> {
        // Before the first key is looked at: what another process invalidates from here on may not be seen any more.
        self.claims.release().await?;
        let swept = self.claims.walking(store.sweep(patterns)).await;
        // A sweep that matched nothing has not needed every right, and without a connection nothing is known of rights.
        let tells_of_rights = match &swept {
            Ok(swept) => swept.matched > 0,
            Err(_) => self.upstream.health.is_trusted(),
        };
        if tells_of_rights {
            self.sweeps.learn(&swept, WITHOUT_SWEEPS);
        }
        match &swept {
            Ok(swept) => {
                self.figures.sweeps.add(1);
                self.figures.swept.add(swept.removed);
                let Swept { matched, removed, .. } = swept;
                tracing::debug!(patterns = patterns.len(), matched, removed, "swept");
            }
            Err(error) => {
                self.figures.failed_sweeps.add(1);
                tracing::debug!(patterns = patterns.len(), cause = %error, "a sweep was given up");
            }
        }
        swept
    }
}

/// Whether the same is likely to go well later.
fn is_passing(error: &StoreError) -> bool {
    matches!(
        error.kind(),
        StoreErrorKind::Connecting
            | StoreErrorKind::Unavailable
            | StoreErrorKind::Timeout
            | StoreErrorKind::RefusesWrites
    )
}

/// Patterns that something is done about; what is not done when it is dropped waits again.
struct Taken<'a> {
    backlog: &'a Mutex<Backlog>,
    patterns: Patterns,
}

impl<'a> Taken<'a> {
    fn of(backlog: &'a Mutex<Backlog>, take: impl FnOnce(&mut Backlog) -> Patterns) -> Self {
        let patterns = take(&mut backlog.lock());
        Self { backlog, patterns }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.backlog.lock().fresh.merge(self.patterns.take());
    }
}
