//! What is said of a variable that cannot be used.

use std::fmt;

/// What stands in an error instead of a secret.
const NOT_SHOWN: &str = "(not shown)";

/// A setting that cannot be used. `Debug` is the sentence that `Display` is, for programs that return it from `main`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={} cannot be used: {accepted}", self.value().unwrap_or(NOT_SHOWN))]
pub struct ConfigError {
    variable: &'static str,
    /// None where it may be secret.
    value: Option<String>,
    accepted: String,
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConfigError {
    pub(super) const fn new(variable: &'static str, value: Option<String>, accepted: String) -> Self {
        Self {
            variable,
            value,
            accepted,
        }
    }

    /// The environment variable.
    pub fn variable(&self) -> &str {
        self.variable
    }

    /// Its value; `None` if that may be secret.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What can be written there, or what else is wrong: the end of the sentence.
    pub fn accepted(&self) -> &str {
        &self.accepted
    }
}

/// Whether a value may stand in an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Secret,
    Open,
}

impl Secrecy {
    pub(super) fn shown(self, value: &str) -> Option<String> {
        (self == Self::Open).then(|| value.to_owned())
    }
}
