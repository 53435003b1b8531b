//! The fixed part of an entry.

use super::Rejection;

const MAGIC: [u8; 3] = *b"CRE";
const VERSION: u8 = 1;

/// The flag of an entry with a signature after its stamps.
pub(super) const SIGNED: u8 = 1;

/// The flag of an entry that is of use after its time-to-live, with its windows after its stamps.
pub(super) const WINDOWS: u8 = 2;

/// The flag of an entry that says that there is nothing, or an error.
pub(super) const NEGATIVE: u8 = 4;

/// The flag of an entry with tags after its stamps and windows.
pub(super) const TAGGED: u8 = 8;

/// All that this release knows.
pub(super) const KNOWN_FLAGS: u8 = SIGNED | WINDOWS | NEGATIVE | TAGGED;

/// The bytes before the stamps.
pub(super) const HEADER_LEN: usize = 56;

/// What the fixed part says beside whose it is. Numbers are little-endian, and nothing is between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) codec: u8,
    pub(super) compression: u8,
    pub(super) stamp_count: u8,
    pub(super) flags: u8,
    /// Milliseconds since the Unix epoch. Informative: nothing depends on it being right.
    pub(super) created_at: u64,
    /// Milliseconds.
    pub(super) ttl: u64,
    /// Microseconds, saturating.
    pub(super) load_duration: u32,
    pub(super) payload_len: u32,
    pub(super) fingerprint: [u8; 16],
    pub(super) shape: u64,
}

impl Header {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.codec, self.compression, self.stamp_count, self.flags]);
        out.extend_from_slice(&self.created_at.to_le_bytes());
        out.extend_from_slice(&self.ttl.to_le_bytes());
        out.extend_from_slice(&self.load_duration.to_le_bytes());
        out.extend_from_slice(&self.payload_len.to_le_bytes());
        out.extend_from_slice(&self.fingerprint);
        out.extend_from_slice(&self.shape.to_le_bytes());
    }

    /// Reads the header, and returns what follows it.
    #[inline]
    pub(super) fn split_from(bytes: &[u8]) -> Result<(Self, &[u8]), Rejection> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Rejection::Magic);
        }
        let (header, after) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(Rejection::Length)?;
        let mut rest = &header[MAGIC.len()..];
        let [version, codec, compression, stamp_count, flags] = take(&mut rest);
        if version != VERSION {
            return Err(Rejection::Version);
        }
        let header = Self {
            codec,
            compression,
            stamp_count,
            flags,
            created_at: u64::from_le_bytes(take(&mut rest)),
            ttl: u64::from_le_bytes(take(&mut rest)),
            load_duration: u32::from_le_bytes(take(&mut rest)),
            payload_len: u32::from_le_bytes(take(&mut rest)),
            fingerprint: take(&mut rest),
            shape: u64::from_le_bytes(take(&mut rest)),
        };
        Ok((header, after))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (bytes, after) = rest.split_first_chunk().expect("the fields are as long as the header");
    *rest = after;
    *bytes
}
