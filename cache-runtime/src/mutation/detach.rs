//! `detach`: mutations that go on without their callers.

use std::{panic::resume_unwind, pin::pin};

use tokio::runtime::Handle;
use tracing::Instrument;

use super::{
    plan::{FromResult, Plan, invalidating},
    transaction,
};
use crate::{entry::Split, task};

/// As [`invalidating`], for `detach`: on a task of its own, which goes on to its end, the invalidation included, whatever
/// becomes of the caller.
///
/// Inside a [`transaction`](crate::mutation::transaction) the caller goes on itself: whoever is dropped there takes the whole of the
/// transaction along. So it does outside of a tokio runtime.
///
/// # Panics
///
/// As the body; and if the runtime is shut down before the body has ended, which nobody who runs in it can see.
pub async fn invalidating_detached<R, S, C, F>(plan: Plan, split: S, scopes: C, body: F) -> R
where
    R: DetachedResult,
    S: Split<R> + Send + 'static,
    C: FnOnce(&S::Value) -> FromResult + Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let run = async move { invalidating(plan, split, scopes, pin!(body)).await };
    if transaction::current().is_some() || Handle::try_current().is_err() {
        return run.await;
    }
    match task::spawn(run.in_current_span()).await {
        Ok(returned) => returned,
        Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
        Err(ended) => panic!("a detached mutation has not come to its end, its runtime was shut down: {ended}"),
    }
}

/// An argument of a mutation that may outlive its caller.
#[diagnostic::on_unimplemented(
    message = "`detach` lets the mutation go on without its caller, on a task of its own, and an argument of type `{Self}` cannot be sent to one: it is not `Send`",
    label = "not `Send`",
    note = "pass what is `Send`, or leave `detach` out"
)]
pub trait Detached: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Detached for T {}

/// A result of a mutation that may outlive its caller.
#[diagnostic::on_unimplemented(
    message = "`detach` gives the result back from a task of its own, and a result of type `{Self}` cannot be sent from one: it is not `Send`",
    label = "not `Send`",
    note = "return what is `Send`, or leave `detach` out"
)]
pub trait DetachedResult: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> DetachedResult for T {}

/// Compiles only if an argument of this type can go on without the caller.
pub const fn detached<T: Detached>(_argument: &T) {}
