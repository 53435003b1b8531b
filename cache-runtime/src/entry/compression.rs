//! Payloads made smaller, if that makes them smaller: four bytes with the length, and then what the method writes.

#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "zstd")]
mod zstd;

use bytes::Bytes;

use super::words;

/// How large entries are compressed, for [`CacheBuilder::compression`](crate::CacheBuilder::compression). A reader takes whatever its
/// build has, so nodes may differ in this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// [LZ4](https://lz4.org): the quickest.
    #[cfg(feature = "lz4")]
    Lz4,
    /// [Zstandard](https://facebook.github.io/zstd/), level 1: smaller, and takes longer.
    #[cfg(feature = "zstd")]
    Zstd,
}

words! {
    /// The spelling in the environment.
    Compression, "write none, lz4 or zstd; the last two need the feature of that name of cache-runtime" {
        None = "none",
        #[cfg(feature = "lz4")]
        Lz4 = "lz4",
        #[cfg(feature = "zstd")]
        Zstd = "zstd",
    }
}

/// The length of a payload before it was compressed.
const LEN: usize = size_of::<u32>();

impl Compression {
    /// The header's number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            #[cfg(feature = "lz4")]
            Self::Lz4 => 1,
            #[cfg(feature = "zstd")]
            Self::Zstd => 2,
        }
    }

    /// The method of a number; `None` if this build does not have it.
    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            #[cfg(feature = "lz4")]
            1 => Some(Self::Lz4),
            #[cfg(feature = "zstd")]
            2 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The bytes made smaller; `None` if they would not be.
    pub(crate) fn compress(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let len = u32::try_from(bytes.len()).ok()?;
        let compressed: Option<Vec<u8>> = match self {
            Self::None => None,
            #[cfg(feature = "lz4")]
            Self::Lz4 => Some(lz4::compress(bytes)),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::compress(bytes),
        };
        let payload = [&len.to_le_bytes()[..], &compressed?].concat();
        (payload.len() < bytes.len()).then_some(payload)
    }

    /// How long a payload says that it is when it is no longer compressed; `None` if it does not say.
    pub(crate) fn original_len(self, payload: &[u8]) -> Option<usize> {
        if self == Self::None {
            return Some(payload.len());
        }
        let (len, _) = payload.split_first_chunk::<LEN>()?;
        Some(u32::from_le_bytes(*len) as usize)
    }

    /// What was compressed. Takes as much memory as the payload says, so ask [`original_len`](Self::original_len) first.
    /// `None` if it is something else than that.
    pub(crate) fn decompress(self, payload: Bytes) -> Option<Bytes> {
        let len = self.original_len(&payload)?;
        let original: Option<Bytes> = match self {
            Self::None => Some(payload),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::decompress(&payload[LEN..], len).map(Bytes::from),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::decompress(&payload[LEN..], len).map(Bytes::from),
        };
        original.filter(|original| original.len() == len)
    }
}

#[cfg(test)]
#[cfg(all(feature = "lz4", feature = "zstd"))]
mod tests {
    use super::*;

    const METHODS: [Compression; 2] = [Compression::Lz4, Compression::Zstd];

    /// As compressible as rows are.
    fn rows() -> Vec<u8> {
        (0..2000)
            .flat_map(|n| format!("{{\"row\":{n}}},").into_bytes())
            .collect()
    }

    fn compressed(method: Compression, bytes: &[u8]) -> Vec<u8> {
        method.compress(bytes).expect("it becomes smaller")
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for method in METHODS {
            let payload = compressed(method, &rows());
            assert!(payload.len() < rows().len() / 2, "{method:?}: {} bytes", payload.len());
            assert_eq!(method.original_len(&payload), Some(rows().len()));
            assert_eq!(method.decompress(payload.into()).unwrap(), rows(), "{method:?}");
        }
    }

    #[test]
    fn what_does_not_become_smaller_is_left_as_it_is() {
        let mut random = [0; 4096];
        getrandom::fill(&mut random).unwrap();
        for method in METHODS {
            assert_eq!(method.compress(&random), None, "{method:?}");
            assert_eq!(method.compress(b""), None, "{method:?}");
        }
        assert_eq!(Compression::None.compress(&rows()), None);
    }

    #[test]
    fn no_more_is_decompressed_than_a_payload_says() {
        for method in METHODS {
            let mut payload = compressed(method, &vec![0; 10 << 20]);
            let (len, _) = payload.split_first_chunk_mut::<LEN>().unwrap();
            *len = 1024_u32.to_le_bytes();
            assert_eq!(method.decompress(payload.clone().into()), None, "{method:?} says less");
            let (len, _) = payload.split_first_chunk_mut::<LEN>().unwrap();
            *len = (11_u32 << 20).to_le_bytes();
            assert_eq!(method.decompress(payload.into()), None, "{method:?} says more");
        }
    }

    #[test]
    fn damaged_bytes_are_something_else_or_nothing() {
        for method in METHODS {
            let payload = compressed(method, &rows());
            for len in 0..payload.len().min(200) {
                assert_eq!(
                    method.decompress(Bytes::copy_from_slice(&payload[..len])),
                    None,
                    "{method:?}: {len}"
                );
            }
            for at in LEN..payload.len().min(400) {
                let mut damaged = payload.clone();
                damaged[at] ^= 0x55;
                let original = method.decompress(damaged.into());
                assert!(
                    original.is_none_or(|original| original.len() == rows().len()),
                    "{method:?}: {at}"
                );
            }
        }
    }
}
