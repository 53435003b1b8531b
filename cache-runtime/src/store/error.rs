//! The error of a store: what it means for the calls that follow, in words, and what it came from.

use std::{error::Error, fmt, sync::Arc, time::Duration};

/// Why a store did not do what it was asked.
///
/// The message says all there is to know, for a log line. The [source](Error::source) is for programs: of a [`RedisStore`] it is
/// the `redis::RedisError`, where there was one.
///
/// [`RedisStore`]: crate::store::RedisStore
#[derive(Debug, Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Arc<str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a [`StoreError`] means for the calls that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The first attempt to connect has not ended yet.
    Connecting,
    /// No connection, a lost one, or a server that is not ready.
    Unavailable,
    /// No answer within the deadline.
    Timeout,
    /// The server takes no writes: a replica, a full disk, too few replicas. Nobody can invalidate on it, so it must not
    /// be read either.
    RefusesWrites,
    /// Out of memory: reads and invalidations go on, fills do not.
    OutOfMemory,
    /// The credentials are wrong, or a right is missing.
    Denied,
    /// The store cannot do this at all.
    Unsupported,
    /// Anything else that the server answered.
    Other,
}

impl StoreError {
    /// An error of this kind. The message must not contain secrets.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into().into(),
            source: None,
        }
    }

    /// The same error, with what it came from: any error, or its words. As the message, it must not contain secrets, neither in
    /// its `Display` nor in its `Debug`.
    ///
    /// ```
    /// use std::{error::Error as _, io};
    ///
    /// use cache_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// let cause = io::Error::from(io::ErrorKind::ConnectionReset);
    /// let error = StoreError::new(StoreErrorKind::Unavailable, cause.to_string()).with_source(cause);
    /// let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    /// assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::ConnectionReset));
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source: Box<dyn Error + Send + Sync> = source.into();
        self.source = Some(source.into());
        self
    }

    /// The same error in other words.
    pub(crate) fn with_message(&self, message: impl Into<String>) -> Self {
        Self {
            kind: self.kind,
            message: message.into().into(),
            source: self.source.clone(),
        }
    }

    /// The same error, with another meaning.
    pub(crate) fn with_kind(self, kind: StoreErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// For operations that are not tried, because the breaker is open.
    pub(crate) fn unavailable() -> Self {
        Self::new(StoreErrorKind::Unavailable, "the store is unavailable")
    }

    pub(crate) fn timeout(what: &str, after: Duration) -> Self {
        Self::new(StoreErrorKind::Timeout, format!("{what} took longer than {after:?}"))
    }

    /// What it means for the calls that follow.
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
