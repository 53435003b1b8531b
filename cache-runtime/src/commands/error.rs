//! Why a command could not do what it was to do.

use std::io;

use crate::{ConfigError, InvalidateError, catalogue::SourceError, changes::TriggersError, store::StoreError};

/// Why a command could not do what it was to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// As the triggers say.
    #[error(transparent)]
    Triggers(#[from] TriggersError),
    /// Sources cannot be looked at.
    #[error(transparent)]
    Sources(#[from] SourceError),
    /// As the store says.
    #[error("the store cannot be used: {0}")]
    Store(#[from] StoreError),
    /// What is to be invalidated makes no sense.
    #[error(transparent)]
    Invalidate(#[from] InvalidateError),
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was asked for cannot be had here. The sentence says why, and what can.
    #[error("{0}")]
    Unusable(String),
    /// What it has to say cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    pub(super) fn unusable(sentence: impl Into<String>) -> Self {
        Self::Unusable(sentence.into())
    }

    /// Whether whoever reads the output has seen enough.
    pub(super) fn is_end_of_reader(&self) -> bool {
        matches!(self, Self::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}
