//! The types of scopes: what their values are given as, and what of them stands in keys.

use std::{fmt::Display, marker::PhantomData};

/// What a scope value can be.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a scope: it does not implement `std::fmt::Display`",
    label = "a scope value is written into keys",
    note = "use an integer, a `String` or a `Uuid`, or implement `Display` for it; `Option<...>` of one of them is written out, not behind an alias"
)]
pub trait ScopeType {
    /// What values are given as.
    type Given<'g>: ?Sized
    where
        Self: 'g;

    /// What of a value stands in keys.
    type Shown: Display + ?Sized;

    /// `None`: the value is "nobody".
    fn shown<'g>(given: &'g Self::Given<'g>) -> Option<&'g Self::Shown>;
}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> ScopeType for T {
    type Given<'g>
        = T
    where
        T: 'g;
    type Shown = T;

    fn shown(given: &T) -> Option<&T> {
        Some(given)
    }
}

/// The type of a scope that is declared as `Option<T>`; with `str` for `String`.
#[doc(hidden)]
pub struct Optional<T: ?Sized>(PhantomData<fn(&T)>);

#[diagnostic::do_not_recommend]
impl<T: Display> ScopeType for Optional<T> {
    type Given<'g>
        = Option<T>
    where
        T: 'g;
    type Shown = T;

    fn shown(given: &Option<T>) -> Option<&T> {
        given.as_ref()
    }
}

impl ScopeType for Optional<str> {
    type Given<'g> = dyn OptionalText + 'g;
    type Shown = str;

    fn shown<'g>(given: &'g (dyn OptionalText + 'g)) -> Option<&'g str> {
        given.text()
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
