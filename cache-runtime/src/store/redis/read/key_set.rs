//! The keys of an address that a read is about.

use std::sync::Arc;

use crate::key::{Address, StampKey};

/// Which of an address's keys: its stamps come first, its entry last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum KeySet {
    StampsAndEntry,
    Stamps,
    /// Those at these places, in ascending order.
    Places(Arc<[usize]>),
}

impl KeySet {
    /// These keys of this address, in order.
    pub(in super::super) fn of<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a str> + Clone {
        let stamps = address.stamps();
        let all = stamps.iter().map(StampKey::as_str).chain([address.entry()]);
        let is_meant = move |place: &usize| match self {
            Self::StampsAndEntry => true,
            Self::Stamps => *place < stamps.len(),
            Self::Places(places) => places.contains(place),
        };
        all.enumerate()
            .filter(move |(place, _)| is_meant(place))
            .map(|(_, key)| key)
    }
}
