//! How a return type splits into the value that is stored and the rest, found by the compiler from the type itself,
//! so that aliases such as `type Answer<T> = Result<T, AppError>` work.
use std::{marker::PhantomData, ops::Deref};

/// Chooses the [`Shape`] of `R`: inherent methods win over the ones reached by `Deref`, so `Result` and `Option` are
/// recognised and everything else falls through to `Plain`.
pub struct Returns<R>(PhantomData<fn() -> R>, AnyOther);

/// The fallback of [`Returns`].
pub struct AnyOther;

/// `Result<T, E>`: `Ok` is stored.
pub struct OfResult;
/// `Option<T>`: `Some` is stored.
pub struct OfOption;
/// Any other type: stored as it is.
pub struct Plain;

impl<R> Returns<R> {
    /// The probe for `R`.
    #[expect(clippy::new_without_default, reason = "macro plumbing; nobody defaults it")]
    pub const fn new() -> Self {
        Self(PhantomData, AnyOther)
    }
}

impl<T, E> Returns<Result<T, E>> {
    /// The shape of a `Result`.
    pub const fn shape(&self) -> OfResult {
        OfResult
    }
}

impl<T> Returns<Option<T>> {
    /// The shape of an `Option`.
    pub const fn shape(&self) -> OfOption {
        OfOption
    }
}

impl AnyOther {
    /// The shape of any other type.
    #[expect(
        clippy::unused_self,
        reason = "called like its namesakes on `Returns`, through `Deref`"
    )]
    pub const fn shape(&self) -> Plain {
        Plain
    }
}

impl<R> Deref for Returns<R> {
    type Target = AnyOther;

    fn deref(&self) -> &AnyOther {
        &self.1
    }
}

/// Splits a returned `R` into the value that may be stored and the rest.
pub trait Shape<R> {
    /// What is stored.
    type Value;

    /// The value to store, if this return has one.
    fn value(returned: &R) -> Option<&Self::Value>;

    /// Whether this return reports success: anything but the `Err` of a `Result`.
    fn succeeded(_returned: &R) -> bool {
        true
    }

    /// The return that a stored value stands for.
    fn restore(value: Self::Value) -> R;

    /// The return that "loaded, and there is nothing" stands for: `None` of an `Option`.
    fn absent() -> Option<R> {
        None
    }
}

impl<T, E> Shape<Result<T, E>> for OfResult {
    type Value = T;

    fn value(returned: &Result<T, E>) -> Option<&T> {
        returned.as_ref().ok()
    }

    fn succeeded(returned: &Result<T, E>) -> bool {
        returned.is_ok()
    }

    fn restore(value: T) -> Result<T, E> {
        Ok(value)
    }
}

impl<T> Shape<Option<T>> for OfOption {
    type Value = T;

    fn value(returned: &Option<T>) -> Option<&T> {
        returned.as_ref()
    }

    fn restore(value: T) -> Option<T> {
        Some(value)
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}

impl<R> Shape<R> for Plain {
    type Value = R;

    fn value(returned: &R) -> Option<&R> {
        Some(returned)
    }

    fn restore(value: R) -> R {
        value
    }
}
