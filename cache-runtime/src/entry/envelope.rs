//! The binary form of an entry: a fixed header, the stamps, a signature if it has one, the payload. See `docs/keys.md` for the layout.

mod header;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use self::header::{HEADER_LEN, Header, KNOWN_FLAGS, NEGATIVE, SIGNED, TAGGED, WINDOWS};
use super::{
    codec::{Codec, EncodedValue},
    compression::Compression,
    identity::is_same_function,
    lifetime::Windows,
    load_time::LoadTime,
    revision::Revision,
    signature::{SIGNATURE_LEN, SigningKeys},
    stamp::Stamp,
    tags::{self, EntryTag},
    word::words,
};

const STAMP_LEN: usize = size_of::<u64>();

/// Two times in milliseconds.
const WINDOWS_LEN: usize = 2 * size_of::<u64>();

/// What an entry must prove before its payload is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever opens an envelope says what it must prove; more to prove is another envelope"
)]
pub struct Identity {
    /// 128 bits of BLAKE3 over the address and the canonical arguments.
    pub fingerprint: [u8; 16],
    /// The function in the upper half, the structure of its result and its `version` in the lower one.
    pub shape: u64,
}

/// Why an entry was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// Not an envelope at all.
    Magic,
    /// An envelope of another release.
    Version,
    /// Truncated, or longer than it says.
    Length,
    /// A codec, compression or flag that this build does not have.
    Codec,
    /// Another argument set with the same 12 hex digits.
    Fingerprint,
    /// Of another function.
    Function,
    /// Of another build of the function, whose type or `version` differs.
    Shape,
    /// The payload did not decompress or decode.
    Decode,
    /// The payload is larger than the limit, or would be when it is decompressed.
    Size,
    /// Not signed with one of the keys of this cache, or signed where it has none.
    Signature,
}

impl Rejection {
    /// All of them, in their order.
    pub(crate) const ALL: &[Self] = &[
        Self::Magic,
        Self::Version,
        Self::Length,
        Self::Codec,
        Self::Fingerprint,
        Self::Function,
        Self::Shape,
        Self::Decode,
        Self::Size,
        Self::Signature,
    ];
}

words! {
    /// The cause in one word, as it stands in logs and metrics.
    Rejection, "write magic, version, length, codec, fingerprint, function, shape, decode, size or signature" {
        Magic = "magic",
        Version = "version",
        Length = "length",
        Codec = "codec",
        Fingerprint = "fingerprint",
        Function = "function",
        Shape = "shape",
        Decode = "decode",
        Size = "size",
        Signature = "signature",
    }
}

/// An entry that checked out as far as its header goes.
#[derive(Debug, Clone)]
pub struct Envelope {
    bytes: Bytes,
    codec: Codec,
    compression: Compression,
    flags: u8,
    stamp_count: u8,
    /// Where its tags are, and its payload.
    tags_at: u32,
    tags_len: u32,
    payload_at: u32,
}

/// What the head of an entry says, also of an entry that this build could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Since the Unix epoch, by the clock of who stored it.
    pub(crate) created_at: Duration,
    pub(crate) ttl: Duration,
    pub(crate) load_duration: Duration,
    pub(crate) codec: String,
    pub(crate) compression: String,
    pub(crate) is_signed: bool,
    pub(crate) is_negative: bool,
    /// Whether it is of use after its time-to-live.
    has_windows: bool,
}

impl Head {
    /// Of an entry of which at least the fixed part was read.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Rejection> {
        let (header, _) = Header::split_from(bytes)?;
        let number = |number: u8| format!("number {number}");
        Ok(Self {
            created_at: Duration::from_millis(header.created_at),
            ttl: Duration::from_millis(header.ttl),
            load_duration: Duration::from_micros(header.load_duration.into()),
            codec: Codec::from_number(header.codec)
                .map_or_else(|| number(header.codec), |codec| codec.as_str().to_owned()),
            compression: Compression::from_number(header.compression)
                .map_or_else(|| number(header.compression), |method| method.to_string()),
            is_signed: header.flags & SIGNED != 0,
            is_negative: header.flags & NEGATIVE != 0,
            has_windows: header.flags & WINDOWS != 0,
        })
    }

    /// Whether its time-to-live is over, by the clock of the system. Of an entry that ends with it the store's clock alone decides.
    pub(crate) fn is_past_ttl(&self) -> bool {
        let age = Duration::from_millis(unix_millis()).saturating_sub(self.created_at);
        self.has_windows && age >= self.ttl
    }
}

/// What a cache puts into entries, and what it takes from them.
#[derive(Debug, Clone)]
pub(crate) struct Sealing {
    /// Bytes of an encoded value.
    pub(crate) max_value_size: usize,
    pub(crate) compression: Compression,
    /// The largest encoded value that is not compressed.
    pub(crate) compression_above: usize,
    pub(crate) keys: SigningKeys,
}

/// No limits, no compression and no keys.
impl Default for Sealing {
    fn default() -> Self {
        Self {
            max_value_size: usize::MAX,
            compression: Compression::None,
            compression_above: 10 << 10,
            keys: SigningKeys::default(),
        }
    }
}

impl Sealing {
    /// Puts the entry under the key `entry` together.
    ///
    /// `None` if there are more stamps or payload bytes than the header can count.
    pub(crate) fn seal(&self, meta: Meta, entry: &str, stamps: &[Stamp], value: &EncodedValue) -> Option<Bytes> {
        self.seal_tagged(meta, entry, stamps, &[], value)
    }

    /// As [`seal`](Self::seal), with tags; `None` also if these are too long.
    pub(crate) fn seal_tagged(
        &self,
        meta: Meta,
        entry: &str,
        stamps: &[Stamp],
        tags: &[EntryTag<'_>],
        value: &EncodedValue,
    ) -> Option<Bytes> {
        let compressed = self.compress(&value.bytes);
        let (compression, payload) = match &compressed {
            Some(compressed) => (self.compression, &compressed[..]),
            None => (Compression::None, &value.bytes[..]),
        };
        let header = Header {
            codec: value.codec.number(),
            compression: compression.number(),
            stamp_count: u8::try_from(stamps.len()).ok()?,
            flags: self.flags(&meta) | if tags.is_empty() { 0 } else { TAGGED },
            created_at: meta.created_at,
            ttl: millis(meta.ttl),
            load_duration: LoadTime::from(meta.load_duration).micros(),
            payload_len: u32::try_from(payload.len()).ok()?,
            fingerprint: meta.identity.fingerprint,
            shape: meta.identity.shape,
        };
        let head_len = HEADER_LEN + stamps.len() * STAMP_LEN + WINDOWS_LEN;
        let mut bytes = Vec::with_capacity(head_len + SIGNATURE_LEN + payload.len());
        header.write(&mut bytes);
        for stamp in stamps {
            bytes.extend_from_slice(&stamp.bits().to_le_bytes());
        }
        if header.flags & WINDOWS != 0 {
            write_windows(&mut bytes, &meta.windows);
        }
        if !tags.is_empty() {
            tags::write(&mut bytes, tags.iter().copied())?;
        }
        if let Some(signature) = self.keys.sign(entry, &bytes, payload) {
            bytes.extend_from_slice(&signature);
        }
        bytes.extend_from_slice(payload);
        Some(bytes.into())
    }

    fn flags(&self, meta: &Meta) -> u8 {
        let signed = if self.keys.current.is_some() { SIGNED } else { 0 };
        let windows = if meta.windows == Windows::default() { 0 } else { WINDOWS };
        let negative = if meta.is_negative { NEGATIVE } else { 0 };
        signed | windows | negative
    }

    /// `None` if the bytes are to be stored as they are.
    fn compress(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let worth_it = bytes.len() > self.compression_above;
        worth_it.then(|| self.compression.compress(bytes)).flatten()
    }

    /// Checks everything about the entry under the key `entry` that can be checked without decompressing or decoding the
    /// payload, in an order that never allocates.
    #[inline]
    pub(crate) fn open(&self, bytes: Bytes, entry: &str, identity: &Identity) -> Result<Envelope, Rejection> {
        let (header, envelope) = unseal(bytes, self.max_value_size)?;
        if !self.accepts_signature(entry, &envelope) {
            return Err(Rejection::Signature);
        }
        if header.fingerprint != identity.fingerprint {
            return Err(Rejection::Fingerprint);
        }
        if header.shape != identity.shape {
            return Err(if is_same_function(header.shape, identity.shape) {
                Rejection::Shape
            } else {
                Rejection::Function
            });
        }
        Ok(envelope)
    }

    /// As [`open`](Self::open), by somebody who knows neither the function nor the arguments: the entry as far as it can be read,
    /// and why no call would take it, if that is known.
    pub(crate) fn look_into(&self, bytes: Bytes, entry: &str) -> Result<(Envelope, Option<Rejection>), Rejection> {
        let (_, envelope) = unseal(bytes, usize::MAX)?;
        let refusal = if envelope.original_len() > self.max_value_size as u64 {
            Some(Rejection::Size)
        } else if self.accepts_signature(entry, &envelope) {
            None
        } else {
            Some(Rejection::Signature)
        };
        Ok((envelope, refusal))
    }

    #[inline]
    fn accepts_signature(&self, entry: &str, envelope: &Envelope) -> bool {
        let (head, rest) = envelope.bytes.split_at(envelope.head_end());
        let (signature, payload) = rest.split_at(envelope.payload_at as usize - head.len());
        // An entry without a signature has no bytes there, and of those no array is made.
        self.keys.accept(entry, head, signature.try_into().ok(), payload)
    }
}

/// An entry that is as long as it says, of parts that this build has, and its header.
#[inline]
fn unseal(bytes: Bytes, max_value_size: usize) -> Result<(Header, Envelope), Rejection> {
    let (header, rest) = Header::split_from(&bytes)?;
    let known = Codec::from_number(header.codec).zip(Compression::from_number(header.compression));
    let Some((codec, compression)) = known.filter(|_| header.flags & !KNOWN_FLAGS == 0) else {
        return Err(Rejection::Codec);
    };
    let stamp_count = usize::from(header.stamp_count);
    let stamps_end = HEADER_LEN + stamp_count * STAMP_LEN;
    let windows_len = if header.flags & WINDOWS == 0 { 0 } else { WINDOWS_LEN };
    let tags_at = stamps_end + windows_len;
    let tags_len = if header.flags & TAGGED == 0 {
        0
    } else {
        let tags = bytes.get(tags_at..).and_then(tags::len);
        tags.ok_or(Rejection::Length)?
    };
    let head_len = tags_at + tags_len;
    let signature_len = if header.flags & SIGNED == 0 { 0 } else { SIGNATURE_LEN };
    let payload_len = header.payload_len as usize;
    if HEADER_LEN + rest.len() != head_len + signature_len + payload_len {
        return Err(Rejection::Length);
    }
    if payload_len > max_value_size {
        return Err(Rejection::Size);
    }
    if !tags::Reader::new(&bytes[tags_at..head_len]).is_whole() {
        return Err(Rejection::Length);
    }
    let payload = &bytes[head_len + signature_len..];
    if compression.original_len(payload).ok_or(Rejection::Length)? > max_value_size {
        return Err(Rejection::Size);
    }
    let envelope = Envelope {
        codec,
        compression,
        flags: header.flags,
        stamp_count: header.stamp_count,
        tags_at: place(tags_at)?,
        tags_len: place(tags_len)?,
        payload_at: place(head_len + signature_len)?,
        bytes,
    };
    Ok((header, envelope))
}

/// What [`Sealing::seal`] writes beside the payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) identity: Identity,
    /// In milliseconds since the Unix epoch, by the clock of who stores it.
    pub(crate) created_at: u64,
    pub(crate) ttl: Duration,
    /// For how long it is of use after that.
    pub(crate) windows: Windows,
    pub(crate) load_duration: Duration,
    /// Whether the payload says that there is nothing, or an error.
    pub(crate) is_negative: bool,
}

impl Meta {
    /// Of a value that is stored now, and that nothing more is said of.
    pub(crate) fn new(identity: Identity, ttl: Duration) -> Self {
        Self {
            identity,
            created_at: unix_millis(),
            ttl,
            windows: Windows::default(),
            load_duration: Duration::ZERO,
            is_negative: false,
        }
    }

    /// How long the store keeps the entry.
    pub(crate) fn kept(&self) -> Duration {
        self.ttl.saturating_add(self.windows.longest())
    }
}

impl Envelope {
    /// Checks everything that can be checked without decoding the payload, in an order that never allocates. Knows of no
    /// limits, and refuses what is signed.
    ///
    /// # Errors
    ///
    /// The first [`Rejection`] found.
    pub fn open(bytes: Bytes, identity: &Identity) -> Result<Self, Rejection> {
        // Without keys nothing depends on the entry's own.
        Sealing::default().open(bytes, "", identity)
    }

    /// The stamps that the entry was loaded under.
    pub fn stamps(&self) -> impl ExactSizeIterator<Item = Stamp> + '_ {
        stamps(&self.bytes[HEADER_LEN..], self.stamp_count.into())
    }

    /// The tags that the load has found, each with the stamp that it was stored under.
    pub(crate) fn tags(&self) -> impl Iterator<Item = EntryTag<'_>> {
        let tags_at = self.tags_at as usize;
        tags::Reader::new(&self.bytes[tags_at..tags_at + self.tags_len as usize])
    }

    /// How many bytes of an entry a sweep must read to see all of `stamps` stamps.
    pub const fn head_len(stamps: usize) -> usize {
        HEADER_LEN + stamps * STAMP_LEN
    }

    /// The stamps of an entry of which at least the head was read. `None` if this is no envelope of this version, which a
    /// sweep leaves alone: another release may still read it.
    pub fn stamps_of_head(head: &[u8]) -> Option<Vec<Stamp>> {
        let (header, rest) = Header::split_from(head).ok()?;
        let count = usize::from(header.stamp_count);
        (rest.len() >= count * STAMP_LEN).then(|| stamps(rest, count).collect())
    }

    /// Where the signature is, if it has one, or else the payload.
    fn head_end(&self) -> usize {
        self.tags_at as usize + self.tags_len as usize
    }

    /// How many bytes the payload is, or says to be, when it is not compressed.
    pub(crate) fn original_len(&self) -> u64 {
        let payload = &self.bytes[self.payload_at as usize..];
        self.compression.original_len(payload).unwrap_or(payload.len()) as u64
    }

    /// When it was stored, in milliseconds since the Unix epoch, by the clock of who stored it.
    pub(crate) fn created_at(&self) -> u64 {
        self.header().map_or(0, |header| header.created_at)
    }

    /// How long it took to load.
    pub(crate) fn load_time(&self) -> LoadTime {
        let load_time = |header: Header| LoadTime::from_micros(header.load_duration);
        self.header().map_or(LoadTime::ZERO, load_time)
    }

    /// Which one of all entries it is.
    pub(crate) fn revision(&self) -> Revision {
        Revision::of(&self.bytes)
    }

    /// How many bytes the entry has.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// For how long it is of use after its time-to-live.
    pub(crate) fn windows(&self) -> Windows {
        if self.flags & WINDOWS == 0 {
            return Windows::default();
        }
        let windows_at = HEADER_LEN + usize::from(self.stamp_count) * STAMP_LEN;
        read_windows(&self.bytes[windows_at..windows_at + WINDOWS_LEN])
    }

    /// Whether the payload says that there is nothing, or an error.
    pub(crate) fn is_negative(&self) -> bool {
        self.flags & NEGATIVE != 0
    }

    /// For how long its time-to-live has been over, by the clock of the system; `None` if it is not. Of an entry that ends with it
    /// the store's clock alone decides.
    pub(crate) fn past_ttl(&self) -> Option<Duration> {
        if self.flags & WINDOWS == 0 {
            return None;
        }
        let header = self.header()?;
        let age = unix_millis().saturating_sub(header.created_at);
        age.checked_sub(header.ttl).map(Duration::from_millis)
    }

    /// What [`open`](Self::open) has read already.
    fn header(&self) -> Option<Header> {
        Some(Header::split_from(&self.bytes).ok()?.0)
    }

    /// How much of its time-to-live is left, by the clock of the system: between zero and all of it, whatever the clocks of
    /// the machines say.
    pub(crate) fn remaining(&self) -> Duration {
        let Some(header) = self.header() else {
            return Duration::ZERO;
        };
        let age = unix_millis().saturating_sub(header.created_at);
        Duration::from_millis(header.ttl.saturating_sub(age))
    }

    /// The encoded value, compressed if the entry is.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.payload_at as usize..)
    }

    /// The value. Takes as much memory as the entry says: [`open`](Self::open) knows of no limit.
    ///
    /// # Errors
    ///
    /// [`Rejection::Decode`] if the payload is no value of this type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        let (value, _) = self.decode_sized().ok_or(Rejection::Decode)?;
        Ok(value)
    }

    /// The value, and about how many bytes it takes. Of an entry that is not compressed the payload has no owner of its own, unless
    /// the value is one.
    pub(crate) fn decode_sized<T: DeserializeOwned>(&self) -> Option<(T, usize)> {
        if self.compression != Compression::None {
            let encoded = self.encoded().ok()?;
            return Some((encoded.decode().ok()?, encoded.estimated_size()));
        }
        let payload = &self.bytes[self.payload_at as usize..];
        let value = self.codec.decode(payload, || self.payload()).ok()?;
        Some((value, self.codec.estimated_size(payload.len())))
    }

    /// The encoded value. A part of the entry if that is not compressed; nothing is copied then.
    pub(crate) fn encoded(&self) -> Result<EncodedValue, Rejection> {
        let bytes = self.compression.decompress(self.payload()).ok_or(Rejection::Decode)?;
        Ok(EncodedValue {
            codec: self.codec,
            bytes,
        })
    }
}

fn stamps(rest: &[u8], count: usize) -> impl ExactSizeIterator<Item = Stamp> + '_ {
    rest.as_chunks::<STAMP_LEN>()
        .0
        .iter()
        .take(count)
        .map(|bytes| Stamp::from_bits(u64::from_le_bytes(*bytes)))
}

/// A place in an entry, of which the head is short and the payload's length is counted in as many bits.
fn place(at: usize) -> Result<u32, Rejection> {
    u32::try_from(at).map_err(|_| Rejection::Length)
}

fn write_windows(out: &mut Vec<u8>, windows: &Windows) {
    out.extend_from_slice(&millis(windows.revalidate).to_le_bytes());
    out.extend_from_slice(&millis(windows.error).to_le_bytes());
}

/// None are zero.
fn read_windows(bytes: &[u8]) -> Windows {
    match bytes.as_chunks().0 {
        &[revalidate, error] => Windows {
            revalidate: Duration::from_millis(u64::from_le_bytes(revalidate)),
            error: Duration::from_millis(u64::from_le_bytes(error)),
        },
        _ => Windows::default(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The time in milliseconds since the Unix epoch. Where tokio's clock is paused, in a test, it goes with that.
pub(crate) fn unix_millis() -> u64 {
    let (time, instant) = (SystemTime::now(), Instant::now());
    let shown = tokio::time::Instant::now().into_std();
    let (ahead, behind) = (
        shown.saturating_duration_since(instant),
        instant.saturating_duration_since(shown),
    );
    let since = (time + ahead - behind).duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Negative, SigningKey};

    const IDENTITY: Identity = Identity {
        fingerprint: [7; 16],
        shape: 9,
    };

    const ENTRY: &str = "cache:t:r:c-1:0123456789ab";

    fn sealed() -> Bytes {
        sealed_by(&Sealing::default())
    }

    const META: Meta = Meta {
        identity: IDENTITY,
        created_at: 0,
        ttl: Duration::from_mins(1),
        load_duration: Duration::from_millis(12),
        windows: Windows {
            revalidate: Duration::ZERO,
            error: Duration::ZERO,
        },
        is_negative: false,
    };

    fn sealed_by(sealing: &Sealing) -> Bytes {
        let stamps = [Stamp::from_bits(1), Stamp::from_bits(2)];
        let value = EncodedValue::json(Bytes::from_static(b"{\"a\":1}"));
        sealing.seal(META, ENTRY, &stamps, &value).unwrap()
    }

    fn altered(at: usize, value: u8) -> Bytes {
        let mut bytes = sealed().to_vec();
        bytes[at] = value;
        bytes.into()
    }

    #[test]
    fn an_envelope_opens_to_what_was_sealed() {
        let envelope = Envelope::open(sealed(), &IDENTITY).unwrap();
        assert_eq!(envelope.payload(), "{\"a\":1}");
        assert_eq!(
            envelope.stamps().collect::<Vec<_>>(),
            [Stamp::from_bits(1), Stamp::from_bits(2)]
        );
    }

    #[test]
    fn the_wire_format_of_version_1_does_not_change() {
        let frozen = "the layout of released envelopes is frozen: a new layout needs a new version";
        let unsigned = include_bytes!("../../tests/golden/envelope-v1.bin");
        assert_eq!(sealed(), &unsigned[..], "{frozen}");
        let signed = include_bytes!("../../tests/golden/envelope-v1-signed.bin");
        assert_eq!(sealed_by(&signing(&["first"])), &signed[..], "{frozen}");
    }

    /// As [`sealed_by`], of an entry that is of use after its time-to-live.
    fn sealed_with_windows(sealing: &Sealing) -> Bytes {
        let meta = Meta {
            windows: Windows {
                revalidate: Duration::from_secs(30),
                error: Duration::from_mins(10),
            },
            ..META
        };
        let stamps = [Stamp::from_bits(1), Stamp::from_bits(2)];
        let value = EncodedValue::json(Bytes::from_static(b"{\"a\":1}"));
        sealing.seal(meta, ENTRY, &stamps, &value).unwrap()
    }

    fn sealed_negative() -> Bytes {
        let meta = Meta {
            is_negative: true,
            ..META
        };
        let absent = Negative::Absent(1).encode().unwrap();
        Sealing::default()
            .seal(meta, ENTRY, &[Stamp::from_bits(1)], &absent)
            .unwrap()
    }

    #[test]
    fn what_is_written_of_windows_and_of_absence_does_not_change() {
        let windows = include_bytes!("../../tests/golden/envelope-v1-windows.bin");
        assert_eq!(sealed_with_windows(&Sealing::default()), &windows[..]);
        let negative = include_bytes!("../../tests/golden/envelope-v1-negative.bin");
        assert_eq!(sealed_negative(), &negative[..]);
    }

    #[test]
    fn an_entry_with_windows_opens_to_what_was_sealed_signed_or_not() {
        for sealing in [Sealing::default(), signing(&["first"])] {
            let envelope = sealing.open(sealed_with_windows(&sealing), ENTRY, &IDENTITY).unwrap();
            assert_eq!(envelope.payload(), "{\"a\":1}");
            assert_eq!(envelope.stamps().len(), 2);
            assert_eq!(envelope.windows().revalidate, Duration::from_secs(30));
            assert_eq!(envelope.windows().error, Duration::from_mins(10));
            assert!(envelope.past_ttl().is_some(), "it was sealed in 1970");
        }
        let ended = Envelope::open(sealed(), &IDENTITY).unwrap();
        assert_eq!(
            ended.past_ttl(),
            None,
            "of an entry without windows the store alone decides"
        );
    }

    #[test]
    fn an_entry_that_says_that_there_is_nothing_says_so() {
        let envelope = Envelope::open(sealed_negative(), &IDENTITY).unwrap();
        assert!(envelope.is_negative());
        assert_eq!(envelope.payload(), "{\"absent\":1}");
    }

    /// As [`sealed_with_windows`], with tags, too.
    fn sealed_with_tags(sealing: &Sealing) -> Bytes {
        let meta = Meta {
            windows: Windows {
                revalidate: Duration::from_secs(30),
                error: Duration::ZERO,
            },
            ..META
        };
        let stamps = [Stamp::from_bits(1), Stamp::from_bits(2)];
        let value = EncodedValue::json(Bytes::from_static(b"{\"a\":1}"));
        sealing.seal_tagged(meta, ENTRY, &stamps, &TAGS, &value).unwrap()
    }

    const TAGS: [EntryTag<'static>; 2] = [
        EntryTag {
            kind: "author",
            value: "7",
            stamp: Stamp::from_bits(3),
        },
        EntryTag {
            kind: "series",
            value: "a%20b",
            stamp: Stamp::from_bits(4),
        },
    ];

    #[test]
    fn what_is_written_of_tags_does_not_change() {
        let tagged = include_bytes!("../../tests/golden/envelope-v1-tagged.bin");
        assert_eq!(sealed_with_tags(&Sealing::default()), &tagged[..]);
    }

    #[test]
    fn an_entry_with_tags_opens_to_what_was_sealed_signed_or_not() {
        for sealing in [Sealing::default(), signing(&["first"])] {
            let envelope = sealing.open(sealed_with_tags(&sealing), ENTRY, &IDENTITY).unwrap();
            assert_eq!(envelope.tags().collect::<Vec<_>>(), TAGS);
            assert_eq!((envelope.stamps().len(), envelope.payload()), (2, "{\"a\":1}".into()));
            assert_eq!(envelope.windows().revalidate, Duration::from_secs(30));
        }
        assert_eq!(Envelope::open(sealed(), &IDENTITY).unwrap().tags().count(), 0);
    }

    #[test]
    fn an_entry_whose_tags_are_damaged_is_refused() {
        let whole = sealed_with_tags(&Sealing::default());
        let tags_at = HEADER_LEN + 2 * STAMP_LEN + WINDOWS_LEN;
        // Their length, the length of a kind, a character of a kind.
        for (at, value) in [
            (tags_at, 0xff),
            (tags_at + 1, 0xff),
            (tags_at + 10, 0xff),
            (tags_at + 11, 0xff),
        ] {
            let mut bytes = whole.to_vec();
            bytes[at] = value;
            let opened = Envelope::open(bytes.into(), &IDENTITY);
            assert_eq!(opened.err(), Some(Rejection::Length), "byte {at}");
        }
        assert_eq!(
            Envelope::open(whole.slice(..=tags_at), &IDENTITY).err(),
            Some(Rejection::Length)
        );
        // Signed they cannot be other ones.
        let sealing = signing(&["first"]);
        let mut bytes = sealed_with_tags(&sealing).to_vec();
        bytes[tags_at + 2] ^= 1;
        let opened = sealing.open(bytes.into(), ENTRY, &IDENTITY);
        assert_eq!(opened.err(), Some(Rejection::Signature));
    }

    /// Rows enough to be worth compressing, as JSON or in another codec.
    fn rows() -> Vec<(u32, String)> {
        (0..20).map(|n| (n, format!("row {n}"))).collect()
    }

    fn sealed_rows(codec: Codec, compression: Compression) -> Bytes {
        let sealing = Sealing {
            compression,
            compression_above: 0,
            ..Sealing::default()
        };
        let value = codec
            .encode(&rows(), usize::MAX, crate::entry::fingerprint::Fidelity::Sure)
            .unwrap();
        sealing.seal(META, ENTRY, &[Stamp::from_bits(1)], &value).unwrap()
    }

    /// What a method makes of the same bytes may change with its version. What it made of them stays readable.
    #[track_caller]
    fn assert_readable(released: &'static [u8], codec: u8, compression: u8) {
        assert_eq!(released[4..6], [codec, compression]);
        let envelope = Envelope::open(Bytes::from_static(released), &IDENTITY).unwrap();
        assert_eq!(envelope.decode(), Ok(rows()));
    }

    #[test]
    fn a_packed_entry_does_not_change() {
        let released = include_bytes!("../../tests/golden/envelope-v1-packed.bin");
        assert_readable(released, 3, 0);
        assert_eq!(sealed_rows(Codec::Packed, Compression::None), &released[..]);
    }

    #[cfg(feature = "postcard")]
    #[test]
    fn what_postcard_writes_does_not_change() {
        let released = include_bytes!("../../tests/golden/envelope-v1-postcard.bin");
        assert_readable(released, 2, 0);
        assert_eq!(sealed_rows(Codec::Postcard, Compression::None), &released[..]);
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn what_was_compressed_with_lz4_stays_readable() {
        assert_readable(include_bytes!("../../tests/golden/envelope-v1-lz4.bin"), 1, 1);
        let written = sealed_rows(Codec::Json, Compression::Lz4);
        assert_eq!(Envelope::open(written, &IDENTITY).unwrap().decode(), Ok(rows()));
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn what_was_compressed_with_zstd_stays_readable() {
        assert_readable(include_bytes!("../../tests/golden/envelope-v1-zstd.bin"), 1, 2);
        let written = sealed_rows(Codec::Json, Compression::Zstd);
        assert_eq!(Envelope::open(written, &IDENTITY).unwrap().decode(), Ok(rows()));
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn what_would_be_too_large_when_it_is_decompressed_is_refused_before_it_is() {
        let bomb = sealed_rows(Codec::Json, Compression::Lz4);
        let len = serde_json::to_vec(&rows()).unwrap().len();
        let limited = |max_value_size| Sealing {
            max_value_size,
            ..Sealing::default()
        };
        limited(len).open(bomb.clone(), ENTRY, &IDENTITY).unwrap();
        let refused = limited(len - 1).open(bomb.clone(), ENTRY, &IDENTITY);
        assert_eq!(refused.unwrap_err(), Rejection::Size);
        let mut bytes = bomb.to_vec();
        bytes[64..68].copy_from_slice(&u32::MAX.to_le_bytes());
        let refused = limited(16 << 20).open(bytes.into(), ENTRY, &IDENTITY);
        assert_eq!(refused.unwrap_err(), Rejection::Size);
    }

    #[test]
    fn whatever_does_not_check_out_is_refused_by_name() {
        let other = Identity {
            fingerprint: [8; 16],
            shape: 9,
        };
        assert_eq!(Envelope::open(sealed(), &other).unwrap_err(), Rejection::Fingerprint);
        let other = Identity {
            fingerprint: [7; 16],
            shape: 10,
        };
        assert_eq!(Envelope::open(sealed(), &other).unwrap_err(), Rejection::Shape);
        assert_eq!(
            Envelope::open(altered(0, b'x'), &IDENTITY).unwrap_err(),
            Rejection::Magic
        );
        assert_eq!(
            Envelope::open(altered(3, 2), &IDENTITY).unwrap_err(),
            Rejection::Version
        );
        assert_eq!(Envelope::open(altered(4, 9), &IDENTITY).unwrap_err(), Rejection::Codec);
        assert_eq!(Envelope::open(altered(5, 9), &IDENTITY).unwrap_err(), Rejection::Codec);
        assert_eq!(
            Envelope::open(altered(6, 200), &IDENTITY).unwrap_err(),
            Rejection::Length
        );
        assert_eq!(Envelope::open(Bytes::new(), &IDENTITY).unwrap_err(), Rejection::Magic);
    }

    fn key(text: &str) -> SigningKey {
        SigningKey::new(&format!("{text}, at least 16 bytes")).unwrap()
    }

    /// Signs with the first of these keys and accepts all of them.
    fn signing(keys: &[&str]) -> Sealing {
        let mut keys = keys.iter().map(|text| key(text));
        Sealing {
            keys: SigningKeys {
                current: keys.next(),
                previous: keys.collect(),
            },
            ..Sealing::default()
        }
    }

    #[test]
    fn a_signed_envelope_opens_with_its_key_and_after_a_rotation_with_the_previous_one() {
        let bytes = sealed_by(&signing(&["first"]));
        for keys in [&["first"][..], &["second", "first"], &["third", "second", "first"]] {
            let envelope = signing(keys).open(bytes.clone(), ENTRY, &IDENTITY).unwrap();
            assert_eq!(envelope.payload(), "{\"a\":1}");
            assert_eq!(envelope.stamps().len(), 2);
        }
    }

    #[test]
    fn whatever_is_not_signed_with_a_key_of_the_cache_is_refused() {
        let refused = |sealing: &Sealing, bytes: Bytes, entry: &str| {
            let opened = sealing.open(bytes, entry, &IDENTITY);
            assert_eq!(opened.unwrap_err(), Rejection::Signature);
        };
        let signed = sealed_by(&signing(&["first"]));
        refused(&signing(&["second"]), signed.clone(), ENTRY);
        refused(&signing(&["second", "third"]), signed.clone(), ENTRY);
        refused(&signing(&["first"]), signed.clone(), "cache:t:r:c-2:0123456789ab");
        refused(&signing(&["first"]), sealed(), ENTRY);
        refused(&Sealing::default(), signed, ENTRY);
    }

    #[test]
    fn no_bit_of_a_signed_envelope_can_be_changed() {
        let sealing = signing(&["first"]);
        for signed in [sealed_by(&sealing), sealed_with_windows(&sealing)] {
            no_bit_can_be_changed(&sealing, &signed);
        }
    }

    #[track_caller]
    fn no_bit_can_be_changed(sealing: &Sealing, signed: &Bytes) {
        for (at, bit) in (0..signed.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = signed.to_vec();
            bytes[at] ^= 1 << bit;
            let opened = sealing.open(bytes.into(), ENTRY, &IDENTITY);
            // In front of the created-at stand the magic, the counts and the flags, which have causes of their own.
            match opened.unwrap_err() {
                Rejection::Signature => {}
                _ if at < 8 || (28..32).contains(&at) => {}
                other => panic!("bit {bit} of byte {at}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_flag_of_another_release_is_refused() {
        assert_eq!(
            Envelope::open(altered(7, 128), &IDENTITY).unwrap_err(),
            Rejection::Codec
        );
    }

    #[test]
    fn a_sweep_sees_the_stamps_of_a_signed_envelope() {
        let bytes = sealed_by(&signing(&["first"]));
        let stamps = Envelope::stamps_of_head(&bytes[..Envelope::head_len(2)]);
        assert_eq!(stamps, Some(vec![Stamp::from_bits(1), Stamp::from_bits(2)]));
    }

    #[test]
    fn every_truncation_is_refused() {
        for bytes in [sealed(), sealed_with_windows(&Sealing::default()), sealed_negative()] {
            for len in 0..bytes.len() {
                assert!(Envelope::open(bytes.slice(..len), &IDENTITY).is_err(), "{len} bytes");
            }
        }
    }

    #[test]
    fn a_head_shows_its_stamps_to_a_sweep() {
        let bytes = sealed();
        assert_eq!(
            Envelope::stamps_of_head(&bytes[..Envelope::head_len(2)]),
            Some(vec![Stamp::from_bits(1), Stamp::from_bits(2)])
        );
        assert_eq!(Envelope::stamps_of_head(&bytes[..Envelope::head_len(1)]), None);
        assert_eq!(Envelope::stamps_of_head(b"plain text"), None);
    }
}
