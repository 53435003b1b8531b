//! The load whose body a task runs, as the task carries it.

use std::sync::Arc;

use super::Load;
use crate::task::{Context, ContextPart, Surroundings, look, scope};

#[derive(Debug, Clone)]
struct Inside(Arc<Load>);

impl ContextPart for Inside {
    /// A task that the body has spawned may be waited for by it.
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>> {
        Some(self)
    }

    fn outlives_caller(&self) -> bool {
        false
    }
}

/// The load whose body the task runs.
pub(crate) fn load_around() -> Option<Arc<Load>> {
    look(|context| load_of(context).cloned())
}

/// The load whose body a task runs that carries this.
pub(crate) fn load_of(context: &Context) -> Option<&Arc<Load>> {
    Some(&context.get::<Inside>()?.0)
}

/// Runs the body of a load.
pub(crate) fn inside<F: Future>(load: &Arc<Load>, body: F) -> impl Future<Output = F::Output> + use<F> {
    let inside = Inside(Arc::clone(load));
    scope(body, |context| context.set(inside))
}

/// What a task carries while it runs the body of a load, for one that is polled by hand.
pub(crate) fn surroundings_inside(load: &Arc<Load>) -> Surroundings {
    let inside = Inside(Arc::clone(load));
    Surroundings::new(|context| context.set(inside))
}
