//! Stamps and tickets: what makes an entry valid, and the proof that a load may be stored.

use std::{fmt, io, str::FromStr, sync::Arc};

use super::ParseError;
use crate::key::Address;

/// A random 64-bit token. An entry is valid only while every stamp it was loaded under is still the current one.
///
/// Random and never reused: a counter that restarts after an eviction would bring old entries back to life.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// The number of bytes of the text form.
    pub const TEXT_LEN: usize = 16;

    /// A new stamp from the operating system's random numbers.
    ///
    /// # Errors
    ///
    /// If the operating system gives no random numbers.
    pub fn random() -> io::Result<Self> {
        Ok(Self(getrandom::u64()?))
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Reads the form that stands in a store, as it comes from there: 16 lower-case hex digits, which is what `Display` writes.
    /// `None` for anything else.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        if text.len() != Self::TEXT_LEN {
            return None;
        }
        let bits = text.iter().try_fold(0, |bits: u64, &digit| {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            Some(bits << 4 | u64::from(value))
        });
        bits.map(Self)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Stamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::from_text(text.as_bytes()).ok_or(ParseError::new("write 16 lower-case hex digits"))
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamp({self})")
    }
}

/// Proof that the stamps of an address were read *before* a load began.
///
/// [`Store::fill`](crate::store::Store::fill) takes one, and only a [read](crate::protocol::read) hands one out, so
/// nothing can be stored under stamps that are younger than the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    address: Arc<Address>,
    stamps: Vec<Stamp>,
    /// The epochs of the kinds of tags that the load may find, in the order of [`Address::epochs`].
    epochs: Vec<Stamp>,
}

impl Ticket {
    pub(crate) fn new(address: Arc<Address>, stamps: Vec<Stamp>) -> Self {
        debug_assert_eq!(address.stamps().len(), stamps.len());
        Self {
            address,
            stamps,
            epochs: Vec::new(),
        }
    }

    /// The same with the epochs of the kinds of tags that the load may find.
    pub(crate) fn with_epochs(self, epochs: Vec<Stamp>) -> Self {
        Self { epochs, ..self }
    }

    /// The epochs of the kinds of tags that the load may find.
    pub(crate) fn epochs(&self) -> &[Stamp] {
        &self.epochs
    }

    /// The address that the ticket admits a fill to.
    pub fn address(&self) -> &Arc<Address> {
        &self.address
    }

    /// The key of the lease of the load that the ticket was handed out for: of the entry *and* the stamps, so that nobody who
    /// begins after an invalidation waits for a load that began before it.
    pub(crate) fn lease_key(&self) -> String {
        let mut stamps = blake3::Hasher::new();
        for stamp in &self.stamps {
            stamps.update(&stamp.bits().to_le_bytes());
        }
        let stamps = stamps.finalize().to_hex();
        self.address.lease_key(&stamps[..16])
    }

    /// The right to store what is valid for nobody.
    pub(crate) fn void(&self) -> Self {
        let stamps = self.stamps.iter().map(|stamp| Stamp(!stamp.0));
        Self {
            address: Arc::clone(&self.address),
            stamps: stamps.collect(),
            ..self.clone()
        }
    }

    /// A number that tells loads under these stamps from those under others.
    pub(crate) fn ground(&self) -> u64 {
        let mix = |ground: u64, stamp: &Stamp| ground.rotate_left(5) ^ stamp.bits();
        self.stamps.iter().fold(0, mix)
    }

    /// The stamps, in the order of [`Address::stamps`].
    pub fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_reads_back_and_nothing_else_does() {
        let stamp = Stamp::from_bits(0x00ff_1234_5678_9abc);
        assert_eq!(stamp.to_string(), "00ff123456789abc");
        assert_eq!(Stamp::from_text(stamp.to_string().as_bytes()), Some(stamp));
        assert_eq!(stamp.to_string().parse(), Ok(stamp));
        for other in [
            "",
            "00ff123456789ab",
            "00FF123456789ABC",
            "+0ff123456789abc",
            "00ff123456789abc0",
            "zzzzzzzzzzzzzzzz",
        ] {
            assert_eq!(Stamp::from_text(other.as_bytes()), None, "{other:?}");
            assert!(other.parse::<Stamp>().is_err(), "{other:?}");
        }
    }

    #[test]
    fn random_stamps_differ() {
        assert_ne!(Stamp::random().unwrap(), Stamp::random().unwrap());
    }
}
