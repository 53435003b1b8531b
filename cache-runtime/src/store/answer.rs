//! The answers of a store that are more than one value.

use bytes::Bytes;

use crate::entry::Stamp;

/// What one read found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "stores make it, and are asked for nothing else"
)]
pub struct Snapshot {
    /// The stamps, in the order of [`Address::stamps`](crate::store::Address::stamps).
    pub stamps: Vec<Option<Stamp>>,
    /// The entry's bytes.
    pub entry: Option<Bytes>,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Entries that matched the pattern.
    pub matched: u64,
    /// Entries removed.
    pub removed: u64,
}

impl Swept {
    /// The figures of one sweep.
    pub const fn new(matched: u64, removed: u64) -> Self {
        Self { matched, removed }
    }
}
