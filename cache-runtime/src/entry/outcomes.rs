//! What a return type can say besides a value: that there is nothing, that it failed.

use super::returns::{Nested, OfOption, OfResult};

/// A return type that has a place for `None`.
#[diagnostic::on_unimplemented(
    message = "`negative_ttl` is about results that say that there is nothing, and this function cannot say so: it returns no `Option`",
    label = "no `Option` is returned",
    note = "return an `Option`, also inside of a `Result`; or choose errors with `cache_err = |error| ...`; or leave `negative_ttl` out"
)]
pub trait MayBeAbsent {}

#[diagnostic::do_not_recommend]
impl<T> MayBeAbsent for OfOption<T> {}
#[diagnostic::do_not_recommend]
impl<T, I> MayBeAbsent for Nested<OfOption<T>, I> {}
#[diagnostic::do_not_recommend]
impl<T, I: MayBeAbsent> MayBeAbsent for Nested<OfResult<T>, I> {}

/// A return type that has a place for `Err`.
#[diagnostic::on_unimplemented(
    message = "`stale_if_error` is about loads that fail, and this function cannot fail: it returns no `Result`",
    label = "no `Result` is returned",
    note = "return a `Result`, or leave `stale_if_error` out"
)]
pub trait MayFail {}

#[diagnostic::do_not_recommend]
impl<T> MayFail for OfResult<T> {}
#[diagnostic::do_not_recommend]
impl<T, I> MayFail for Nested<OfResult<T>, I> {}
#[diagnostic::do_not_recommend]
impl<T, I: MayFail> MayFail for Nested<OfOption<T>, I> {}

/// A return type that is a `Result`.
#[diagnostic::on_unimplemented(
    message = "`cache_err` chooses errors to keep, and this function returns none: it returns no `Result`",
    label = "no `Result` is returned",
    note = "return a `Result`, or leave `cache_err` out"
)]
pub trait HasError {}

#[diagnostic::do_not_recommend]
impl<T> HasError for OfResult<T> {}
#[diagnostic::do_not_recommend]
impl<T, I> HasError for Nested<OfResult<T>, I> {}

/// Compiles only if there may be nothing.
pub fn may_be_absent<S: MayBeAbsent>(_split: S) {}

/// Compiles only if a load may fail.
pub fn may_fail<S: MayFail>(_split: S) {}

/// Compiles only if the function returns an error.
pub fn has_error<S: HasError>(_split: S) {}
