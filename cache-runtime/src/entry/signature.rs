//! Signatures of entries, for a store that others can write to.

use std::{fmt, str::FromStr};

use blake3::{Hash, Hasher};

/// The bytes of a signature.
pub(crate) const SIGNATURE_LEN: usize = blake3::OUT_LEN;

/// The fewest bytes of a key's text: 128 bits, if they are random.
const SHORTEST_KEY: usize = 16;

/// What the keys are derived for, as [`blake3::derive_key`] asks for it. Another text is another signature.
const CONTEXT: &str = "cache-runtime 2026-11-24 signature of entries, version 1";

/// A secret that the processes of a service share and nobody else has, for
/// [`CacheBuilder::signing_key`](crate::CacheBuilder::signing_key). `Debug` does not show it.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

/// A text is too short to be a [`SigningKey`]. `Debug` is the sentence that `Display` is, for programs that return it from
/// `main`.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing key has at least {SHORTEST_KEY} bytes; `openssl rand -base64 32` makes one")]
#[non_exhaustive]
pub struct SigningKeyError;

impl fmt::Debug for SigningKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SigningKey {
    /// The key that a text stands for: random characters, not a word. All of it counts, spaces and line ends, too.
    ///
    /// # Errors
    ///
    /// If it is shorter than 16 bytes. The error does not show it.
    pub fn new(text: &str) -> Result<Self, SigningKeyError> {
        if text.len() < SHORTEST_KEY {
            return Err(SigningKeyError);
        }
        Ok(Self(blake3::derive_key(CONTEXT, text.as_bytes())))
    }

    fn sign(&self, entry: &str, parts: [&[u8]; 2]) -> Hash {
        let mut hasher = Hasher::new_keyed(&self.0);
        // With its length, so that it is told from what follows. The parts are told apart by what the first one says.
        hasher
            .update(&(entry.len() as u64).to_le_bytes())
            .update(entry.as_bytes());
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }
}

/// As [`SigningKey::new`].
impl FromStr for SigningKey {
    type Err = SigningKeyError;

    fn from_str(text: &str) -> Result<Self, SigningKeyError> {
        Self::new(text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(not shown)")
    }
}

/// The keys of one cache. Without any, entries are not signed, and signed ones are refused.
#[derive(Debug, Clone, Default)]
pub(crate) struct SigningKeys {
    /// Signs.
    pub(crate) current: Option<SigningKey>,
    /// Are accepted, too, if there is a current one.
    pub(crate) previous: Vec<SigningKey>,
}

impl SigningKeys {
    /// The signature of an entry: of its key, its head (the header and the stamps) and its payload. `None` if entries are not
    /// signed.
    pub(crate) fn sign(&self, entry: &str, head: &[u8], payload: &[u8]) -> Option<[u8; SIGNATURE_LEN]> {
        let current = self.current.as_ref()?;
        Some(*current.sign(entry, [head, payload]).as_bytes())
    }

    /// Whether an entry is as it should be: signed with one of the keys, or, without keys, not signed.
    pub(crate) fn accept(
        &self,
        entry: &str,
        head: &[u8],
        signature: Option<[u8; SIGNATURE_LEN]>,
        payload: &[u8],
    ) -> bool {
        match (&self.current, signature) {
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) => false,
            (Some(current), Some(signature)) => {
                // Hashes are compared in constant time.
                let signature = Hash::from_bytes(signature);
                [current]
                    .into_iter()
                    .chain(&self.previous)
                    .any(|key| key.sign(entry, [head, payload]) == signature)
            }
        }
    }
}
