//! Something that is wrong, and its remedy.

use std::fmt;

use serde::Serialize;

use super::super::{CommandError, output::Output};

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// The cache does not work, or data is at risk.
    Error,
    /// It works, and will not under some load or after some time.
    Warning,
    /// Worth knowing.
    Notice,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        })
    }
}

/// Something that is wrong: what was seen, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// A word for scripts that stays the same: `docs/command-line.md` lists them.
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    /// The server that it is about; `None` if it is about the keys.
    pub(super) server: Option<String>,
    pub(super) seen: String,
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn new(
        id: &'static str,
        severity: Severity,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity,
            server: None,
            seen: seen.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn of(self, server: &str) -> Self {
        Self {
            server: Some(server.to_owned()),
            ..self
        }
    }

    pub(super) fn unreachable(server: &str, cause: &str) -> Self {
        let remedy = "Is it running, and is this its address? Is a firewall or a password between? Calls run uncached until it answers.";
        Self::new(
            "unreachable",
            Severity::Error,
            format!("It cannot be reached: {cause}"),
            remedy,
        )
        .of(server)
    }

    pub(super) fn not_examined(cause: &str) -> Self {
        let remedy = "Mend what else is found first, and look again; or leave the keys out with --keys 0.";
        Self::new(
            "keys_not_examined",
            Severity::Warning,
            format!("The keys could not be looked at: {cause}"),
            remedy,
        )
    }

    pub(super) fn show(&self, output: &mut Output<'_>) -> Result<(), CommandError> {
        let server = self.server.as_ref().map(|server| format!(" [{server}]"));
        output.line(&format!(
            "{:<8} {}{}",
            self.severity,
            self.id,
            server.unwrap_or_default()
        ))?;
        output.line(&format!("         {}", self.seen))?;
        output.line(&format!("         -> {}", self.remedy))
    }
}
