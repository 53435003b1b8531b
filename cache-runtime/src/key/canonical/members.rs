use std::cmp::Ordering;

use serde::{Serialize, ser};

use super::{document::Document, error::CanonicalError, key::KeySerializer, text::code_points};

/// An object being written: maps, structs and struct variants.
pub(super) struct Members<'d, 'o> {
    document: &'d mut Document<'o>,
    /// Where the inside of the object begins in the text.
    inside: usize,
    /// Where its members begin in the list of them.
    first: usize,
    in_order: bool,
    closing: &'static [u8],
}

/// One member of an object: where its parts are in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// From the opening quote of the key.
    start: usize,
    /// To the closing quote of the key.
    key_end: usize,
    /// To the end of the value.
    end: usize,
    kind: KeyKind,
    /// As [`prefix`] has it, if the key is plain.
    prefix: u64,
}

/// How keys compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// Numerically.
    Integer,
    /// By its bytes: nothing in it is escaped.
    Plain,
    /// By the code points behind its escapes.
    Escaped,
}

impl<'d, 'o> Members<'d, 'o> {
    /// Opens an object, which `closing` will end.
    pub(super) fn open(document: &'d mut Document<'o>, closing: &'static [u8]) -> Result<Self, CanonicalError> {
        document.enter()?;
        document.out.push(b'{');
        Ok(Self {
            inside: document.out.len(),
            first: document.members.len(),
            in_order: true,
            closing,
            document,
        })
    }

    /// What precedes a key; returns where the key begins.
    fn before_key(&mut self) -> usize {
        let Document { out, members, .. } = &mut *self.document;
        if members.len() > self.first {
            out.extend_from_slice(b", ");
        }
        out.len()
    }

    /// Takes note of the key that has just been written, from `start` on.
    fn after_key(&mut self, start: usize, kind: KeyKind, prefix: u64) {
        let Document { out, members, .. } = &mut *self.document;
        let member = Member {
            start,
            key_end: out.len(),
            end: out.len(),
            kind,
            prefix,
        };
        if let Some(previous) = members[self.first..].last()
            && self.in_order
        {
            self.in_order = previous.compare(&member, out) != Ordering::Greater;
        }
        members.push(member);
        out.extend_from_slice(b": ");
    }

    fn name(&mut self, name: &str) {
        let start = self.before_key();
        let kind = self.document.string(name);
        // Not of the text: it is still on its way to memory, and to read it back at once takes longer than to write it.
        self.after_key(start, kind, prefix(name.as_bytes()));
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        value.serialize(&mut *self.document)?;
        let end = self.document.out.len();
        if let Some(member) = self.document.members.last_mut() {
            member.end = end;
        }
        Ok(())
    }

    fn close(self) {
        let Document { out, members, .. } = &mut *self.document;
        if !self.in_order {
            sort(out, self.inside, &mut members[self.first..]);
        }
        members.truncate(self.first);
        out.extend_from_slice(self.closing);
        self.document.leave();
    }
}

impl Member {
    /// Orders two members of `text` as `sort_keys` does: by code point, integers by value. Python refuses to mix the
    /// two in one object; here integers come first.
    fn compare(&self, other: &Self, text: &[u8]) -> Ordering {
        if self.prefix != other.prefix && self.kind == KeyKind::Plain && other.kind == KeyKind::Plain {
            return self.prefix.cmp(&other.prefix);
        }
        let (ours, theirs) = (self.key(text), other.key(text));
        match (self.kind, other.kind) {
            (KeyKind::Integer, KeyKind::Integer) => compare_integers(ours, theirs),
            (KeyKind::Integer, _) => Ordering::Less,
            (_, KeyKind::Integer) => Ordering::Greater,
            (KeyKind::Plain, KeyKind::Plain) => ours.cmp(theirs),
            _ => code_points(ours).cmp(code_points(theirs)),
        }
    }

    /// The key without its quotes.
    fn key<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        unquoted(&text[self.start..self.key_end])
    }
}

fn unquoted(key: &[u8]) -> &[u8] {
    &key[1..key.len() - 1]
}

/// The first eight bytes of a plain key, which decide most comparisons.
fn prefix(key: &[u8]) -> u64 {
    match key.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => key
            .iter()
            .rfold(0, |prefix, &byte| (prefix >> 8) | (u64::from(byte) << 56)),
    }
}

impl KeyKind {
    pub(super) fn text(escaped: bool) -> Self {
        if escaped { Self::Escaped } else { Self::Plain }
    }
}

impl ser::SerializeMap for Members<'_, '_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CanonicalError> {
        let start = self.before_key();
        let kind = key.serialize(KeySerializer(self.document))?;
        let prefix = prefix(unquoted(&self.document.out[start..]));
        self.after_key(start, kind, prefix);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        self.value(value)
    }

    fn end(self) -> Result<(), CanonicalError> {
        self.close();
        Ok(())
    }
}

macro_rules! named_fields {
    ($($compound:ident)*) => {$(
        impl ser::$compound for Members<'_, '_> {
            type Ok = ();
            type Error = CanonicalError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), CanonicalError> {
                self.name(key);
                self.value(value)
            }

            fn end(self) -> Result<(), CanonicalError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

named_fields!(SerializeStruct SerializeStructVariant);

/// Puts `members`, which fill `out` from `inside` on, in order. Those with equal keys stay as they came.
fn sort(out: &mut Vec<u8>, inside: usize, members: &mut [Member]) {
    members.sort_by(|a, b| a.compare(b, out));
    let sorted = out.len();
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_within(member.start..member.end);
    }
    out.copy_within(sorted.., inside);
    out.truncate(sorted);
}

/// Compares decimal numbers without leading zeros.
fn compare_integers(a: &[u8], b: &[u8]) -> Ordering {
    let magnitude = |digits: &[u8], others: &[u8]| (digits.len().cmp(&others.len())).then_with(|| digits.cmp(others));
    match (a.strip_prefix(b"-"), b.strip_prefix(b"-")) {
        (None, None) => magnitude(a, b),
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => magnitude(b, a),
    }
}
