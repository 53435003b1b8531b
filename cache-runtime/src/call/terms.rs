//! What an attribute says of the results of its function, in closures.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::value::{CacheValue, Value};
use crate::entry::{FoundTags, Lifetime, Negative, Split};

/// That a load has not ended in time: `load_timeout(hard = …)`. The error of a function with that option is made of it, by `From`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadTimeout {
    resource: &'static str,
    after: Duration,
}

impl LoadTimeout {
    pub(super) const fn new(resource: &'static str, after: Duration) -> Self {
        Self { resource, after }
    }

    /// The resource of the result that was waited for.
    pub const fn resource(&self) -> &'static str {
        self.resource
    }

    /// How long it was waited for.
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for LoadTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the load of `{}` has not ended within {:?}",
            self.resource, self.after
        )
    }
}

impl std::error::Error for LoadTimeout {}

/// What an attribute says of the results of its function: what is not stored, for how long the rest, which errors are, and what the rest
/// depends on.
pub struct Terms<R, S, U, L = Declared, C = NoErrors, G = NoTags> {
    unless: U,
    lifetime: L,
    errors: C,
    tags: G,
    late: Option<fn(LoadTimeout) -> R>,
    split: PhantomData<fn() -> (R, S)>,
}

/// The lifetime is the declared one.
pub struct Declared;

/// `ttl = |value| …`, and what makes a lifetime of what it returns.
pub struct ByValue<L, I>(L, fn(I) -> Lifetime);

/// No error is stored.
pub struct NoErrors;

/// `cache_err = |error| …`.
pub struct ByError<C>(C);

/// Results have no tags.
pub struct NoTags;

/// `tags(…)`.
pub struct FromValue<G>(G);

impl<R, S: Split<R, Value: CacheValue<U>>, U: FnOnce(&S::Value) -> bool> Terms<R, S, U> {
    /// Stores what `unless` returns `false` for.
    pub fn new(_split: S, unless: U) -> Self {
        Self {
            unless,
            lifetime: Declared,
            errors: NoErrors,
            tags: NoTags,
            late: None,
            split: PhantomData,
        }
    }
}

impl<R, S: Split<R>, U, L, C, G> Terms<R, S, U, L, C, G> {
    /// The attribute's `ttl`, as a closure.
    pub fn lifetime<V, I>(self, lifetime: V) -> Terms<R, S, U, ByValue<V, I>, C, G>
    where
        V: FnOnce(&S::Value) -> I,
        I: LifetimeSource,
    {
        Terms {
            unless: self.unless,
            lifetime: ByValue(lifetime, I::into_lifetime),
            errors: self.errors,
            tags: self.tags,
            late: self.late,
            split: PhantomData,
        }
    }

    /// The attribute's `cache_err`.
    pub fn cache_err<E>(self, errors: E) -> Terms<R, S, U, L, ByError<E>, G>
    where
        E: FnOnce(&S::Error) -> bool,
    {
        Terms {
            unless: self.unless,
            lifetime: self.lifetime,
            errors: ByError(errors),
            tags: self.tags,
            late: self.late,
            split: PhantomData,
        }
    }

    /// The attribute's `tags`: what a result depends on.
    pub fn tags<F>(self, tags: F) -> Terms<R, S, U, L, C, FromValue<F>>
    where
        F: FnOnce(&S::Value) -> GivenTags,
    {
        Terms {
            unless: self.unless,
            lifetime: self.lifetime,
            errors: self.errors,
            tags: FromValue(tags),
            late: self.late,
            split: PhantomData,
        }
    }

    /// What is returned after the hard `load_timeout`.
    #[must_use]
    pub fn on_timeout(mut self, late: fn(LoadTimeout) -> R) -> Self {
        self.late = Some(late);
        self
    }
}

/// Tags that are given in an attribute.
///
/// A type without a lifetime: the compiler cannot tell that a closure that returns one is `Send` inside of a future otherwise.
#[derive(Debug, Default)]
pub struct GivenTags(FoundTags);

impl GivenTags {
    /// With tags of one kind more, their values as they stand in keys.
    #[must_use]
    pub fn of(mut self, kind: &'static str, values: Vec<String>) -> Self {
        self.0.extend(values.into_iter().map(|value| (kind, value)));
        self
    }
}

/// What the closure of `ttl` returns.
#[diagnostic::on_unimplemented(
    message = "the closure of `ttl` returns for how long a value is stored, and `{Self}` does not say",
    label = "returns `{Self}`, and neither a `Duration` nor a `Lifetime`",
    note = "return a `Duration`, or a `cache_runtime::Lifetime`, which has stale windows, too"
)]
pub trait LifetimeSource {
    /// For how long the value is stored.
    fn into_lifetime(self) -> Lifetime;
}

#[diagnostic::do_not_recommend]
impl<I: Into<Lifetime>> LifetimeSource for I {
    fn into_lifetime(self) -> Lifetime {
        self.into()
    }
}

/// An error that `cache_err` may choose.
#[diagnostic::on_unimplemented(
    message = "`cache_err` keeps errors of the type `{Self}`, and it does not implement both `serde::Serialize` and `serde::de::DeserializeOwned`",
    label = "its errors cannot be stored",
    note = "derive both for `{Self}`, or leave `cache_err` out"
)]
pub trait StoredError: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> StoredError for E {}

/// What is to become of what a load has returned.
#[derive(Debug, Clone)]
pub enum Disposition {
    /// It is stored under these tags, for this long; for the declared time, if that does not say.
    Store(Option<Lifetime>, FoundTags),
    /// It is not stored.
    Leave,
    /// It says that there is nothing.
    Absent(u8),
    /// It is an error that is stored.
    StoreError(Box<RawValue>),
    /// It is an error.
    Failed,
}

impl Disposition {
    /// Whether the load has failed, whether that is stored or not.
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::StoreError(_) | Self::Failed)
    }
}

/// What [`Terms`] are to the way of a call.
pub trait LoadTerms<R> {
    /// How what is returned splits.
    type Split: Split<R, Value: Value>;

    /// What is to become of what a load has returned.
    fn judge(self, returned: &R) -> Disposition;

    /// What is returned after the hard timeout; `None` if the function has none.
    fn late(&self) -> Option<fn(LoadTimeout) -> R>;

    /// The return that is the stored error; `None` if it is none of the function's.
    fn restore_error(error: &RawValue) -> Option<R>;
}

/// What of a return is stored.
pub(super) type ValueOf<R, T> = <<T as LoadTerms<R>>::Split as Split<R>>::Value;

/// For how long a value is stored.
pub trait ValueTerms<V> {
    /// `None` for the declared time.
    fn lifetime(self, value: &V) -> Option<Lifetime>;
}

/// Which errors are stored.
pub trait ErrorTerms<R, S> {
    /// The error as it is stored.
    fn store(self, returned: &R) -> Option<Box<RawValue>>;

    /// The return that is the stored error.
    fn restore(error: &RawValue) -> Option<R>;
}

/// What a value depends on.
pub trait TagTerms<V> {
    /// The tags.
    fn tags(self, value: &V) -> FoundTags;
}

impl<V> TagTerms<V> for NoTags {
    fn tags(self, _value: &V) -> FoundTags {
        FoundTags::new()
    }
}

impl<V, G: FnOnce(&V) -> GivenTags> TagTerms<V> for FromValue<G> {
    fn tags(self, value: &V) -> FoundTags {
        let GivenTags(mut tags) = self.0(value);
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

impl<V> ValueTerms<V> for Declared {
    fn lifetime(self, _value: &V) -> Option<Lifetime> {
        None
    }
}

impl<V, L: FnOnce(&V) -> I, I> ValueTerms<V> for ByValue<L, I> {
    fn lifetime(self, value: &V) -> Option<Lifetime> {
        let Self(lifetime, into_lifetime) = self;
        Some(into_lifetime(lifetime(value)))
    }
}

impl<R, S> ErrorTerms<R, S> for NoErrors {
    fn store(self, _returned: &R) -> Option<Box<RawValue>> {
        None
    }

    fn restore(_error: &RawValue) -> Option<R> {
        None
    }
}

impl<R, S: Split<R>, C> ErrorTerms<R, S> for ByError<C>
where
    C: FnOnce(&S::Error) -> bool,
    S::Error: StoredError,
{
    fn store(self, returned: &R) -> Option<Box<RawValue>> {
        let error = S::error(returned)?;
        self.0(error).then(|| Negative::error(error)).flatten()
    }

    fn restore(error: &RawValue) -> Option<R> {
        serde_json::from_str(error.get()).ok().map(S::fail)
    }
}

impl<R, S, U, L, C, G> LoadTerms<R> for Terms<R, S, U, L, C, G>
where
    S: Split<R, Value: Value>,
    U: FnOnce(&S::Value) -> bool,
    L: ValueTerms<S::Value>,
    C: ErrorTerms<R, S>,
    G: TagTerms<S::Value>,
{
    type Split = S;

    fn judge(self, returned: &R) -> Disposition {
        let Self {
            unless,
            lifetime,
            errors,
            tags,
            ..
        } = self;
        let stored = S::with_value(returned, |value| {
            (!unless(value)).then(|| (lifetime.lifetime(value), tags.tags(value)))
        });
        match (stored, S::absence(returned)) {
            (Some(Some((Some(lifetime), _))), _) if lifetime.ttl().is_zero() => Disposition::Leave,
            (Some(Some((lifetime, tags))), _) => Disposition::Store(lifetime, tags),
            (Some(None), _) => Disposition::Leave,
            (None, Some(depth)) => Disposition::Absent(depth),
            (None, None) => errors
                .store(returned)
                .map_or(Disposition::Failed, Disposition::StoreError),
        }
    }

    fn late(&self) -> Option<fn(LoadTimeout) -> R> {
        self.late
    }

    fn restore_error(error: &RawValue) -> Option<R> {
        C::restore(error)
    }
}
