//! Arguments for a load that may go on when its caller is gone: what is passed by value is moved to it, what is borrowed is made owned,
//! and the body sees the types that it always did.

use std::{borrow::Borrow, marker::PhantomData, ops::Deref};

/// Chooses by the type of an argument: the inherent methods for what is borrowed win over the ones reached by `Deref`, for everything
/// else.
pub struct Ownership<T>(PhantomData<fn() -> T>, ByMove);

/// The fallback of [`Ownership`].
#[expect(clippy::exhaustive_structs, reason = "the macros write it as a value")]
pub struct ByMove;

/// What is borrowed is copied.
pub struct ByCopy;

/// What an argument borrowed, owned as an `O`.
//
// Nothing is asked of the types here: what cannot be owned is complained about once, where it should be.
pub struct Owned<B: ?Sized, O: ?Sized>(PhantomData<fn(&B)>, O);

/// An argument that owns what it is.
pub struct Moved<T>(T);

impl<T> Ownership<T> {
    /// The probe for an argument.
    pub const fn of(_argument: &T) -> Self {
        Self(PhantomData, ByMove)
    }
}

impl<B: ?Sized> Ownership<&B> {
    /// What the argument borrows, owned.
    pub fn own<O>(&self, argument: &B) -> Owned<B, O>
    where
        ByCopy: Copies<B, O>,
    {
        Owned(PhantomData, ByCopy::copy(argument))
    }

    /// The same, of an argument that is needed elsewhere, too.
    pub fn copy<O>(&self, argument: &&B) -> Owned<B, O>
    where
        ByCopy: Copies<B, O>,
    {
        self.own(argument)
    }
}

impl ByMove {
    /// The argument itself.
    pub const fn own<T>(&self, argument: T) -> Moved<T>
    where
        Self: Moves<T>,
    {
        Moved(argument)
    }

    /// A copy of an argument that is needed elsewhere, too.
    pub fn copy<T>(&self, argument: &T) -> Moved<T>
    where
        Self: Clones<T>,
    {
        Moved(Self::clone(argument))
    }
}

impl<T> Deref for Ownership<T> {
    type Target = ByMove;

    fn deref(&self) -> &ByMove {
        &self.1
    }
}

impl<B: ?Sized, O: ?Sized> Owned<B, O> {
    /// What the body is given.
    pub fn lend(&self) -> &B
    where
        O: Borrow<B>,
    {
        self.1.borrow()
    }
}

/// For each run of a body that may run several times.
impl<B: ?Sized, O: Clone> Clone for Owned<B, O> {
    fn clone(&self) -> Self {
        Self(PhantomData, self.1.clone())
    }
}

/// As for [`Owned`].
impl<T: Clone> Clone for Moved<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Moved<T> {
    /// What the body is given.
    pub fn lend(self) -> T {
        self.0
    }
}

/// Moves arguments of type `T` to another task.
//
// Of a type of its own, and not of the argument's: the compiler would suggest to borrow the argument.
#[diagnostic::on_unimplemented(
    message = "the load may go on when its caller is gone, on a task of its own, and an argument of type `{T}` cannot be sent to one: it is not `Send + 'static`",
    label = "not `Send + 'static`",
    note = "pass what is `Send`; of a type parameter, add the bounds: `Send + 'static`",
    note = "or leave out what lets the load go on: `stale_while_revalidate`, `refresh_ahead`, the `soft` of `load_timeout`; where the resource declares it, write `\"off\"`"
)]
pub trait Moves<T> {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Moves<T> for ByMove {}

/// Copies what is borrowed as a `B`, to an `O`.
#[diagnostic::on_unimplemented(
    message = "the load may go on when its caller is gone, so it takes a copy of what the argument borrows, and a `{B}` cannot be copied to another task: it is not `Clone + Send + Sync + 'static`",
    label = "borrowed from the caller, and not `Clone + Send + Sync + 'static`",
    note = "derive `Clone`, or pass it in an `Arc`; of a type parameter, add the bounds: `Clone + Send + Sync + 'static`",
    note = "or leave out what lets the load go on: `stale_while_revalidate`, `refresh_ahead`, the `soft` of `load_timeout`; where the resource declares it, write `\"off\"`"
)]
pub trait Copies<B: ?Sized, O> {
    /// The copy.
    fn copy(borrowed: &B) -> O;
}

#[diagnostic::do_not_recommend]
impl<B: ToOwned<Owned = O> + Sync + 'static + ?Sized, O: Borrow<B> + Send + 'static> Copies<B, O> for ByCopy {
    fn copy(borrowed: &B) -> O {
        borrowed.to_owned()
    }
}

/// Clones arguments of type `T` for a closure of the attribute.
#[diagnostic::on_unimplemented(
    message = "a closure of `#[cached]` names an argument of type `{T}` that the body takes along, so it is given a copy, and there is none: the type is not `Clone + Send + 'static`",
    label = "not `Clone + Send + 'static`",
    note = "look at the value alone, or derive `Clone`; of a type parameter, add the bounds: `Clone + Send + 'static`"
)]
pub trait Clones<T> {
    /// The copy.
    fn clone(argument: &T) -> T;
}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + 'static> Clones<T> for ByMove {
    fn clone(argument: &T) -> T {
        argument.clone()
    }
}
