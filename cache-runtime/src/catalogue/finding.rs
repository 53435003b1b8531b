//! What a look at the catalogue finds.

use std::{fmt, str::FromStr};

use serde::Serialize;

use super::Place;
use crate::key::glob;

/// What cannot be meant, or is meant and not said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// What it is about: the name of a resource, or the path of a function.
    pub subject: String,
    /// Where it is written: the functions that it is about, or those that could be meant. None for what only the declaration says.
    pub places: Vec<Place>,
    /// What has been found, in a sentence.
    pub sentence: String,
    /// What to do about it.
    pub remedy: String,
}

/// What kind of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A resource that is declared, and nothing else.
    NeverCached,
    /// A resource that is cached, and only its time-to-live ends what is old.
    NeverInvalidated,
    /// A resource that is invalidated, and cached by nobody.
    InvalidatedInVain,
    /// A resource that several functions have results of, under keys that may be the same.
    SharedResource,
    /// A `#[cached]` function that writes to a database.
    CachedWrite,
    /// A function that writes to a database and does not say what it invalidates.
    UnseenWrite,
}

impl FindingKind {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::NeverCached,
        Self::NeverInvalidated,
        Self::InvalidatedInVain,
        Self::SharedResource,
        Self::CachedWrite,
        Self::UnseenWrite,
    ];

    /// Its name on a command line: `never-cached`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverCached => "never-cached",
            Self::NeverInvalidated => "never-invalidated",
            Self::InvalidatedInVain => "invalidated-in-vain",
            Self::SharedResource => "shared-resource",
            Self::CachedWrite => "cached-write",
            Self::UnseenWrite => "unseen-write",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// As a compiler prints a warning: what it is, where, and how to mend it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.sentence)?;
        for Place { path, file, line } in &self.places {
            write!(f, "\n  --> {file}:{line} {path}")?;
        }
        write!(f, "\n  help: {}", self.remedy)
    }
}

/// Findings that are as they should be: `never-invalidated:exchange_rates`, or all of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Allowed {
    kind: FindingKind,
    /// The subjects, as a pattern: of functions the end of the path will do.
    subject: Option<String>,
}

/// A text that says nothing about findings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of findings: write one of {kinds}, and after it `:` and a name for some of them alone", kinds = kinds())]
pub struct AllowedError(String);

fn kinds() -> String {
    FindingKind::ALL.map(FindingKind::as_str).join(", ")
}

impl Allowed {
    /// All findings of this kind.
    pub const fn kind(kind: FindingKind) -> Self {
        Self { kind, subject: None }
    }

    /// Those about this subject: the name of a resource, or the path of a function or the end of it; `*` stands for any run of
    /// characters.
    #[must_use]
    pub fn subject(mut self, pattern: impl Into<String>) -> Self {
        self.subject = Some(pattern.into());
        self
    }

    /// Whether this finding is one of them.
    pub fn takes(&self, finding: &Finding) -> bool {
        let is_subject = self.subject.as_ref().is_none_or(|pattern| {
            glob::matches(pattern, &finding.subject) || glob::matches(&format!("*::{pattern}"), &finding.subject)
        });
        self.kind == finding.kind && is_subject
    }
}

/// `kind`, or `kind:name`.
impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let (kind, subject) = match text.split_once(':') {
            Some((kind, subject)) => (kind, Some(subject.to_owned())),
            None => (text, None),
        };
        let found = FindingKind::ALL.into_iter().find(|known| known.as_str() == kind);
        let kind = found.ok_or_else(|| AllowedError(kind.to_owned()))?;
        Ok(Self { kind, subject })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        self.subject.iter().try_for_each(|subject| write!(f, ":{subject}"))
    }
}
