//! The primitives of the cores, all of them scheduled.

use std::{cell::Cell, future::Future};

pub(crate) use shuttle::sync::{Arc, MutexGuard, Weak, atomic};
use shuttle::sync::{PoisonError, atomic::AtomicBool};

/// As the runtime's.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static DEAF: Cell<bool> = const { Cell::new(false) };
}

/// While it lasts, whoever waits for a [`Notify`] on this thread hears only what comes after the first poll.
pub(crate) struct Deafness(());

impl Deafness {
    pub(crate) fn begin() -> Self {
        DEAF.set(true);
        Self(())
    }
}

impl Drop for Deafness {
    fn drop(&mut self) {
        DEAF.set(false);
    }
}

/// Tokio's own, which takes no turn of the scheduler's by itself: each of its operations is one step here.
#[derive(Debug)]
pub(crate) struct Notify {
    notify: tokio::sync::Notify,
    /// Looked at for the sake of the scheduler.
    step: AtomicBool,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self {
            notify: tokio::sync::Notify::new(),
            step: AtomicBool::new(false),
        }
    }

    pub(crate) fn notified(&self) -> impl Future<Output = ()> {
        self.step();
        let heard = (!DEAF.get()).then(|| self.notify.notified());
        async move {
            self.step();
            match heard {
                Some(heard) => heard.await,
                None => self.notify.notified().await,
            }
        }
    }

    pub(crate) fn notify_waiters(&self) {
        self.step();
        self.notify.notify_waiters();
    }

    fn step(&self) {
        self.step.load(atomic::Ordering::SeqCst);
    }
}
