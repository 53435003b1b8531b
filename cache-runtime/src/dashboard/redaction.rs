//! What of an entry is not shown.

use std::{fmt, sync::Arc};

use crate::inspect::EntryReport;

/// What is shown of an entry's payload, as [`Dashboard::redact`](super::Dashboard::redact) decides it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redaction {
    /// All of it.
    #[default]
    Show,
    /// This in place of it.
    Replace(String),
    /// Nothing.
    Hide,
}

type Decide = dyn Fn(&EntryReport) -> Redaction + Send + Sync;

/// Who decides. Without anybody everything is shown.
#[derive(Clone, Default)]
pub(super) struct Redactions(Option<Arc<Decide>>);

impl Redactions {
    pub(super) fn by(decide: impl Fn(&EntryReport) -> Redaction + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(decide)))
    }

    pub(super) fn of(&self, report: &EntryReport) -> Redaction {
        self.0.as_ref().map(|decide| decide(report)).unwrap_or_default()
    }
}

impl fmt::Debug for Redactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redactions").field(&self.0.is_some()).finish()
    }
}
