//! What is stored: a value in a codec, perhaps compressed, sealed in an envelope that proves whose it is and under which stamps
//! it was loaded.

mod codec;
mod compression;
mod encoded;
mod envelope;
mod exact;
mod fingerprint;
pub(crate) mod identity;
mod lifetime;
mod load_time;
mod negative;
mod outcomes;
mod returns;
mod revision;
mod signature;
mod stamp;
mod tags;
mod word;

pub use self::{
    codec::Codec,
    compression::Compression,
    encoded::Encoded,
    envelope::{Envelope, Identity, Rejection},
    identity::Item,
    lifetime::Lifetime,
    outcomes::{has_error, may_be_absent, may_fail},
    returns::{Returns, Split},
    signature::{SigningKey, SigningKeyError},
    stamp::{Stamp, Ticket},
    word::ParseError,
};
pub(crate) use self::{
    codec::{EncodeError, EncodedValue},
    encoded::is_encoded,
    envelope::{Head, Meta, Sealing, unix_millis},
    exact::{Exact, NotExact},
    fingerprint::{Fidelity, Structure},
    identity::{Function, path_of_marker},
    lifetime::Windows,
    load_time::LoadTime,
    negative::Negative,
    returns::{Nested, NoError, OfOption, OfResult, Plain},
    revision::Revision,
    tags::{EntryTag, FoundTags, MOST_TAGS},
    word::words,
};
