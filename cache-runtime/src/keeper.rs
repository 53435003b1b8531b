//! The background work of a cache: probing the store, sending what the journal holds, repeating what has to be.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Handle, Id},
    sync::Notify,
    time::timeout,
};

use crate::{
    builder::OnFailover,
    cache::Inner,
    engine::within,
    invalidate,
    runtime::{self, Needs},
    store::{Store, StoreError},
};

/// How often a trusted store is probed: how long a server that stops taking writes may go unnoticed.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How often one that is not trusted is probed, at the most and at the least; in between at random, so that processes that
/// lost a server together do not return to it together.
const RETRY: std::ops::Range<u64> = 25..250;

/// After so long without a look another runtime takes the task over: nobody drives the one that it is in.
const STUCK: Duration = Duration::from_secs(2);

/// How often a store is probed that is being connected to for the first time.
const FIRST_RETRY: Duration = Duration::from_millis(5);

/// How long the removal of all stamps may take: every key of the store is looked at.
const REMOVE_ALL_DEADLINE: Duration = Duration::from_secs(30);

/// How many stamps of the journal are sent at once: few enough for the deadline of an invalidation, however slow the way.
const SENT_AT_ONCE: usize = 1024;

/// How long `close` goes on sending.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// The one task that looks after a cache. It is started by the first call inside a runtime that can carry the cache, ends with
/// the cache, and is started again by the next call if its runtime was shut down, or is not driven any more.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// The number of the task that runs; 0 for none.
    task: AtomicU64,
    closed: AtomicBool,
    /// The store's generation for which acknowledged invalidations have been sent again.
    replayed: AtomicU64,
    home: Mutex<Home>,
    looks: Looks,
}

/// Where the task is.
#[derive(Debug, Default)]
struct Home {
    runtime: Option<Id>,
    /// How many tasks there have been.
    tasks: u64,
    /// Wakes the task: there is something to send.
    work: Arc<Notify>,
}

/// The looks at the store so far.
#[derive(Debug)]
struct Looks {
    began: AtomicU64,
    /// The number of the last one that found the store to be as it should.
    content: AtomicU64,
    /// Since `epoch`, in milliseconds: when the task was last seen to move. Not tokio's time, which may be paused.
    moved: AtomicU64,
    epoch: Instant,
    /// Wakes those who wait for one.
    over: Notify,
}

impl Keeper {
    /// Starts the task unless it runs.
    pub(crate) fn ensure(&self, inner: &Arc<Inner>) {
        if self.task.load(Ordering::Relaxed) != 0 || self.is_closed() {
            return;
        }
        self.start(inner, |_| self.task.load(Ordering::Acquire) == 0);
    }

    /// Starts another task in the caller's runtime, if nobody drives the one of the task that runs. For calls that cannot use
    /// the store.
    pub(crate) fn ensure_alive(&self, inner: &Arc<Inner>) {
        if self.looks.stood_still() >= STUCK && !self.is_closed() {
            self.take_over(inner);
        }
    }

    /// Starts another task, unless the one that runs is in the caller's runtime.
    pub(crate) fn take_over(&self, inner: &Arc<Inner>) {
        self.start(inner, |home| {
            home.runtime != Handle::try_current().ok().map(|runtime| runtime.id())
        });
    }

    fn start(&self, inner: &Arc<Inner>, is_needed: impl FnOnce(&Home) -> bool) {
        let (Some(store), Ok(runtime)) = (&inner.store, runtime::handle_for(inner.needs)) else {
            return;
        };
        let mut home = self.home();
        if !is_needed(&home) {
            return;
        }
        // The one before, should its runtime be driven again, finds that it is not the one any more.
        home.work.notify_one();
        let work = Arc::new(Notify::new());
        *home = Home {
            runtime: Some(runtime.id()),
            tasks: home.tasks + 1,
            work: Arc::clone(&work),
        };
        let number = home.tasks;
        self.task.store(number, Ordering::Release);
        drop(home);
        self.looks.moved();
        let task = Running {
            inner: Arc::downgrade(inner),
            number,
        };
        // Not under the lock: a runtime that is shutting down drops the task, and with it its claim, at once.
        runtime.spawn(keep(task, Arc::clone(store), work));
    }

    fn is_task(&self, number: u64) -> bool {
        self.task.load(Ordering::Acquire) == number
    }

    fn home(&self) -> MutexGuard<'_, Home> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the task look at the journal now.
    pub(crate) fn wake(&self) {
        self.home().work.notify_one();
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

    /// Whether the store has everything that was acknowledged, as far as this process is concerned.
    pub(crate) fn is_replayed(&self, generation: u64) -> bool {
        self.replayed.load(Ordering::SeqCst) == generation
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(crate) async fn close(&self, inner: &Arc<Inner>) -> bool {
        self.closed.store(true, Ordering::Relaxed);
        self.wake();
        let Some(store) = &inner.store else {
            return true;
        };
        inner.repeat(&inner.repeats.take_all());
        // Without timers nothing is waited for.
        if runtime::handle_for(Needs::Timers).is_err() {
            return inner.journal.is_empty();
        }
        let send_all = async {
            while !inner.journal.is_empty() {
                if inner.send_pending(store.as_ref()).await.is_err() {
                    tokio::time::sleep(retry_delay()).await;
                }
            }
        };
        timeout(CLOSE_DEADLINE, send_all).await.is_ok()
    }
}

async fn keep(task: Running, store: Arc<dyn Store>, work: Arc<Notify>) {
    loop {
        let wait = {
            let Some(inner) = task.inner.upgrade() else {
                return;
            };
            let keeper = &inner.keeper;
            if keeper.is_closed() || !keeper.is_task(task.number) {
                return;
            }
            inner.repeat(&inner.repeats.take_due());
            let look = keeper.looks.begin();
            let found = inner.look(store.as_ref()).await;
            keeper.looks.end(look, found.is_ok());
            let wait = if found.is_ok() && inner.health.is_trusted() && inner.journal.is_empty() {
                PROBE_INTERVAL
            } else if inner.health.is_starting() {
                FIRST_RETRY
            } else {
                retry_delay()
            };
            inner.repeats.next_in().map_or(wait, |next| wait.min(next))
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = work.notified() => {}
        }
    }
}

impl Inner {
    /// One look at the store: does it take writes, and what the journal holds is sent.
    async fn look(&self, store: &dyn Store) -> Result<(), StoreError> {
        // The deadline of a read, not a longer one: a server that is too slow for callers must not be trusted by the probe.
        let deadline = self.settings.read_timeout;
        let probed = within(deadline, "a probe", store.probe()).await;
        let generation = store.generation();
        if probed.is_ok() && !self.keeper.is_replayed(generation) {
            let replayed = self.journal.replay();
            // Not over the first connection: the store has lost nothing that this process knew of.
            if self.settings.on_failover == OnFailover::Flush && !self.keeper.is_replayed(0) {
                tracing::warn!(
                    store = store.description(),
                    "the store may have lost invalidations: everything cached is made unusable"
                );
                self.journal.write_everything();
            } else if replayed > 0 {
                tracing::info!(
                    store = store.description(),
                    stamps = replayed,
                    "the store may have lost invalidations: they are sent again"
                );
            }
        }
        // What waits is sent before reads are admitted.
        if probed.is_ok() && !self.journal.is_empty() {
            self.send_pending(store).await?;
        }
        if probed.is_ok() {
            self.keeper.replayed.store(generation, Ordering::SeqCst);
        }
        self.health.probed(probed.as_ref().map(|&()| ()));
        probed
    }

    async fn send_pending(&self, store: &dyn Store) -> Result<(), StoreError> {
        let batch = self.journal.batch();
        if batch.everything {
            let removed = within(
                REMOVE_ALL_DEADLINE,
                "the removal of all stamps",
                store.remove_all_stamps(),
            )
            .await;
            self.learn(&removed);
            removed?;
        } else {
            for stamps in batch.stamps.chunks(SENT_AT_ONCE) {
                self.write("delayed invalidations", store.remove_stamps(stamps)).await?;
                // Each part by itself: what was acknowledged need not be sent again after one that was not.
                self.journal.acknowledge(stamps, batch.position);
            }
            for tenant in &batch.tenants {
                let stamps = invalidate::all_of_tenant(self, tenant).stamps();
                self.write("delayed invalidations", store.remove_stamps(&stamps))
                    .await?;
            }
        }
        self.journal.acknowledge_batch(&batch);
        tracing::info!(lines = batch.len(), "delayed invalidations are acknowledged");
        Ok(())
    }
}

fn retry_delay() -> Duration {
    Duration::from_millis(fastrand::u64(RETRY))
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            began: AtomicU64::new(0),
            content: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            epoch: Instant::now(),
            over: Notify::new(),
        }
    }
}

impl Looks {
    fn begin(&self) -> u64 {
        self.moved();
        self.began.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn end(&self, look: u64, is_content: bool) {
        self.moved();
        if is_content {
            self.content.fetch_max(look, Ordering::SeqCst);
        }
        self.over.notify_waiters();
    }

    fn moved(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    fn stood_still(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.moved.load(Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The claim to be the task of a cache; given up even when the runtime is shut down.
struct Running {
    inner: Weak<Inner>,
    number: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let keeper = &inner.keeper;
        // Its connections were in the same runtime, most likely. The next task finds out before a call pays for it.
        if keeper.is_task(self.number) && !keeper.is_closed() && inner.needs == Needs::Connections {
            inner.health.begin_anew();
        }
        let _ = keeper
            .task
            .compare_exchange(self.number, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}
