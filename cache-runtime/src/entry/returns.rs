//! How a return type splits into the value that is stored and the rest, found by the compiler from the type itself,
//! so that aliases such as `type Answer<T> = Result<T, AppError>` work.
use std::{marker::PhantomData, ops::Deref};

use serde::{Deserialize, Serialize};

/// Chooses the [`Split`] of `R`: inherent methods win over the ones reached by `Deref`, so `Result` and `Option` are
/// recognised and everything else falls through to `Plain`.
pub struct Returns<R>(PhantomData<fn() -> R>, AnyOther<R>);

/// The fallback of [`Returns`].
pub struct AnyOther<R>(PhantomData<fn() -> R>);

/// `Result<T, E>`: `Ok` is stored.
pub struct OfResult<T>(PhantomData<fn() -> T>);
/// `Option<T>`: `Some` is stored.
pub struct OfOption<T>(PhantomData<fn() -> T>);
/// Any other type: stored as it is.
pub struct Plain;
/// The error of what is no `Result`: there is none.
//
// Can be stored, so that what is said of an option about errors is that there are none.
#[derive(Debug, Serialize, Deserialize)]
pub enum NoError {}
/// A `Result` or an `Option` whose value is split again.
pub struct Nested<O, I>(PhantomData<fn() -> (O, I)>);

impl<R> Returns<R> {
    /// The probe for `R`.
    #[expect(clippy::new_without_default, reason = "macro plumbing; nobody defaults it")]
    pub const fn new() -> Self {
        Self(PhantomData, AnyOther(PhantomData))
    }
}

impl<T, E> Returns<Result<T, E>> {
    /// The split of a `Result`.
    pub const fn split(&self) -> OfResult<T> {
        OfResult(PhantomData)
    }
}

impl<T> Returns<Option<T>> {
    /// The split of an `Option`.
    pub const fn split(&self) -> OfOption<T> {
        OfOption(PhantomData)
    }
}

impl<R> AnyOther<R> {
    /// The split of any other type.
    #[expect(
        clippy::unused_self,
        reason = "called like its namesakes on `Returns`, through `Deref`"
    )]
    pub const fn split(&self) -> Plain {
        Plain
    }
}

impl<R> Deref for Returns<R> {
    type Target = AnyOther<R>;

    fn deref(&self) -> &AnyOther<R> {
        &self.1
    }
}

impl<T> OfResult<T> {
    /// The same, with the value split by what `inner` makes of its probe.
    #[expect(clippy::unused_self, reason = "a type is all that it is")]
    pub fn then<I>(self, inner: impl FnOnce(Returns<T>) -> I) -> Nested<Self, I> {
        drop(inner(Returns::new()));
        Nested(PhantomData)
    }
}

impl<T> OfOption<T> {
    /// The same, with the value split by what `inner` makes of its probe.
    #[expect(clippy::unused_self, reason = "a type is all that it is")]
    pub fn then<I>(self, inner: impl FnOnce(Returns<T>) -> I) -> Nested<Self, I> {
        drop(inner(Returns::new()));
        Nested(PhantomData)
    }
}

impl<O, I> Nested<O, I> {
    /// The split of what `O` splits, with its value split by `I`.
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl Plain {
    /// The same: there is nothing to split.
    #[must_use]
    pub fn then<I>(self, _inner: impl FnOnce(Returns<()>) -> I) -> Self {
        self
    }
}

/// Splits a returned `R` into the value that may be stored and the rest.
pub trait Split<R> {
    /// What is stored.
    type Value;
    /// The error of the outermost `Result`.
    type Error;

    /// Looks at the value to store, if this return has one. Not given out: what is inside of a `Result` inside of another one
    /// could not be shown to live as long.
    fn with_value<T>(returned: &R, look: impl FnOnce(&Self::Value) -> T) -> Option<T>;

    /// Whether this return reports success: anything but the `Err` of a `Result`.
    fn succeeded(_returned: &R) -> bool {
        true
    }

    /// The error, if this return is one.
    fn error(_returned: &R) -> Option<&Self::Error> {
        None
    }

    /// The return that is this error.
    fn fail(error: Self::Error) -> R;

    /// The return that a stored value stands for.
    fn restore(value: Self::Value) -> R;

    /// How deep the `None` stands by which this return says that there is nothing; `None` if it does not say so.
    fn absence(_returned: &R) -> Option<u8> {
        None
    }

    /// The return that says that there is nothing, at this depth.
    fn absent(_depth: u8) -> Option<R> {
        None
    }
}

impl<T, E> Split<Result<T, E>> for OfResult<T> {
    type Value = T;
    type Error = E;

    fn error(returned: &Result<T, E>) -> Option<&E> {
        returned.as_ref().err()
    }

    fn fail(error: E) -> Result<T, E> {
        Err(error)
    }

    fn with_value<U>(returned: &Result<T, E>, look: impl FnOnce(&T) -> U) -> Option<U> {
        returned.as_ref().ok().map(look)
    }

    fn succeeded(returned: &Result<T, E>) -> bool {
        returned.is_ok()
    }

    fn restore(value: T) -> Result<T, E> {
        Ok(value)
    }
}

impl<T> Split<Option<T>> for OfOption<T> {
    type Value = T;
    type Error = NoError;

    fn fail(error: NoError) -> Option<T> {
        match error {}
    }

    fn with_value<U>(returned: &Option<T>, look: impl FnOnce(&T) -> U) -> Option<U> {
        returned.as_ref().map(look)
    }

    fn restore(value: T) -> Option<T> {
        Some(value)
    }

    fn absence(returned: &Option<T>) -> Option<u8> {
        returned.is_none().then_some(0)
    }

    fn absent(depth: u8) -> Option<Option<T>> {
        (depth == 0).then_some(None)
    }
}

impl<R> Split<R> for Plain {
    type Value = R;
    type Error = NoError;

    fn fail(error: NoError) -> R {
        match error {}
    }

    fn with_value<T>(returned: &R, look: impl FnOnce(&R) -> T) -> Option<T> {
        Some(look(returned))
    }

    fn restore(value: R) -> R {
        value
    }
}

impl<R, O: Split<R>, I: Split<O::Value>> Split<R> for Nested<O, I> {
    type Value = I::Value;
    type Error = O::Error;

    fn error(returned: &R) -> Option<&O::Error> {
        O::error(returned)
    }

    fn fail(error: O::Error) -> R {
        O::fail(error)
    }

    fn with_value<T>(returned: &R, look: impl FnOnce(&I::Value) -> T) -> Option<T> {
        O::with_value(returned, |value| I::with_value(value, look)).flatten()
    }

    fn succeeded(returned: &R) -> bool {
        O::with_value(returned, I::succeeded).unwrap_or_else(|| O::succeeded(returned))
    }

    fn restore(value: I::Value) -> R {
        O::restore(I::restore(value))
    }

    fn absence(returned: &R) -> Option<u8> {
        match O::with_value(returned, I::absence) {
            Some(inner) => inner.map(|depth| depth + 1),
            None => O::absence(returned),
        }
    }

    fn absent(depth: u8) -> Option<R> {
        match depth.checked_sub(1) {
            Some(inner) => I::absent(inner).map(O::restore),
            None => O::absent(0),
        }
    }
}
