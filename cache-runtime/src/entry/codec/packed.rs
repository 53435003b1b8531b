//! The default: values with all that serde says of them, in few bytes, that any type can read again. `docs/codecs.md` has the layout.
//!
//! Each value begins with a tag that says what it is. The names of a struct's fields stand in the payload once, however many of it there
//! are: such a list is a *layout*. A reader whose type has the fields of the layout, in its order, takes them by their place; any
//! other is told their names. All texts stand behind the values, so that they are looked through for what is no UTF-8 at once.

mod json;
mod reader;
mod writer;

use std::marker::PhantomData;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use self::{
    json::Json,
    reader::{Parts, Reader},
    writer::Writer,
};
use super::{DecodeError, EncodeError};

/// How deep values may be nested; options and newtypes count, too, because types recurse through them.
const DEPTH: u8 = 128;

/// The names of fields that a reader is told take so many times the bytes of the payload at most: a name stands in it once, and may be
/// told for each of many structs that take two bytes.
const MOST_TOLD: usize = 32;

/// What a value begins with. A tag with a number in it is one of a range: the number is what it is more than the first.
mod tag {
    /// Up to [`STR`]: an unsigned integer of less than 128.
    pub(super) const SMALL: u8 = 0x00;
    /// A text of less than 48 bytes, which stands among the texts, as all do.
    pub(super) const STR: u8 = 0x80;
    /// A list of less than 16 elements.
    pub(super) const SEQ: u8 = 0xb0;

    /// Unsigned integers, in so many bits.
    pub(super) const U8: u8 = 0xc0;
    pub(super) const U16: u8 = 0xc1;
    pub(super) const U32: u8 = 0xc2;
    pub(super) const U64: u8 = 0xc3;
    pub(super) const U128: u8 = 0xc4;
    /// Negative ones: of `n` that is −1 − `n`.
    pub(super) const N8: u8 = 0xc5;
    pub(super) const N16: u8 = 0xc6;
    pub(super) const N32: u8 = 0xc7;
    pub(super) const N64: u8 = 0xc8;
    pub(super) const N128: u8 = 0xc9;
    pub(super) const F32: u8 = 0xca;
    pub(super) const F64: u8 = 0xcb;
    pub(super) const FALSE: u8 = 0xcc;
    pub(super) const TRUE: u8 = 0xcd;
    /// A text follows, of that one character.
    pub(super) const CHAR: u8 = 0xce;

    pub(super) const UNIT: u8 = 0xd0;
    pub(super) const NONE: u8 = 0xd1;
    /// Stands before [`UNIT`], [`NONE`] and itself only: any other value in a `Some` is written as it is.
    pub(super) const SOME: u8 = 0xd2;

    /// A length in 8 or 32 bits, and what it is the length of.
    pub(super) const STR_8: u8 = 0xd4;
    pub(super) const STR_32: u8 = 0xd5;
    pub(super) const BYTES_8: u8 = 0xd6;
    pub(super) const BYTES_32: u8 = 0xd7;
    pub(super) const SEQ_8: u8 = 0xd8;
    pub(super) const SEQ_32: u8 = 0xd9;
    /// Of entries, keys and values by turns.
    pub(super) const MAP_8: u8 = 0xda;
    pub(super) const MAP_32: u8 = 0xdb;
    /// Of a length that was not known: up to [`END`].
    pub(super) const OPEN_SEQ: u8 = 0xdc;
    pub(super) const OPEN_MAP: u8 = 0xdd;
    pub(super) const END: u8 = 0xde;

    /// The number of a layout in 8 bits, and the fields.
    pub(super) const STRUCT: u8 = 0xe0;
    /// The same, where some of the fields are a [`GAP`].
    pub(super) const STRUCT_WITH_GAPS: u8 = 0xe1;
    /// A field that was left out.
    pub(super) const GAP: u8 = 0xe2;
    /// The number of a name in 16 bits.
    pub(super) const UNIT_VARIANT: u8 = 0xe4;
    /// And what is in the variant.
    pub(super) const VARIANT: u8 = 0xe5;
}

/// What stands behind the values: the last byte says it, as a sum. Before that byte are the lengths of these parts, in 32 bits each.
mod part {
    pub(super) const TEXTS: u8 = 1;
    pub(super) const NAMES: u8 = 2;
}

/// The bytes of a value.
pub(super) fn encode<T: Serialize>(value: &T, limit: usize) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new(limit);
    value.serialize(&mut writer)?;
    writer.finish()
}

/// The value that the bytes stand for, all of them.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let parts = Parts::of(bytes)?;
    let mut reader = Reader::new(&parts);
    if let Ok(value) = reader.read_with(PhantomData) {
        return Ok(value);
    }
    if !reader.has_read_by_place() {
        return Err(DecodeError);
    }
    // A type may read itself from a map and from nothing else.
    Reader::by_name(&parts).read_with(PhantomData)
}

/// The JSON that the value would be, for who does not know its type.
pub(super) fn to_json(bytes: &[u8]) -> Option<String> {
    let parts = Parts::of(bytes).ok()?;
    let mut json = String::new();
    Reader::new(&parts).read_with(Json(&mut json)).ok()?;
    Some(json)
}

#[cfg(test)]
mod tests;
