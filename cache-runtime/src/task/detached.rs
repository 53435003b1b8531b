//! Background work that outlives who began it: bounded, and ended when its owner is.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use super::{Needs, TaskContext, handle_for};

/// How long [`DetachedTasks::close`] waits for tasks that are between two waits.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// Tasks of which so many run at once at most.
#[derive(Debug)]
pub(crate) struct DetachedTasks {
    most: u32,
    places: Arc<Semaphore>,
    closed: watch::Sender<bool>,
}

/// The place of a task that is not spawned yet.
#[derive(Debug)]
pub(crate) struct DetachedPlace {
    runtime: Handle,
    context: TaskContext,
    place: OwnedSemaphorePermit,
    closed: watch::Receiver<bool>,
}

impl DetachedTasks {
    /// Of at most `most` tasks at once.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            places: Arc::new(Semaphore::new(most as usize)),
            closed: watch::Sender::new(false),
        }
    }

    /// A place, for a task with what the caller's carries that outlives the caller. `None` if all are taken, or none are given any
    /// more.
    pub(crate) fn place(&self, runtime: Handle) -> Option<DetachedPlace> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let closed = self.closed.subscribe();
        let is_closed = *closed.borrow();
        (!is_closed).then(|| DetachedPlace {
            runtime,
            context: TaskContext::outliving(),
            place,
            closed,
        })
    }

    /// Drops all tasks where they wait, and waits until they are, for at most a second. No more are taken.
    pub(crate) async fn close(&self) {
        self.closed.send_replace(true);
        // Without timers nothing is waited for.
        if handle_for(Needs::Timers).is_err() {
            return;
        }
        drop(timeout(CLOSE_DEADLINE, self.places.acquire_many(self.most)).await);
    }
}

/// That the owner of a task is closed.
#[derive(Debug)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Waits for it.
    pub(crate) async fn closed(&mut self) {
        drop(self.0.wait_for(|closed| *closed).await);
    }
}

impl DetachedPlace {
    /// Spawns the task.
    pub(crate) fn spawn(self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_with(|mut closing| async move {
            match select(pin!(future), pin!(closing.closed())).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        });
    }

    /// Spawns a task that ends by itself when its owner is closed: it has something to leave in order, and not long for it.
    pub(crate) fn spawn_with<F>(self, task: impl FnOnce(Closing) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            runtime,
            context,
            place,
            closed,
        } = self;
        let task = context.run(task(Closing(closed)));
        runtime.spawn(async move {
            task.await;
            drop(place);
        });
    }
}
