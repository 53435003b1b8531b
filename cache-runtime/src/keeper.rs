//! The background work of a cache: probing the store, sending what the journal holds, repeating what has to be.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, time::timeout};

use crate::{
    builder::OnFailover,
    cache::Inner,
    engine::within,
    invalidate,
    store::{Store, StoreError},
};

/// How often a trusted store is probed: how long a server that stops taking writes may go unnoticed.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How often one that is not trusted is probed, at the most and at the least; in between at random, so that processes that
/// lost a server together do not return to it together.
const RETRY: std::ops::Range<u64> = 25..250;

/// How often a store is probed that is being connected to for the first time.
const FIRST_RETRY: Duration = Duration::from_millis(5);

/// How long the removal of all stamps may take: every key of the store is looked at.
const REMOVE_ALL_DEADLINE: Duration = Duration::from_secs(30);

/// How many stamps of the journal are sent at once: few enough for the deadline of an invalidation, however slow the way.
const SENT_AT_ONCE: usize = 1024;

/// How long `close` goes on sending.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// The one task that looks after a cache. It is started by the first call inside a runtime, ends with the cache, and is
/// started again by the next call if its runtime was shut down.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    running: AtomicBool,
    closed: AtomicBool,
    /// The store's generation for which acknowledged invalidations have been sent again.
    replayed: AtomicU64,
    /// Wakes the task: there is something to send.
    work: Arc<Notify>,
    /// Wakes those who wait for the task to have looked.
    looked: Notify,
}

impl Keeper {
    /// Starts the task unless it runs.
    pub(crate) fn ensure(&self, inner: &Arc<Inner>) {
        if self.running.load(Ordering::Relaxed) || self.is_closed() {
            return;
        }
        let (Some(store), Ok(runtime)) = (&inner.store, Handle::try_current()) else {
            return;
        };
        if !self.running.swap(true, Ordering::AcqRel) {
            let task = Running(Arc::downgrade(inner));
            runtime.spawn(keep(task, Arc::clone(store), Arc::clone(&self.work)));
        }
    }

    /// Makes the task look at the journal now.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// Waits until the task has looked at the store once more, from the call of this function on.
    pub(crate) fn looked(&self) -> impl Future<Output = ()> + '_ {
        self.looked.notified()
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
            let Some(inner) = task.0.upgrade() else {
                return;
            };
            if inner.keeper.is_closed() {
                return;
            }
            inner.repeat(&inner.repeats.take_due());
            inner.look(store.as_ref()).await;
            inner.keeper.looked.notify_waiters();
            let wait = if inner.health.is_trusted() && inner.journal.is_empty() {
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
    async fn look(&self, store: &dyn Store) {
        // The deadline of a read, not a longer one: a server that is too slow for callers must not be trusted by the probe.
        let deadline = self.settings.read_timeout;
        let probed = within(deadline, "a probe", store.probe()).await;
        let generation = store.generation();
        if probed.is_ok() && !self.keeper.is_replayed(generation) {
            let replayed = self.journal.replay();
            // Not over the first connection: the store has lost nothing that this process knew of.
            if self.settings.on_failover == OnFailover::Flush && !self.keeper.is_replayed(0) {
                tracing::warn!("the store may have lost invalidations: everything cached is made unusable");
                self.journal.write_everything();
            } else if replayed > 0 {
                tracing::info!(
                    stamps = replayed,
                    "the store may have lost invalidations: they are sent again"
                );
            }
        }
        // What waits is sent before reads are admitted.
        if probed.is_ok() && !self.journal.is_empty() && self.send_pending(store).await.is_err() {
            return;
        }
        if probed.is_ok() {
            self.keeper.replayed.store(generation, Ordering::SeqCst);
        }
        self.health.probed(probed.as_ref().map(|&()| ()));
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
                let stamps = invalidate::all_of_tenant(tenant).stamps();
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

/// The claim to be the task of a cache; given up even when the runtime is shut down.
struct Running(Weak<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.keeper.running.store(false, Ordering::Release);
        }
    }
}
