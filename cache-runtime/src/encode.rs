//! Encoding up to a limit.

use std::io::{self, ErrorKind, Write};

use bytes::Bytes;
use serde::Serialize;

/// Why a value was not encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotEncoded {
    TooLarge,
    /// The value cannot be written as JSON.
    Unwritable,
}

/// The JSON of a value, if it is not longer than `limit` bytes. Of a longer one no more than that is ever held.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, limit: usize) -> Result<Bytes, NotEncoded> {
    let mut json = Limited {
        bytes: Vec::with_capacity(128),
        limit,
    };
    match serde_json::to_writer(&mut json, value) {
        Ok(()) => Ok(json.bytes.into()),
        Err(error) if error.is_io() => Err(NotEncoded::TooLarge),
        Err(_) => Err(NotEncoded::Unwritable),
    }
}

struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
