//! Which one of the entries that there ever were: what validators of HTTP are made of.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;

/// A number that all processes of one build have for an entry, and for no other one: neither for what stands under other keys, nor for
/// what stood there before, or will.
///
/// An entry says whose it is, when it was stored and for how long, under which stamps, and what was returned. So a value that is stored again
/// is another revision, also if it is equal, unless that happens within a millisecond: then nothing tells the two apart, and nothing needs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision(u64);

impl Revision {
    /// Of all the bytes of an entry.
    pub(crate) fn of(entry: &[u8]) -> Self {
        // The same in all processes.
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(entry);
        Self(hasher.finish())
    }

    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}
