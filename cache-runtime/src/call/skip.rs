//! Whether an argument that `skip(...)` leaves out of the key may be one that the body uses: a pool, a client, a clock. Told by its type:
//! what could be part of a key is data.

use std::{marker::PhantomData, ops::Deref};

use serde::Serialize;

/// Chooses by the type of an argument: the inherent method of what is borrowed mutably wins over the one reached by `Deref`, of what
/// can be serialised, and that one over the next.
pub struct Probe<'a, T: ?Sized>(Owned<'a, T>);

/// The fallback of [`Probe`].
pub struct Owned<'a, T: ?Sized>(PhantomData<&'a T>, NoData);

/// The fallback of [`Owned`].
pub struct NoData;

/// The argument could be part of the key.
pub struct Data;

/// It could not.
pub struct Handle;

impl<'a, T: ?Sized> Probe<'a, T> {
    /// The probe for an argument.
    pub const fn of(_argument: &'a T) -> Self {
        Self(Owned(PhantomData, NoData))
    }
}

impl<T: ?Sized> Probe<'_, &mut T> {
    /// What it is: what may change while the body runs is part of no key.
    pub const fn kind(&self) -> Handle {
        Handle
    }
}

impl<T: Serialize + ?Sized> Owned<'_, T> {
    /// What it is.
    #[expect(clippy::unused_self, reason = "called like its namesake on `Probe`, through `Deref`")]
    pub const fn kind(&self) -> Data {
        Data
    }
}

impl NoData {
    /// What it is.
    #[expect(clippy::unused_self, reason = "called like its namesake on `Probe`, through `Deref`")]
    pub const fn kind(&self) -> Handle {
        Handle
    }
}

impl<'a, T: ?Sized> Deref for Probe<'a, T> {
    type Target = Owned<'a, T>;

    fn deref(&self) -> &Owned<'a, T> {
        &self.0
    }
}

impl<T: ?Sized> Deref for Owned<'_, T> {
    type Target = NoData;

    fn deref(&self) -> &NoData {
        &self.1
    }
}

/// What `skip(...)` takes of what the body looks at.
#[diagnostic::on_unimplemented(
    message = "the body looks at an argument that `skip(...)` leaves out of the key: calls that differ in it would share one result",
    label = "data, and not a handle",
    note = "if the result depends on it, leave `skip` out, or name the part that matters: `key(user.id)`",
    note = "if it does not, say so: `independent(...)` in place of `skip(...)`"
)]
pub trait Skippable {}

impl Skippable for Handle {}

/// Compiles only for what `skip(...)` takes.
pub fn skippable<K: Skippable>(_kind: K) {}
