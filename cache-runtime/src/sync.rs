//! The primitives that threads share, in one place: so that tests can run the small concurrent cores under a scheduler that
//! tries interleavings, and so that a mutex is locked in one way.

use std::sync::PoisonError;
pub(crate) use std::sync::{Arc, MutexGuard, Weak, atomic};

pub(crate) use tokio::sync::Notify;

/// A mutex that a panic does not spoil. What panics under a lock here is a `Hash`, a `Drop` or an allocator of somebody else's;
/// what is locked is whole after each statement, and a cache that refuses to work from then on would help nobody.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is locked, of a mutex that nobody else has.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was locked.
    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
