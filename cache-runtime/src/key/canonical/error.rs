use std::{error, fmt};

use serde::ser;

use super::document::DEPTH_LIMIT;

/// Why a value has no canonical form, and so a call no key.
#[derive(Debug)]
pub struct CanonicalError(Cause);

#[derive(Debug)]
enum Cause {
    /// A map key of this kind.
    Key(&'static str),
    TooDeep,
    /// What the value's own `Serialize` said.
    Refused(String),
}

impl CanonicalError {
    pub(super) fn key(kind: &'static str) -> Self {
        Self(Cause::Key(kind))
    }

    pub(super) fn too_deep() -> Self {
        Self(Cause::TooDeep)
    }
}

impl fmt::Display for CanonicalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Key(kind) => write!(
                f,
                "a map in it has {kind} as a key, where only strings, integers and booleans can stand; turn the map \
                 into a list of pairs, or leave it out with `skip(..)`"
            ),
            Cause::TooDeep => write!(
                f,
                "it is nested more than {DEPTH_LIMIT} levels deep; pass what identifies it with `key(..)` and leave \
                 the rest out with `skip(..)`"
            ),
            Cause::Refused(message) => write!(f, "its `Serialize` failed: {message}"),
        }
    }
}

impl error::Error for CanonicalError {}

impl ser::Error for CanonicalError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Cause::Refused(message.to_string()))
    }
}
