use std::{fmt, io, path::PathBuf};

/// Why there is no server for the test.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No program to start.
    #[error(
        "neither `redis-server` nor `valkey-server` is on the PATH: install one with `apt-get install redis-server`, \
         `brew install redis`, or the package `valkey` of your system (in this repository: `cargo xtask setup`), or name one in \
         CACHE_TESTKIT_SERVER"
    )]
    Missing,
    /// No PostgreSQL to start.
    #[error(
        "there is no PostgreSQL server here: install one with `apt-get install postgresql`, `brew install postgresql`, or the package \
         of your system (in this repository: `cargo xtask setup`), or name the folder of `initdb` and `postgres` in \
         CACHE_TESTKIT_POSTGRES"
    )]
    NoPostgres,
    /// The server ended, or did not answer in time.
    #[error("`{}` did not start: {reason}. Its log:\n{log}", binary.display())]
    Failed {
        /// The program that was started.
        binary: PathBuf,
        /// What was seen of it from outside.
        reason: String,
        /// What it wrote.
        log: String,
    },
    /// The operating system refused something that starting a server takes.
    #[error("no server was started: {what} failed: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system answered.
        source: io::Error,
    },
}

/// As [`Display`](fmt::Display): tests `unwrap`, and the way out and the log must be readable then too.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StartError {
    /// For `map_err`: names what was tried.
    pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
