//! Canonical JSON and the 12 digits of an entry key.
//!
//! The text is what Python's `json.dumps(value, sort_keys=True)` prints, byte for byte, so that a Python service can
//! address the same entries; `docs/keys.md` has the rules and what Python cannot express.
//!
//! Values stream into one byte buffer; no tree is built. Members of an object are put in order afterwards, by moving
//! their bytes inside that buffer, and only when they did not arrive in order.

mod document;
mod error;
mod key;
mod members;
mod number;
mod serializer;
mod text;

use serde::Serialize;

use self::document::Document;
pub(crate) use self::error::CanonicalError;

/// Appends the canonical JSON of `value` to `out`.
///
/// # Errors
///
/// When a map key is neither a string, an integer nor a boolean, when the value is nested too deeply, or when its
/// own `Serialize` gives up. `out` is then as it was.
pub(crate) fn write<T>(out: &mut Vec<u8>, value: &T) -> Result<(), CanonicalError>
where
    T: Serialize + ?Sized,
{
    let before = out.len();
    let result = value.serialize(&mut Document::new(out));
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// Appends the canonical JSON of a text.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    Document::new(out).string(text);
}

/// The first 12 hex digits, in lower case, of the MD5 of `canonical`.
///
/// An address, not an identity: the envelope carries the wider fingerprint.
pub(crate) fn hash12(canonical: &[u8]) -> [u8; 12] {
    let digest = md5::compute(canonical);
    let mut digits = [0; 12];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(digest.0) {
        pair.copy_from_slice(&text::hex(byte));
    }
    digits
}

/// [`write`] as a string; for tests and tools outside of this crate.
///
/// # Errors
///
/// As [`write`].
pub fn canonical_json<T>(value: &T) -> Result<String, CanonicalError>
where
    T: Serialize + ?Sized,
{
    let mut out = Vec::with_capacity(128);
    write(&mut out, value)?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// `hash12` as a string; for tests and tools outside of this crate.
pub fn key_hash(canonical: &[u8]) -> String {
    ascii(&hash12(canonical))
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_fails_leaves_the_buffer_as_it_was() {
        let mut out = b"before".to_vec();
        let tuple_keys = std::iter::once(((), 1)).collect::<std::collections::BTreeMap<_, _>>();
        write(&mut out, &("written", tuple_keys)).unwrap_err();
        assert_eq!(out, b"before");
    }
}
