//! Writing up to a limit.

use std::io::{self, ErrorKind, Write};

use bytes::Bytes;

/// Takes no more bytes than its limit.
pub(super) struct LimitedWriter {
    bytes: Vec<u8>,
    limit: usize,
}

impl LimitedWriter {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(128),
            limit,
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }
}

impl Write for LimitedWriter {
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
