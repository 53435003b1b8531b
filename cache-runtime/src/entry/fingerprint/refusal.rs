use std::{error, fmt};

use serde::de::{self, Expected, Unexpected};

/// Why a pass ended. Nobody reads it but the tracer, which learns from it.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A struct that gathers its fields from a map has this one too.
    Missing(&'static str),
    /// The name presented last is an alias of one presented before.
    Duplicate,
    /// Other names were expected.
    Names(&'static [&'static str]),
    /// A value of another type was expected.
    Type(String),
    /// Whatever else the type did not like. The message may depend on more than the type, so it is dropped.
    Other,
}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Type(expected.to_string())
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Names(expected)
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Names(expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::Duplicate
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dummy value was refused")
    }
}

impl error::Error for Refusal {}
