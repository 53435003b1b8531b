//! What the mutations around a call are changing, as the calls inside their bodies have to know it: between its write and its
//! invalidation the cache still has the values of before.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::Invalidation;
use crate::{
    key::Address,
    task::{ContextPart, look, scope},
};

/// What one mutation is going to invalidate, as far as that is known before its body runs. It is over when this is dropped:
/// with the invalidation. Tasks that were spawned inside the mutation may outlive it.
#[derive(Debug)]
pub(crate) struct Change(Arc<PendingChange>);

#[derive(Debug)]
struct PendingChange {
    invalidation: Invalidation,
    over: AtomicBool,
}

impl Change {
    pub(crate) fn begin(invalidation: Invalidation) -> Self {
        Self(Arc::new(PendingChange {
            invalidation,
            over: AtomicBool::new(false),
        }))
    }

    /// Runs the body of the mutation so that the calls in it know of the change.
    pub(crate) fn around<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<F> {
        let pending = Arc::clone(&self.0);
        scope(body, |context| {
            let mut changes = context.get::<Changes>().cloned().unwrap_or_default();
            changes.0.push(pending);
            context.set(changes);
        })
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
    }
}

impl PendingChange {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// The changes that a task is inside of, the outermost first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes(Vec<Arc<PendingChange>>);

impl Changes {
    /// Whether any of the resource is being changed: a cheap first look.
    pub(crate) fn name(&self, resource: &str) -> bool {
        let mut changes = self.0.iter();
        changes.any(|change| change.invalidation.may_name(resource) && !change.is_over())
    }

    /// Whether the task is changing what the entry at this address depends on, or might be.
    pub(crate) fn may_touch(address: &Address) -> bool {
        let touches = |change: &Arc<PendingChange>| change.invalidation.may_touch(address) && !change.is_over();
        let any = |changes: &Self| changes.0.iter().any(touches);
        look(|context| context.get().map(any)).unwrap_or(false)
    }
}

impl ContextPart for Changes {
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>> {
        let mut changes = Arc::unwrap_or_clone(self);
        changes.0.retain(|change| !change.is_over());
        Some(Arc::new(changes))
    }
}
