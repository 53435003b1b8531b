//! The answers of a store that are more than one value.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;

use crate::entry::{ParseError, Stamp};

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
    /// Entries that matched one of the patterns, or several.
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

/// Some of the keys that stand in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScannedKeys {
    /// Those that match the pattern. A key may come more than once.
    pub keys: Vec<String>,
    /// How many more match and are no UTF-8: not this crate's.
    pub unreadable: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<ScanCursor>,
}

impl ScannedKeys {
    /// These keys, all of them readable.
    pub const fn new(keys: Vec<String>, next: Option<ScanCursor>) -> Self {
        Self {
            keys,
            unreadable: 0,
            next,
        }
    }
}

/// Where a [scan](crate::store::Store::scan) goes on: text that means something to the store that wrote it, and to no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScanCursor(String);

impl ScanCursor {
    /// As a store writes it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the store has written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScanCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Of any text: whether it is a cursor, the store says.
impl FromStr for ScanCursor {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Ok(Self::new(text))
    }
}

/// What stands under a key, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredValue {
    /// The first bytes of it, as many as were asked for. None of what is no string.
    pub bytes: Bytes,
    /// How many bytes there are. Zero for what is no string.
    pub len: u64,
    /// How long the store keeps it; `None` if for good.
    pub time_left: Option<Duration>,
    /// What it is, if it is no string: `set`, `hash`, `stream`.
    pub other_type: Option<String>,
}

impl StoredValue {
    /// A string of these bytes, of which no more than the first `most` are kept.
    pub fn of_bytes(bytes: &Bytes, most: usize, time_left: Option<Duration>) -> Self {
        Self {
            bytes: bytes.slice(..most.min(bytes.len())),
            len: bytes.len() as u64,
            time_left,
            other_type: None,
        }
    }

    /// Something that is no string.
    pub fn of_type(name: impl Into<String>, time_left: Option<Duration>) -> Self {
        Self {
            bytes: Bytes::new(),
            len: 0,
            time_left,
            other_type: Some(name.into()),
        }
    }
}
