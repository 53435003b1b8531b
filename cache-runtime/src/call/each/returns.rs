//! What a body returns for several ids, taken apart by id and put together again.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

use super::ids::{Asked, Ids};
use crate::{
    call::{
        CacheValue,
        terms::{LoadTimeout, Terms},
    },
    entry::{Nested, NoError, OfOption, OfResult, Plain},
};

/// A value for each id.
pub trait ByIds<I> {
    /// The value of one id.
    type Value;

    /// The value of each of the ids that the body was given; `None` if what was returned cannot be told apart by them.
    fn apart(self, ids: &[I]) -> ValuesOfIds<Self::Value>;

    /// What a call returns, given the value of each id.
    fn together(asked: Asked<I>, values: Vec<Option<Self::Value>>) -> Self;
}

impl<I: Clone + Eq + Hash, V, H: BuildHasher + Default> ByIds<I> for HashMap<I, V, H> {
    type Value = V;

    fn apart(mut self, ids: &[I]) -> ValuesOfIds<V> {
        Some(ids.iter().map(|id| self.remove(id)).collect())
    }

    fn together(asked: Asked<I>, values: Vec<Option<V>>) -> Self {
        found(asked, values).collect()
    }
}

impl<I: Clone + Ord + Hash, V> ByIds<I> for BTreeMap<I, V> {
    type Value = V;

    fn apart(mut self, ids: &[I]) -> ValuesOfIds<V> {
        Some(ids.iter().map(|id| self.remove(id)).collect())
    }

    fn together(asked: Asked<I>, values: Vec<Option<V>>) -> Self {
        found(asked, values).collect()
    }
}

/// By position.
impl<I: Clone + Eq + Hash, V: Clone> ByIds<I> for Vec<Option<V>> {
    type Value = V;

    fn apart(self, ids: &[I]) -> ValuesOfIds<V> {
        (self.len() == ids.len()).then_some(self)
    }

    fn together(asked: Asked<I>, values: Vec<Option<V>>) -> Self {
        asked.in_order(values)
    }
}

fn found<I, V>(asked: Asked<I>, values: Vec<Option<V>>) -> impl Iterator<Item = (I, V)> {
    let ids = asked.ids.into_iter().zip(values);
    ids.filter_map(|(id, value)| Some((id, value?)))
}

/// The value of each of some ids; `None` if nothing tells which is whose.
type ValuesOfIds<V> = Option<Vec<Option<V>>>;

/// How what a body returns splits into the values of the ids `I` and the rest.
#[diagnostic::on_unimplemented(
    message = "a function with `each` returns a value for each id, and not `{R}`",
    label = "no value for each id",
    note = "return a `HashMap` or `BTreeMap` from the ids to the values, or a `Vec<Option<T>>` in the order of the ids, of a `T` that is `Clone`; plain, or inside of a `Result`",
    note = "the ids of the map are of the type that the argument has them in"
)]
pub trait SplitEach<R, I> {
    /// The value of one id.
    type Value;

    /// The error that may be kept of one id.
    //
    // Of a function that keeps none it is no error of the function's: the compiler would have to find out for every lifetime in that
    // one that the future of a call is `Send`, and gives up.
    type IdError;

    /// The value of each of these ids.
    ///
    /// # Errors
    ///
    /// The return itself, if it has none: it is an error.
    fn apart(returned: R, ids: &[I]) -> Result<ValuesOfIds<Self::Value>, R>;

    /// The return that has these values.
    fn together(asked: Asked<I>, values: Vec<Option<Self::Value>>) -> R;

    /// The error that may be kept of each id.
    ///
    /// # Errors
    ///
    /// The return itself, if none is.
    fn error(failed: R) -> Result<Self::IdError, R>;

    /// The return that is this error.
    fn fail(error: Self::IdError) -> R;
}

#[diagnostic::do_not_recommend]
impl<T: ByIds<I>, E, I> SplitEach<Result<T, E>, I> for OfResult<T> {
    type Value = T::Value;
    type IdError = NoError;

    fn apart(returned: Result<T, E>, ids: &[I]) -> Result<ValuesOfIds<T::Value>, Result<T, E>> {
        returned.map(|values| values.apart(ids)).map_err(Err)
    }

    fn together(asked: Asked<I>, values: Vec<Option<T::Value>>) -> Result<T, E> {
        Ok(T::together(asked, values))
    }

    fn error(failed: Result<T, E>) -> Result<NoError, Result<T, E>> {
        Err(failed)
    }

    fn fail(error: NoError) -> Result<T, E> {
        match error {}
    }
}

#[diagnostic::do_not_recommend]
impl<R: ByIds<I>, I> SplitEach<R, I> for Plain {
    type Value = R::Value;
    type IdError = NoError;

    fn apart(returned: R, ids: &[I]) -> Result<ValuesOfIds<R::Value>, R> {
        Ok(returned.apart(ids))
    }

    fn together(asked: Asked<I>, values: Vec<Option<R::Value>>) -> R {
        R::together(asked, values)
    }

    fn error(failed: R) -> Result<NoError, R> {
        Err(failed)
    }

    fn fail(error: NoError) -> R {
        match error {}
    }
}

/// The split of a function that keeps errors.
pub struct KeepingErrors<S>(PhantomData<fn() -> S>);

#[diagnostic::do_not_recommend]
impl<T: ByIds<I>, E, I> SplitEach<Result<T, E>, I> for KeepingErrors<OfResult<T>> {
    type Value = T::Value;
    type IdError = E;

    fn apart(returned: Result<T, E>, ids: &[I]) -> Result<ValuesOfIds<T::Value>, Result<T, E>> {
        OfResult::apart(returned, ids)
    }

    fn together(asked: Asked<I>, values: Vec<Option<T::Value>>) -> Result<T, E> {
        OfResult::together(asked, values)
    }

    fn error(failed: Result<T, E>) -> Result<E, Result<T, E>> {
        failed.map_or_else(Ok, |values| Err(Ok(values)))
    }

    fn fail(error: E) -> Result<T, E> {
        Err(error)
    }
}

/// There is none to keep, which is said elsewhere.
#[diagnostic::do_not_recommend]
impl<R: ByIds<I>, I> SplitEach<R, I> for KeepingErrors<Plain> {
    type Value = R::Value;
    type IdError = NoError;

    fn apart(returned: R, ids: &[I]) -> Result<ValuesOfIds<R::Value>, R> {
        Plain::apart(returned, ids)
    }

    fn together(asked: Asked<I>, values: Vec<Option<R::Value>>) -> R {
        Plain::together(asked, values)
    }

    fn error(failed: R) -> Result<NoError, R> {
        Plain::error(failed)
    }

    fn fail(error: NoError) -> R {
        Plain::fail(error)
    }
}

/// What a call of one id returns: its value, that it has none, or an error that was kept, which is that of the call of all of them.
pub(super) type IdReturn<V, E> = Result<Option<V>, E>;

/// How that splits.
type SplitId<V> = Nested<OfResult<Option<V>>, OfOption<V>>;

/// What is said of it, at first.
type IdTerms<V, E, U> = Terms<IdReturn<V, E>, SplitId<V>, U>;

/// What is returned after the hard timeout.
pub(super) type Late<R> = fn(LoadTimeout) -> R;

/// What a function returns, how that splits, and what it returns after the hard timeout.
pub struct EachReturns<R, S> {
    late: Option<Late<R>>,
    split: PhantomData<fn() -> S>,
}

impl<R, S> EachReturns<R, S> {
    /// Of what the probe for the return type says.
    pub fn of(_split: S) -> Self {
        Self::new()
    }

    const fn new() -> Self {
        Self {
            late: None,
            split: PhantomData,
        }
    }

    /// The same, of a function with `cache_err`.
    pub fn keeping_errors(_split: S) -> EachReturns<R, KeepingErrors<S>> {
        EachReturns::new()
    }

    /// What is returned after the hard `load_timeout`.
    #[must_use]
    pub fn on_timeout(self, late: Late<R>) -> Self {
        Self {
            late: Some(late),
            ..self
        }
    }

    pub(super) fn late(&self) -> Option<Late<R>> {
        self.late
    }
}

/// Makes the [`Terms`] of one id, from what the attribute says of a value.
pub struct EachTerms<R, S, C: ?Sized>(PhantomData<Types<R, S, C>>);

type Types<R, S, C> = fn(&C) -> (R, S);

impl<R, S, C: Ids + ?Sized> EachTerms<R, S, C>
where
    S: SplitEach<R, C::Id>,
{
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }

    /// Stores the values that `unless` returns `false` for.
    pub fn unless<U>(self, unless: U) -> IdTerms<S::Value, S::IdError, U>
    where
        S::Value: CacheValue<U>,
        U: FnOnce(&S::Value) -> bool,
    {
        Terms::new(SplitId::new(), unless)
    }
}
