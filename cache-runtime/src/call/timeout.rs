//! `load_timeout(hard = …)`: the result of a load that takes too long.

use super::{
    each::EachReturns,
    terms::{LoadTimeout, Terms},
};
use crate::entry::Split;

/// The result of a load that has not ended in time.
pub fn timed_out<R: TimeoutResult>(timeout: LoadTimeout) -> R {
    R::timed_out(timeout)
}

/// Whether a resource declares the hard timeout that a function takes from it.
#[expect(clippy::exhaustive_structs, reason = "a type is all that it is")]
pub struct HardTimeout<const IS_DECLARED: bool>;

impl HardTimeout<true> {
    /// Says what is returned after the timeout.
    pub fn given<R: TimeoutResult, S: Split<R>, U, L, C, G>(terms: Terms<R, S, U, L, C, G>) -> Terms<R, S, U, L, C, G> {
        terms.on_timeout(timed_out)
    }

    /// The same, of a function with `each`.
    pub fn of_each<R: TimeoutResult, S>(returns: EachReturns<R, S>) -> EachReturns<R, S> {
        returns.on_timeout(timed_out)
    }
}

impl HardTimeout<false> {
    /// Says nothing.
    pub const fn given<T>(terms: T) -> T {
        terms
    }

    /// The same, of a function with `each`.
    pub const fn of_each<T>(returns: T) -> T {
        returns
    }
}

/// A return type that can say that a load has taken too long.
#[diagnostic::on_unimplemented(
    message = "after a hard `load_timeout` the function returns an error, and `{Self}` is no `Result`",
    label = "no `Result`",
    note = "return a `Result` whose error implements `From<LoadTimeout>`",
    note = "or leave `hard` out; where the resource declares it, write `load_timeout = \"off\"`, or the `soft` one alone"
)]
pub trait TimeoutResult {
    /// The error.
    fn timed_out(timeout: LoadTimeout) -> Self;
}

impl<T, E: TimeoutError> TimeoutResult for Result<T, E> {
    fn timed_out(timeout: LoadTimeout) -> Self {
        Err(E::timed_out(timeout))
    }
}

/// An error that can say that a load has taken too long.
#[diagnostic::on_unimplemented(
    message = "after a hard `load_timeout` the function returns an error, and a `{Self}` cannot be made of `LoadTimeout`",
    label = "does not implement `From<LoadTimeout>`",
    note = "write `impl From<cache_runtime::LoadTimeout> for {Self}`; with thiserror, a variant with `#[from] LoadTimeout`",
    note = "or leave `hard` out; where the resource declares it, write `load_timeout = \"off\"`, or the `soft` one alone"
)]
pub trait TimeoutError {
    /// The error.
    fn timed_out(timeout: LoadTimeout) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<LoadTimeout>> TimeoutError for E {
    fn timed_out(timeout: LoadTimeout) -> Self {
        timeout.into()
    }
}
