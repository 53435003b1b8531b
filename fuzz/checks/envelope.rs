//! Any bytes under an entry's key: they are refused, or they are what they say.

use std::collections::BTreeMap;

use bytes::Bytes;
use cache_runtime::{
    inspect::{EntryReport, EntryState},
    protocol::{Envelope, Identity, Rejection},
};
use serde::Deserialize;

/// Where the header has the compression, the number of stamps, the payload's length, the fingerprint and the shape: `docs/keys.md`.
const COMPRESSION: usize = 5;
const STAMP_COUNT: usize = 6;
const PAYLOAD_LEN: std::ops::Range<usize> = 28..32;
const FINGERPRINT: std::ops::Range<usize> = 32..48;
const SHAPE: std::ops::Range<usize> = 48..56;

/// The largest value that is decompressed here. A cache has a limit, too; an envelope by itself has none.
const LARGEST: u32 = 1 << 20;

/// A type that contains itself in every way, and everything else that the codecs tell apart.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
enum Anything {
    Nothing,
    Numbers(u8, i16, u64, i128, f32, f64),
    Text { char: char, text: String, flag: bool },
    List(Vec<Anything>),
    Map(BTreeMap<String, Option<Box<Anything>>>),
    Newtype(Box<Anything>),
    Units(Vec<()>),
}

pub(crate) fn check(data: &[u8]) {
    look(data);
    let stamps = Envelope::stamps_of_head(data);
    let identity = identity(data);
    let opened = Envelope::open(Bytes::copy_from_slice(data), &identity);
    let envelope = match opened {
        Ok(envelope) => envelope,
        Err(cause) => {
            assert!(
                !matches!(cause, Rejection::Fingerprint | Rejection::Shape),
                "its own identity is refused"
            );
            return;
        }
    };
    let count = usize::from(data[STAMP_COUNT]);
    assert_eq!(envelope.stamps().len(), count);
    assert_eq!(Some(envelope.stamps().collect()), stamps);
    assert_eq!(
        Envelope::stamps_of_head(&data[..Envelope::head_len(count)]),
        stamps,
        "as a sweep reads it"
    );
    let payload_len = u32::from_le_bytes(data[PAYLOAD_LEN].try_into().expect("four bytes"));
    assert_eq!(envelope.payload(), &data[Envelope::head_len(count)..]);
    assert_eq!(envelope.payload().len(), payload_len as usize);

    decode(&envelope, data[COMPRESSION] != 0);

    let refused = |data: Vec<u8>, identity: &Identity| {
        Envelope::open(data.into(), identity)
            .map(drop)
            .expect_err("it was damaged")
    };
    assert_eq!(refused([data, b"x"].concat(), &identity), Rejection::Length);
    let cut = refused(data[..data.len() - 1].to_vec(), &identity);
    assert_eq!(cut, Rejection::Length);
    let mut other = identity;
    other.fingerprint[0] ^= 1;
    assert_eq!(refused(data.to_vec(), &other), Rejection::Fingerprint);
    let mut other = identity;
    other.shape ^= 1;
    assert_eq!(refused(data.to_vec(), &other), Rejection::Shape);
}

/// Whoever looks at it without knowing whose it is sees something, and no more of it than is bearable.
fn look(data: &[u8]) {
    let report = EntryReport::of_bytes("cache:default:rows:0123456789ab", &Bytes::copy_from_slice(data));
    assert_ne!(report.summary.state, EntryState::None);
    assert_eq!(report.summary.size, data.len() as u64);
    let payload = report.payload.map_or(0, |payload| payload.text.len());
    assert!(
        payload <= 300 * data.len().max(LARGEST as usize),
        "{payload} bytes of text"
    );
}

/// Whatever the payload is, decoding it ends, and takes no more memory than it should.
fn decode(envelope: &Envelope, is_compressed: bool) {
    let payload = envelope.payload();
    if is_compressed {
        let (len, _) = payload.split_first_chunk().expect("a compressed payload has a length");
        if u32::from_le_bytes(*len) > LARGEST {
            return;
        }
    }
    let accepted = |cause: Rejection| assert_eq!(cause, Rejection::Decode);
    let _ = envelope.decode::<Anything>().map_err(accepted);
    let _ = envelope.decode::<Vec<(String, Option<u32>)>>().map_err(accepted);
    let _ = envelope.decode::<BTreeMap<u16, Vec<u8>>>().map_err(accepted);
}

/// What the bytes claim to be, so that the rest is reached, too.
fn identity(data: &[u8]) -> Identity {
    let fingerprint = data.get(FINGERPRINT).and_then(|bytes| bytes.try_into().ok());
    let shape = data.get(SHAPE).and_then(|bytes| bytes.try_into().ok());
    Identity {
        fingerprint: fingerprint.unwrap_or_default(),
        shape: shape.map(u64::from_le_bytes).unwrap_or_default(),
    }
}
