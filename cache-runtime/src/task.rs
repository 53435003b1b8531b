//! What everything that runs stands on: what a task carries, what its tokio runtime can do, background tasks of which at most
//! one runs or so many, and the pauses between attempts.

mod background;
mod backoff;
mod context;
mod detached;
mod gate;
mod runtime;
mod transferable;

pub use self::context::{TaskContext, in_current_context, spawn};
pub(crate) use self::{
    background::{Claim, RuntimeClaim, SingleTask, TaskPerRuntime},
    backoff::{Backoff, backoff, full_jitter, jittered},
    context::{Context, ContextPart, Surroundings, carries_anything, look, scope},
    detached::{DetachedPlace, DetachedTasks},
    gate::Gate,
    runtime::{Needs, Unfit, handle_for},
    transferable::{TransferableClaim, TransferableTask},
};
