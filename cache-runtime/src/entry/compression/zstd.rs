//! Zstandard frames. What a thread has set up is used again: setting up takes longer than most payloads.

use std::{cell::RefCell, io};

use zstd::bulk::{Compressor, Decompressor};

/// Smaller is what counts next to LZ4, and higher levels are hardly that: `docs/codecs.md`.
const LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<io::Result<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL));
    static DECOMPRESSOR: RefCell<io::Result<Decompressor<'static>>> = RefCell::new(Decompressor::new());
}

pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut().ok()?.compress(bytes).ok())
}

/// At most `len` bytes.
pub(super) fn decompress(compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.as_mut().ok()?.decompress(compressed, len).ok())
}
