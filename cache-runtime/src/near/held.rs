//! What the near cache holds for a call: a value, or that there is none.

use std::sync::Arc;

use super::{NearEntry, Validity, tier::Tier};
use crate::entry::Split;

/// A value, or that there is none.
#[derive(Debug)]
pub(crate) enum Held<V> {
    Value(V),
    /// There is none: how deep the `None` stands.
    Absent(u8),
}

/// As what the near cache holds that there is no value: how deep the `None` stands.
struct Absent(u8);

impl<V> Held<V> {
    /// What an entry holds; `None` if it is none of this function's.
    #[inline]
    pub(crate) fn of<N: Tier<V>>(entry: &NearEntry) -> Option<Self> {
        match N::restore(entry.value()) {
            Some(value) => Some(Self::Value(value)),
            None => absence(entry).map(Self::Absent),
        }
    }

    /// The return that this stands for.
    pub(crate) fn into_return<R, S: Split<R, Value = V>>(self) -> Option<R> {
        match self {
            Self::Value(value) => Some(S::restore(value)),
            Self::Absent(depth) => S::absent(depth),
        }
    }

    /// The same, to be kept; `None` if values of the function are not.
    pub(super) fn hold<N: Tier<V>>(&self) -> Option<Held<N::Held>> {
        match self {
            Self::Value(value) => N::hold(value).map(Held::Value),
            Self::Absent(depth) => Some(Held::Absent(*depth)),
        }
    }
}

/// Apart: what the near cache holds is a value nearly always.
#[cold]
fn absence(entry: &NearEntry) -> Option<u8> {
    entry.value().downcast_ref().map(|Absent(depth)| *depth)
}

/// The entry that holds this.
pub(super) fn entry<T, N: Tier<T>>(held: Held<N::Held>, validity: Validity) -> Arc<NearEntry> {
    match held {
        Held::Value(value) => N::keep(value, validity),
        Held::Absent(depth) => Arc::new(NearEntry::new(Absent(depth), validity)),
    }
}
