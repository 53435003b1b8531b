//! How a value becomes bytes, and bytes a value. See `docs/codecs.md`.
//!
//! An entry says which codec wrote it, and is decoded by that. So nodes may differ in what they write.

mod limited;
mod packed;
#[cfg(feature = "postcard")]
mod postcard;
#[cfg(test)]
mod sample;
#[cfg(test)]
#[cfg(feature = "postcard")]
mod tests;

use std::fmt;

use bytes::Bytes;
use serde::{
    Serialize,
    de::{self, DeserializeOwned},
    ser,
};

use self::limited::LimitedWriter;
use super::{
    encoded,
    exact::{Exact, NotExact},
    fingerprint::Fidelity,
    words,
};

/// What results are stored in, for [`CacheBuilder::codec`](crate::CacheBuilder::codec) and the attribute's `codec`. A reader takes
/// whatever its build has, so nodes may differ in this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// What every language reads, and `redis-cli` shows.
    Json,
    /// A binary form with all that serde says of a value, in half of JSON's bytes; decoded in half of its time.
    Packed,
    /// [Postcard](https://postcard.jamesmunns.com): without names and types, so that only the type that wrote it can read it.
    #[cfg(feature = "postcard")]
    Postcard,
}

words! {
    /// The spelling in attributes and in the environment.
    Codec, "write packed, json or postcard; the last one needs the feature of that name of cache-runtime" {
        Json = "json",
        Packed = "packed",
        #[cfg(feature = "postcard")]
        Postcard = "postcard",
    }
}

/// Why a value was not encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("it takes more bytes than it may")]
    TooLarge,
    #[error("there is no way to write it")]
    Unwritable,
    #[error("it would come back as another value")]
    Changed,
}

/// Bytes that are no value of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no value of the type")]
pub(crate) struct DecodeError;

/// The reason is dropped: what has no way to be written is written by another codec.
impl ser::Error for EncodeError {
    fn custom<M: fmt::Display>(_message: M) -> Self {
        Self::Unwritable
    }
}

/// The reason is dropped: an entry that does not decode is loaded again, whatever it is.
impl de::Error for DecodeError {
    fn custom<M: fmt::Display>(_message: M) -> Self {
        Self
    }
}

/// A value in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedValue {
    pub(crate) codec: Codec,
    pub(crate) bytes: Bytes,
}

impl Codec {
    /// The attribute's `codec = "postcard"`.
    ///
    /// # Panics
    ///
    /// Where it is compiled, if this build does not have it.
    #[doc(hidden)]
    #[track_caller]
    pub const fn postcard() -> Self {
        #[cfg(feature = "postcard")]
        return Self::Postcard;
        #[cfg(not(feature = "postcard"))]
        panic!(
            "`codec = \"postcard\"` needs a feature of cache-runtime that is off\nhelp: add `features = [\"postcard\"]` to the \
             dependency"
        );
    }

    /// The header's number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Json => 1,
            #[cfg(feature = "postcard")]
            Self::Postcard => 2,
            Self::Packed => 3,
        }
    }

    /// The codec of a number; `None` if this build does not have it.
    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Json),
            #[cfg(feature = "postcard")]
            2 => Some(Self::Postcard),
            3 => Some(Self::Packed),
            _ => None,
        }
    }

    /// Encodes a value, if that takes no more than `limit` bytes; of a longer one no more than that is ever held.
    ///
    /// What this codec cannot write, or would not give back the same, is JSON; what would not come back from JSON, either, is not
    /// encoded. `fidelity` says what has to be looked at for that. The bytes of an [`Encoded`](super::Encoded) are what they are.
    pub(crate) fn encode<T: Serialize + DeserializeOwned>(
        self,
        value: &T,
        limit: usize,
        fidelity: Fidelity,
    ) -> Result<EncodedValue, EncodeError> {
        if let Some(json) = encoded::json_of(value) {
            let fits = json.len() <= limit;
            return fits.then_some(EncodedValue::json(json)).ok_or(EncodeError::TooLarge);
        }
        let (bytes, is_faithful) = match self {
            Self::Json => return faithful_json(value, limit, fidelity),
            Self::Packed => match packed::encode(value, limit) {
                Ok(bytes) => (Some(bytes), fidelity <= Fidelity::Json),
                // What other codecs would make of it is hardly ever smaller.
                Err(EncodeError::TooLarge) => return Err(EncodeError::TooLarge),
                Err(_) => (None, false),
            },
            // What the bytes lack, names and types, nothing but the value tells.
            #[cfg(feature = "postcard")]
            Self::Postcard => (postcard::encode(value, limit), false),
        };
        let encoded = bytes.map(|bytes| EncodedValue { codec: self, bytes });
        match encoded.filter(|encoded| is_faithful || encoded.stands_for(value)) {
            Some(encoded) => Ok(encoded),
            None => faithful_json(value, limit, fidelity),
        }
    }
}

impl Codec {
    /// The value that the bytes stand for. Never panics and does not recurse without a bound, whatever they are, unless
    /// `T`'s own `Deserialize` does. `shared` gives the same bytes to a value that keeps them.
    pub(crate) fn decode<T: DeserializeOwned>(
        self,
        bytes: &[u8],
        shared: impl FnOnce() -> Bytes,
    ) -> Result<T, DecodeError> {
        match self {
            Self::Json => encoded::with_json(shared).map_or_else(|| from_json(bytes), Ok),
            Self::Packed => packed::decode(bytes),
            #[cfg(feature = "postcard")]
            Self::Postcard => postcard::decode(bytes),
        }
    }

    /// About how many bytes a value takes in memory that takes `len` in this form: as many as its JSON, which is twice as long as a
    /// binary one.
    pub(crate) fn estimated_size(self, len: usize) -> usize {
        let is_json = self == Self::Json;
        len * if is_json { 1 } else { 2 }
    }
}

impl EncodedValue {
    pub(crate) fn json(bytes: Bytes) -> Self {
        Self {
            codec: Codec::Json,
            bytes,
        }
    }

    /// The value that the bytes stand for, as [`Codec::decode`] says.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.codec.decode(&self.bytes, || self.bytes.clone())
    }

    /// The JSON that the value would be, for who does not know its type; `None` if the bytes do not say what they are.
    pub(crate) fn to_json(&self) -> Option<Bytes> {
        match self.codec {
            Codec::Json => Some(self.bytes.clone()),
            Codec::Packed => packed::to_json(&self.bytes).map(Bytes::from),
            #[cfg(feature = "postcard")]
            Codec::Postcard => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// About how many bytes the value takes in memory.
    pub(crate) fn estimated_size(&self) -> usize {
        self.codec.estimated_size(self.len())
    }

    /// Whether these bytes stand for this value: what they decode to is the same to serde.
    fn stands_for<T: Serialize + DeserializeOwned>(&self, value: &T) -> bool {
        let Ok(decoded) = self.decode::<T>() else { return false };
        let is_same_as = |form: fn(&T) -> Result<Exact, NotExact>| match (form(value), form(&decoded)) {
            (Ok(before), Ok(after)) => before.bytes() == after.bytes(),
            _ => false,
        };
        // As they come first, because that takes a third of the time: what is in order nearly always is so in both, but for sets.
        is_same_as(Exact::of) || is_same_as(Exact::sorted)
    }
}

/// Looked through once for what is no UTF-8: `serde_json` would do it string by string.
fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, DecodeError> {
    let json = str::from_utf8(json).map_err(|_| DecodeError)?;
    serde_json::from_str(json).map_err(|_| DecodeError)
}

/// JSON, if it stands for the value.
fn faithful_json<T: Serialize + DeserializeOwned>(
    value: &T,
    limit: usize,
    fidelity: Fidelity,
) -> Result<EncodedValue, EncodeError> {
    let json = json(value, limit)?;
    let is_faithful = match fidelity {
        Fidelity::Sure => true,
        Fidelity::Floats => Exact::of(value).is_ok_and(|exact| !exact.has_non_finite()),
        Fidelity::Json | Fidelity::Unsure => json.stands_for(value),
    };
    is_faithful.then_some(json).ok_or(EncodeError::Changed)
}

fn json<T: Serialize>(value: &T, limit: usize) -> Result<EncodedValue, EncodeError> {
    let mut json = LimitedWriter::new(limit);
    match serde_json::to_writer(&mut json, value) {
        Ok(()) => Ok(EncodedValue::json(json.into_bytes())),
        Err(error) if error.is_io() => Err(EncodeError::TooLarge),
        Err(_) => Err(EncodeError::Unwritable),
    }
}
