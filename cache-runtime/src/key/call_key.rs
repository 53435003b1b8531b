//! What a call is found by in this process: the function, and the arguments in their compact form or, where there is none, in the
//! exact one.

use std::{
    hash::{BuildHasher, Hash, Hasher},
    sync::LazyLock,
};

use foldhash::fast::RandomState;
use quick_cache::Equivalent;

/// Seeded at random in each process: nobody outside can choose arguments that collide.
static HASHERS: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// What a call is found by, as it was just written: hashed once, for whatever looks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallForm<'f> {
    bytes: &'f [u8],
    hash: u64,
}

impl<'f> CallForm<'f> {
    #[inline]
    pub(crate) fn new(bytes: &'f [u8]) -> Self {
        let mut hasher = HASHERS.build_hasher();
        // In pieces: for so few of them that takes less than the loop that the hasher has for texts.
        let (pieces, rest) = bytes.as_chunks();
        for piece in pieces {
            hasher.write_u128(u128::from_ne_bytes(*piece));
        }
        hasher.write(rest);
        Self {
            bytes,
            hash: hasher.finish(),
        }
    }

    pub(crate) fn bytes(&self) -> &'f [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether this is the form that is kept there.
    #[inline]
    pub(crate) fn is(&self, key: &CallKey) -> bool {
        *self.bytes == *key.0
    }
}

impl Hash for CallForm<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<CallKey> for CallForm<'_> {
    #[inline]
    fn equivalent(&self, key: &CallKey) -> bool {
        self.is(key)
    }
}

/// A form that is kept. Without its hash, which is worked out again where it is moved: there are many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallKey(Box<[u8]>);

impl CallKey {
    /// The bytes that it takes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn form(&self) -> CallForm<'_> {
        CallForm::new(&self.0)
    }
}

impl From<CallForm<'_>> for CallKey {
    fn from(form: CallForm<'_>) -> Self {
        Self(form.bytes.into())
    }
}

impl Hash for CallKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.form().hash());
    }
}
