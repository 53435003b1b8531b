//! [Postcard](https://postcard.jamesmunns.com/wire-format): written by the crate of that name, read by a reader of our own.
//!
//! The crate's own one recurses as deep as the bytes say, and makes as many elements as they say where an element takes no
//! byte: 5 bytes are enough to use up the memory, and some hundred thousand the stack.

mod reader;

use std::io::Write as _;

use ::postcard::{Error, ser_flavors::Flavor, serialize_with_flavor};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use self::reader::Reader;
use super::{DecodeError, limited::LimitedWriter};

/// The bytes of a value; `None` if there are more than `limit`, or if the format has no way to write it.
pub(super) fn encode<T: Serialize>(value: &T, limit: usize) -> Option<Bytes> {
    serialize_with_flavor(value, LimitedWriter::new(limit)).ok()
}

/// The value that the bytes stand for, all of them.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(&mut reader)?;
    reader.is_at_the_end().then_some(value).ok_or(DecodeError)
}

impl Flavor for LimitedWriter {
    type Output = Bytes;

    fn try_extend(&mut self, data: &[u8]) -> Result<(), Error> {
        self.write_all(data).map_err(|_| Error::SerializeBufferFull)
    }

    fn try_push(&mut self, data: u8) -> Result<(), Error> {
        self.try_extend(&[data])
    }

    fn finalize(self) -> Result<Bytes, Error> {
        Ok(self.into_bytes())
    }
}
