//! Which one of the entries that there ever were under a key: what validators of HTTP are made of.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;

use super::{Envelope, Identity, LoadTime, Stamp};

/// A number that all processes of one build have for an entry, and for no other one: neither for what stands under other keys, nor for
/// what stood there before, or will.
///
/// Two entries of one key differ in their stamps, if an invalidation lies between them, or else in when they were stored, and in how long
/// they took to load. So a value that is stored again is another revision, also if it is equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Revision(u64);

impl Revision {
    /// Of an entry that was stored at `created_at`, in milliseconds since the Unix epoch, under these stamps, those of its tags among
    /// them.
    pub(crate) fn new(
        identity: &Identity,
        created_at: u64,
        load_time: LoadTime,
        stamps: impl Iterator<Item = Stamp>,
    ) -> Self {
        // The same in all processes.
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(&identity.fingerprint);
        hasher.write_u64(identity.shape);
        hasher.write_u64(created_at);
        hasher.write_u32(load_time.micros());
        stamps.for_each(|stamp| hasher.write_u64(stamp.bits()));
        Self(hasher.finish())
    }

    /// Of an entry that was found, and is what `identity` says.
    pub(crate) fn of(identity: &Identity, envelope: &Envelope) -> Self {
        let stamps = envelope.stamps().chain(envelope.tags().map(|tag| tag.stamp));
        Self::new(identity, envelope.created_at(), envelope.load_time(), stamps)
    }

    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity {
        fingerprint: [7; 16],
        shape: 9,
    };

    fn revision(identity: &Identity, created_at: u64, load_time: u32, stamps: &[u64]) -> Revision {
        let stamps = stamps.iter().copied().map(Stamp::from_bits);
        Revision::new(identity, created_at, LoadTime::from_micros(load_time), stamps)
    }

    #[test]
    fn whatever_tells_entries_apart_makes_another_revision() {
        let other_arguments = Identity {
            fingerprint: [8; 16],
            ..IDENTITY
        };
        let other_function = Identity { shape: 10, ..IDENTITY };
        let mut all = vec![
            revision(&IDENTITY, 1, 1, &[1, 2]),
            revision(&other_arguments, 1, 1, &[1, 2]),
            revision(&other_function, 1, 1, &[1, 2]),
            revision(&IDENTITY, 2, 1, &[1, 2]),
            revision(&IDENTITY, 1, 2, &[1, 2]),
            revision(&IDENTITY, 1, 1, &[1, 3]),
            revision(&IDENTITY, 1, 1, &[2, 1]),
            revision(&IDENTITY, 1, 1, &[1]),
        ];
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(
            revision(&IDENTITY, 1, 1, &[1, 2]),
            revision(&IDENTITY, 1, 1, &[1, 2]),
            "and nothing else does"
        );
    }
}
