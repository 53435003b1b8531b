//! What a mutation is changing, as the calls inside its body have to know it: between its write and its invalidation the
//! cache still has the values of before.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::invalidate::Invalidation;

/// What one mutation is going to invalidate, as far as that is known before its body runs.
#[derive(Debug)]
pub(crate) struct Changing {
    invalidation: Invalidation,
    over: AtomicBool,
}

impl Changing {
    /// Whether any of the resource is being changed: a cheap first look.
    pub(crate) fn names(&self, resource: &str) -> bool {
        self.invalidation.names(resource) && !self.is_over()
    }

    /// Whether what depends on these stamps is being changed.
    pub(crate) fn touches(&self, stamps: &[String]) -> bool {
        self.invalidation.touches(stamps) && !self.is_over()
    }

    /// Whether its invalidation was made, or none is.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// Ends the change when dropped: with the invalidation. Tasks that were spawned inside the mutation may outlive it.
#[derive(Debug)]
pub(crate) struct Change(Arc<Changing>);

impl Change {
    pub(crate) fn begin(invalidation: Invalidation) -> Self {
        Self(Arc::new(Changing {
            invalidation,
            over: AtomicBool::new(false),
        }))
    }

    /// For the context of the body.
    pub(crate) fn changing(&self) -> Arc<Changing> {
        Arc::clone(&self.0)
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}
