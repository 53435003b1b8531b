//! The tags of an entry: what a load has found that it depends on, and how an entry names them.

use super::Stamp;

/// The most tags that an entry has.
pub(crate) const MOST_TAGS: usize = 32;

/// Tags that a load has found: the kind of each, and its value as it stands in keys.
pub(crate) type FoundTags = Vec<(&'static str, String)>;

/// A tag that an entry names, with the stamp that it was stored under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryTag<'e> {
    pub(crate) kind: &'e str,
    /// As it stands in keys.
    pub(crate) value: &'e str,
    pub(crate) stamp: Stamp,
}

/// Writes tags after one another. `None` if one has a longer name than can be written.
pub(super) fn write<'t>(out: &mut Vec<u8>, tags: impl Iterator<Item = EntryTag<'t>>) -> Option<()> {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    for EntryTag { kind, value, stamp } in tags {
        out.extend_from_slice(&stamp.bits().to_le_bytes());
        for text in [kind, value] {
            out.push(u8::try_from(text.len()).ok()?);
            out.extend_from_slice(text.as_bytes());
        }
    }
    let len = u16::try_from(out.len() - start - 2).ok()?;
    out[start..start + 2].copy_from_slice(&len.to_le_bytes());
    Some(())
}

/// The number of bytes that tags take, which begin here. `None` if it is not there to be read.
pub(super) fn len(bytes: &[u8]) -> Option<usize> {
    let (len, _) = bytes.split_first_chunk()?;
    Some(2 + usize::from(u16::from_le_bytes(*len)))
}

/// The tags in all of these bytes, as far as they can be read.
#[derive(Debug, Clone)]
pub(super) struct Reader<'e> {
    rest: &'e [u8],
}

impl<'e> Reader<'e> {
    /// Without bytes there are no tags.
    pub(super) fn new(bytes: &'e [u8]) -> Self {
        Self {
            rest: bytes.get(2..).unwrap_or_default(),
        }
    }

    /// Whether all of it can be read.
    pub(super) fn is_whole(&self) -> bool {
        let mut reader = self.clone();
        while reader.next().is_some() {}
        reader.rest.is_empty()
    }

    fn text(rest: &'e [u8]) -> Option<(&'e str, &'e [u8])> {
        let (len, rest) = rest.split_first()?;
        let (text, rest) = rest.split_at_checked((*len).into())?;
        Some((str::from_utf8(text).ok()?, rest))
    }
}

impl<'e> Iterator for Reader<'e> {
    type Item = EntryTag<'e>;

    fn next(&mut self) -> Option<EntryTag<'e>> {
        let (stamp, rest) = self.rest.split_first_chunk()?;
        let (kind, rest) = Self::text(rest)?;
        let (value, rest) = Self::text(rest)?;
        self.rest = rest;
        let stamp = Stamp::from_bits(u64::from_le_bytes(*stamp));
        Some(EntryTag { kind, value, stamp })
    }
}
