//! Arguments for a load that may go on when its caller is gone: what is passed by value is moved to it, what is borrowed is made owned,
//! and the body sees the types that it always did.

use std::{borrow::Borrow, marker::PhantomData, ops::Deref};

/// Chooses by the type of an argument: the inherent methods for what is borrowed win over the ones reached by `Deref`, for everything
/// else.
pub struct Ownership<T>(PhantomData<fn() -> T>, ByMove);

/// The fallback of [`Ownership`].
#[expect(clippy::exhaustive_structs, reason = "the macros write it as a value")]
pub struct ByMove;

/// What an argument borrowed, owned.
pub struct Owned<B: ToOwned + ?Sized>(B::Owned);

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
    pub fn own(&self, argument: &B) -> Owned<B>
    where
        B: BorrowedArgument,
    {
        Owned(argument.to_owned())
    }

    /// The same, of an argument that is needed elsewhere, too.
    pub fn copy(&self, argument: &&B) -> Owned<B>
    where
        B: BorrowedArgument,
    {
        self.own(argument)
    }
}

impl ByMove {
    /// The argument itself.
    pub const fn own<T: OwnedArgument>(&self, argument: T) -> Moved<T> {
        Moved(argument)
    }

    /// A copy of an argument that is needed elsewhere, too.
    pub fn copy<T: CopiedArgument>(&self, argument: &T) -> Moved<T> {
        Moved(argument.clone())
    }
}

impl<T> Deref for Ownership<T> {
    type Target = ByMove;

    fn deref(&self) -> &ByMove {
        &self.1
    }
}

impl<B: ToOwned + ?Sized> Owned<B> {
    /// What the body is given.
    pub fn lend(&self) -> &B {
        self.0.borrow()
    }
}

impl<T> Moved<T> {
    /// What the body is given.
    pub fn lend(self) -> T {
        self.0
    }
}

/// An argument by value that a load can take along.
#[diagnostic::on_unimplemented(
    message = "the load may go on when its caller is gone, on a task of its own, and an argument of type `{Self}` cannot be sent to one: it is not `Send`",
    label = "not `Send`",
    note = "pass what is `Send`",
    note = "or leave out what lets the load go on: `stale_while_revalidate`, `refresh_ahead`, the `soft` of `load_timeout`; where the resource declares it, write `\"off\"`"
)]
pub trait OwnedArgument: Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> OwnedArgument for T {}

/// What an argument borrows that a load can have a copy of.
#[diagnostic::on_unimplemented(
    message = "the load may go on when its caller is gone, so it needs a copy of what the argument borrows, and a `{Self}` cannot be copied to another task: it is not `Clone + Send + Sync`",
    label = "borrowed from the caller, and not `Clone + Send + Sync`",
    note = "derive `Clone` for it, or share it: `Arc<{Self}>` in place of `&{Self}`",
    note = "or leave out what lets the load go on: `stale_while_revalidate`, `refresh_ahead`, the `soft` of `load_timeout`; where the resource declares it, write `\"off\"`"
)]
pub trait BorrowedArgument: ToOwned<Owned: Send + 'static> + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<B: ToOwned<Owned: Send + 'static> + Sync + 'static + ?Sized> BorrowedArgument for B {}

/// An argument by value of which a closure of the attribute can have a copy.
#[diagnostic::on_unimplemented(
    message = "a closure of `#[cached]` names an argument of type `{Self}`, which the body takes along: the closure needs a copy, and it is not `Clone + Send`",
    label = "not `Clone + Send`",
    note = "look at the value alone, or pass what is `Clone + Send`"
)]
pub trait CopiedArgument: Clone + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + 'static> CopiedArgument for T {}
