use std::fmt;

use smallvec::SmallVec;

use super::{
    error::CanonicalError,
    members::{KeyKind, Member},
    text,
};

/// Levels that a value may be nested: lists, objects, options and newtypes each count as one. Well above real
/// arguments, well below what a thread's stack holds.
pub(super) const DEPTH_LIMIT: u8 = 128;

/// Room for the members that are open at once in usual arguments.
const USUAL_MEMBERS: usize = 8;

/// The text being written.
#[derive(Debug)]
pub(super) struct Document<'o> {
    pub(super) out: &'o mut Vec<u8>,
    /// The members of every object that is still open, innermost last: no allocation for usual arguments.
    pub(super) members: SmallVec<[Member; USUAL_MEMBERS]>,
    depth: u8,
}

impl<'o> Document<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            members: SmallVec::new(),
            depth: 0,
        }
    }

    /// Goes one level down.
    pub(super) fn enter(&mut self) -> Result<(), CanonicalError> {
        if self.depth == DEPTH_LIMIT {
            return Err(CanonicalError::too_deep());
        }
        self.depth += 1;
        Ok(())
    }

    /// Comes back from what [`enter`](Self::enter) began.
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Writes a quoted string.
    pub(super) fn string(&mut self, value: &str) -> KeyKind {
        self.out.push(b'"');
        let escaped = text::escape(self.out, value);
        self.out.push(b'"');
        KeyKind::text(escaped)
    }

    /// Writes what `value` displays as a quoted string, without an intermediate copy.
    pub(super) fn display<T>(&mut self, value: &T) -> Result<KeyKind, CanonicalError>
    where
        T: fmt::Display + ?Sized,
    {
        self.out.push(b'"');
        let mut writer = EscapingWriter {
            out: self.out,
            escaped: false,
        };
        if fmt::write(&mut writer, format_args!("{value}")).is_err() {
            return Err(serde::ser::Error::custom("a `Display` in it returned an error"));
        }
        let escaped = writer.escaped;
        self.out.push(b'"');
        Ok(KeyKind::text(escaped))
    }
}

struct EscapingWriter<'o> {
    out: &'o mut Vec<u8>,
    escaped: bool,
}

impl fmt::Write for EscapingWriter<'_> {
    fn write_str(&mut self, value: &str) -> fmt::Result {
        self.escaped |= text::escape(self.out, value);
        Ok(())
    }
}
