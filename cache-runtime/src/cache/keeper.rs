//! The background work of a cache: probing the store, sending what the journal holds, repeating what has to be.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Id, sync::Notify, time::timeout};

use super::{OnFailover, removals::Removals, upstream::Upstream};
use crate::{
    invalidation::{Invalidation, Strength},
    key::Namespace,
    protocol,
    store::{Store, StoreError},
    sync::Mutex,
    task::{Needs, TransferableClaim, TransferableTask, backoff, handle_for},
};

/// How often a trusted store is probed: how long a server that stops taking writes may go unnoticed.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How often one that is not trusted is probed, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// After so long without a look another runtime takes the task over: nobody drives the one that it is in.
const STUCK: Duration = Duration::from_secs(2);

/// How often a store is probed that is being connected to for the first time.
const CONNECTING_PAUSE: Duration = Duration::from_millis(5);

/// How long the removal of all stamps may take: every key of the store is looked at.
const REMOVE_ALL_DEADLINE: Duration = Duration::from_secs(30);

/// How many stamps of the journal are sent at once: few enough for the deadline of an invalidation, however slow the way.
const SENT_AT_ONCE: usize = 1024;

/// How long `close` goes on sending.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// The background work of a cache. Its one task is started by the first call inside a runtime that can carry the cache, ends
/// with the cache, and is started again by the next call if its runtime was shut down, or is not driven any more.
#[derive(Debug)]
pub(crate) struct Keeper {
    upstream: Arc<Upstream>,
    removals: Arc<Removals>,
    namespace: Namespace,
    on_failover: OnFailover,
    task: TransferableTask,
    /// Wakes the task: there is something to send.
    work: Mutex<Arc<Notify>>,
    /// The store's generation for which acknowledged invalidations have been sent again.
    replayed: AtomicU64,
    looks: Looks,
}

/// The looks at the store so far.
#[derive(Debug)]
struct Looks {
    began: AtomicU64,
    /// The number of the last one that found the store to be as it should.
    content: AtomicU64,
    /// Wakes those who wait for one.
    over: Notify,
}

impl Keeper {
    pub(crate) fn new(
        upstream: &Arc<Upstream>,
        removals: &Arc<Removals>,
        namespace: &Namespace,
        on_failover: OnFailover,
    ) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            removals: Arc::clone(removals),
            namespace: namespace.clone(),
            on_failover,
            task: TransferableTask::new(STUCK),
            work: Mutex::default(),
            replayed: AtomicU64::new(0),
            looks: Looks::default(),
        }
    }

    /// Starts the task unless it runs.
    pub(crate) fn ensure(self: &Arc<Self>) {
        if !self.task.is_running() && !self.upstream.is_closed() {
            self.start(|runtime| self.task.claim(runtime));
        }
    }

    /// Starts another task in the caller's runtime, if nobody drives the one of the task that runs. For calls that cannot use
    /// the store.
    pub(crate) fn ensure_alive(self: &Arc<Self>) {
        if self.task.is_stuck() && !self.upstream.is_closed() {
            self.start(|runtime| self.task.claim(runtime));
        }
    }

    /// Starts another task, unless the one that runs is in the caller's runtime.
    pub(crate) fn take_over(self: &Arc<Self>) {
        self.start(|runtime| self.task.take_over(runtime));
    }

    fn start(self: &Arc<Self>, claim: impl FnOnce(Id) -> Option<TransferableClaim>) {
        let (Some(store), Ok(runtime)) = (self.upstream.store_even_if_closed(), self.upstream.runtime()) else {
            return;
        };
        let Some(claim) = claim(runtime.id()) else { return };
        let task = KeeperTask {
            claim,
            keeper: Arc::downgrade(self),
        };
        let work = Arc::new(Notify::new());
        let before = std::mem::replace(&mut *self.work.lock(), Arc::clone(&work));
        // The one before, should its runtime be driven again, finds that it is not the one any more.
        before.notify_one();
        // A runtime that is shutting down drops the task, and with it its claim, at once.
        runtime.spawn(keep(task, Arc::clone(store), work));
    }

    /// Makes the task look at the journal now.
    pub(crate) fn wake(&self) {
        self.work.lock().notify_one();
    }

    /// How many looks at the store have begun.
    pub(crate) fn looks_begun(&self) -> u64 {
        self.looks.began.load(Ordering::SeqCst)
    }

    /// Whether a look that was not among the first `begun` ones has found the store to be as it should.
    pub(crate) fn has_found_since(&self, begun: u64) -> bool {
        self.looks.content.load(Ordering::SeqCst) > begun
    }

    /// Waits until the task has ended a look at the store, from the call of this function on.
    pub(crate) fn looked(&self) -> impl Future<Output = ()> + '_ {
        self.looks.over.notified()
    }

    /// Waits until everything that waits for an acknowledgement has it.
    pub(crate) async fn until_sent(&self) {
        loop {
            let looked = self.looked();
            if self.removals.journal.is_empty() {
                return;
            }
            looked.await;
        }
    }

    /// Whether the store has everything that was acknowledged, as far as this process is concerned.
    pub(crate) fn is_replayed(&self, generation: u64) -> bool {
        self.replayed.load(Ordering::SeqCst) == generation
    }

    /// Sends what is waiting, for at most a second, and ends the task. Returns whether all was acknowledged.
    pub(crate) async fn close(&self) -> bool {
        self.upstream.close();
        self.wake();
        let Some(store) = self.upstream.store_even_if_closed() else {
            return true;
        };
        let Removals { journal, repeats, .. } = &*self.removals;
        self.removals.repeat(&repeats.take_all());
        // Without timers nothing is waited for.
        if handle_for(Needs::Timers).is_err() {
            return journal.is_empty();
        }
        let send_all = async {
            let mut pauses = backoff(FIRST_PAUSE, LAST_PAUSE);
            while !journal.is_empty() {
                if self.send_pending(store.as_ref()).await.is_err() {
                    tokio::time::sleep(pauses.pause()).await;
                }
            }
        };
        timeout(CLOSE_DEADLINE, send_all).await.is_ok()
    }

    /// One look at the store: does it take writes, and what the journal holds is sent.
    async fn look(&self, store: &dyn Store) -> Result<(), StoreError> {
        let journal = &self.removals.journal;
        let probed = self.upstream.probe(store).await;
        let generation = store.generation();
        if probed.is_ok() && !self.is_replayed(generation) {
            let replayed = journal.replay();
            // Not over the first connection: the store has lost nothing that this process knew of.
            if self.on_failover == OnFailover::Flush && !self.is_replayed(0) {
                tracing::warn!(
                    store = store.description(),
                    "the store may have lost invalidations: everything cached is made unusable"
                );
                journal.write_everything();
            } else if replayed > 0 {
                tracing::info!(
                    store = store.description(),
                    stamps = replayed,
                    "the store may have lost invalidations: they are sent again"
                );
            }
        }
        // What waits is sent before reads are admitted.
        if probed.is_ok() && !journal.is_empty() {
            self.send_pending(store).await?;
        }
        if probed.is_ok() {
            self.replayed.store(generation, Ordering::SeqCst);
        }
        self.upstream.health.probed(probed.as_ref().map(|&()| ()));
        probed
    }

    async fn send_pending(&self, store: &dyn Store) -> Result<(), StoreError> {
        const WHAT: &str = "delayed invalidations";
        let journal = &self.removals.journal;
        let mut batch = journal.batch();
        // Before all that they have to be removed before.
        batch.stamps.sort_by_key(|stamp| !stamp.is_epoch());
        if batch.everything {
            let removing = store.remove_all_stamps();
            self.upstream
                .write_within(REMOVE_ALL_DEADLINE, "the removal of all stamps", removing)
                .await?;
        } else {
            for stamps in batch.stamps.chunks(SENT_AT_ONCE) {
                self.upstream.write(WHAT, protocol::remove(store, stamps)).await?;
                // Each part by itself: what was acknowledged need not be sent again after one that was not.
                journal.acknowledge(stamps, batch.position);
            }
            for tenant in &batch.tenants {
                let stamps = Invalidation::of_tenant(&self.namespace, Strength::Strict, tenant).stamps();
                self.upstream.write(WHAT, store.remove_stamps(&stamps)).await?;
            }
        }
        journal.acknowledge_batch(&batch);
        tracing::info!(lines = batch.len(), "delayed invalidations are acknowledged");
        Ok(())
    }
}

async fn keep(task: KeeperTask, store: Arc<dyn Store>, work: Arc<Notify>) {
    let mut pauses = backoff(FIRST_PAUSE, LAST_PAUSE);
    loop {
        let wait = {
            let Some(keeper) = task.keeper.upgrade() else {
                return;
            };
            let Keeper { upstream, removals, .. } = &*keeper;
            if upstream.is_closed() || !task.claim.is_current() {
                return;
            }
            removals.repeat(&removals.repeats.take_due());
            let look = keeper.looks.begin();
            let found = keeper.look(store.as_ref()).await;
            keeper.looks.end(look, found.is_ok());
            if !task.claim.is_current() {
                return;
            }
            let wait = if found.is_ok() && upstream.health.is_trusted() && removals.journal.is_empty() {
                pauses.reset();
                PROBE_INTERVAL
            } else if upstream.health.is_starting() {
                CONNECTING_PAUSE
            } else {
                pauses.pause()
            };
            removals.repeats.next_in().map_or(wait, |next| wait.min(next))
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = work.notified() => {}
        }
    }
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            began: AtomicU64::new(0),
            content: AtomicU64::new(0),
            over: Notify::new(),
        }
    }
}

impl Looks {
    fn begin(&self) -> u64 {
        self.began.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn end(&self, look: u64, is_content: bool) {
        if is_content {
            self.content.fetch_max(look, Ordering::SeqCst);
        }
        self.over.notify_waiters();
    }
}

/// The task that runs. Its claim is given up even when its runtime is shut down.
struct KeeperTask {
    claim: TransferableClaim,
    keeper: Weak<Keeper>,
}

impl Drop for KeeperTask {
    fn drop(&mut self) {
        let Some(keeper) = self.keeper.upgrade() else { return };
        let upstream = &keeper.upstream;
        // Its connections were in the same runtime, most likely. The next task finds out before a call pays for it.
        if self.claim.is_current() && !upstream.is_closed() && upstream.is_remote() {
            upstream.health.begin_anew();
        }
    }
}
