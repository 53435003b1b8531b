//! The block format of LZ4.

use lz4_flex::block;

pub(super) fn compress(bytes: &[u8]) -> Vec<u8> {
    block::compress(bytes)
}

/// At most `len` bytes.
pub(super) fn decompress(compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    block::decompress(compressed, len).ok()
}
