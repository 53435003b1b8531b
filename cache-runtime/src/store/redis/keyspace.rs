//! The share of the keys that a server has: what may be asked of it in one command, and which of its errors are replies.

use super::error::{ASK, MOVED};

/// Which keys a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyspace {
    /// All of them: one command may be about any.
    Whole,
    /// Those of its slots of a cluster: each command is about one key.
    Sharded,
}

impl Keyspace {
    /// The codes of errors that are replies like any other: that a key is of the wrong type; in a cluster also where it is.
    pub(super) const fn reply_codes(self) -> &'static [&'static str] {
        match self {
            Self::Whole => &["WRONGTYPE"],
            Self::Sharded => &["WRONGTYPE", MOVED, ASK],
        }
    }
}
