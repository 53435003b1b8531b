//! What can go wrong, in the words of the caller.

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A field of the request is missing, unknown or has a value that is not accepted.
    #[error("`{field}` {problem}")]
    Invalid {
        /// The query parameter, body field or path segment.
        field: String,
        /// What is wrong and what would be accepted, to be read after the field's name.
        problem: String,
        /// What was given.
        value: Option<String>,
    },
    /// The request is well formed and names something that the tenant does not have.
    #[error("there is no {what} {id}")]
    NotFound {
        /// The field that names it.
        field: &'static str,
        /// What kind of thing was asked for.
        what: &'static str,
        /// What was asked for.
        id: i64,
    },
    /// The request contradicts what is already in the books.
    #[error("{problem}")]
    Conflict {
        /// The field that contradicts.
        field: &'static str,
        /// The contradiction, and the way out.
        problem: String,
    },
    /// The token is missing something, forged or too old.
    #[error("{0}")]
    Unauthenticated(String),
    /// The user is known and may not do this.
    #[error("{problem}")]
    Forbidden {
        /// The field that names what is out of bounds.
        field: &'static str,
        /// Who may not do what.
        problem: String,
    },
    /// The database does not answer in time.
    #[error("this takes too long at the moment, try again: {0}")]
    Late(#[from] cache_runtime::LoadTimeout),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl AppError {
    /// A field whose value is not accepted.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
            value: Some(value.into()),
        }
    }

    /// A field that was not given.
    pub fn missing(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            problem: problem.into(),
            value: None,
        }
    }
}
