//! Scopes: what their values are given as, and what of these stands in keys.

use std::{fmt::Display, marker::PhantomData, ops::Deref};

/// What a scope value can be.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a scope: it does not implement `std::fmt::Display`",
    label = "a scope value is written into keys",
    note = "use an integer, a `String` or a `Uuid`, or implement `Display` for it; `Option<...>` of one of them is written out, not behind an alias"
)]
pub trait ScopeType {}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> ScopeType for T {}

/// A scope of the type `T`, and `D`, the declaration, which takes its values: a method with the places of what the user wrote there, so
/// that the compiler points at it when a value has another type. Texts behind an alias of `String` are taken here: inherent methods win
/// over those reached by `Deref`.
#[doc(hidden)]
pub struct Scope<T: ?Sized, D>(PhantomData<fn(&T)>, D);

/// The type of a scope that is declared as `Option<T>`.
#[doc(hidden)]
pub struct Optional<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized, D: Default> Scope<T, D> {
    /// The scope.
    #[expect(clippy::new_without_default, reason = "macro plumbing; nobody defaults it")]
    #[inline]
    pub fn new() -> Self {
        Self(PhantomData, D::default())
    }

    /// The value `None`.
    #[inline]
    pub const fn nobody() -> Option<&'static str>
    where
        T: OptionalScope,
    {
        None
    }
}

impl<D> Scope<String, D> {
    /// What of the value stands in keys.
    #[inline]
    pub const fn __given<'v>(&self, value: &'v str) -> Option<&'v str> {
        Some(value)
    }
}

impl<D> Scope<Optional<String>, D> {
    /// What of the value stands in keys.
    #[inline]
    pub fn __given<'v>(&self, value: &'v (dyn OptionalText + 'v)) -> Option<&'v str> {
        value.text()
    }
}

impl<T: ?Sized, D> Deref for Scope<T, D> {
    type Target = D;

    #[inline]
    fn deref(&self) -> &D {
        &self.1
    }
}

/// A text that may be missing, borrowed or owned.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` cannot be that of a scope declared as `Option<String>`",
    label = "expected `Option<String>` or `Option<&str>`"
)]
pub trait OptionalText {
    /// The text.
    fn text(&self) -> Option<&str>;
}

#[diagnostic::do_not_recommend]
impl<T: AsRef<str>> OptionalText for Option<T> {
    fn text(&self) -> Option<&str> {
        self.as_ref().map(AsRef::as_ref)
    }
}

/// The type of a scope that has a value for "nobody".
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`None` cannot be the value of this scope: it is declared as `{Self}`, and not as an `Option`",
    label = "not declared as an `Option`"
)]
pub trait OptionalScope {}

impl<T: ?Sized> OptionalScope for Optional<T> {}
