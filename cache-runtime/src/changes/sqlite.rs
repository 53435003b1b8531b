//! SQLite, 3.38 and newer.

mod install;
mod session;
mod statements;

use std::{fmt, time::Duration};

use sqlx::{
    ConnectOptions as _,
    sqlite::{SqliteConnectOptions, SqliteConnection},
};

use self::session::Session;
use super::{
    outbox::Outbox,
    source::{Backlog, ChangeSource, SourceFuture, Taken},
};
use crate::resource::Registry;

/// How long a statement waits for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The outbox of an SQLite database: tables beside the service's own, in which triggers write changes down.
///
/// ```no_run
/// use cache_runtime::{Cache, changes::{SqliteOutbox, Triggers}};
/// # async fn start(cache: &Cache) -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = SqliteOutbox::new("sqlite://books.db".parse()?);
/// outbox.install().await?; // or by a migration: `outbox.sql()` prints it
/// cache.follow(outbox).start()?;
/// # Ok(()) }
/// ```
///
/// A relay has a connection of its own, and looks forty times a second whether another one has committed something. A database
/// in memory cannot be followed: each connection has another one.
///
/// A clone is the same outbox with a connection of its own.
#[derive(Clone)]
pub struct SqliteOutbox(Outbox<Session>);

#[derive(Clone)]
struct Settings {
    options: SqliteConnectOptions,
    registries: Vec<&'static Registry>,
}

impl SqliteOutbox {
    /// The outbox of this database. Of a pool it is `(*pool.connect_options()).clone()`.
    pub fn new(options: SqliteConnectOptions) -> Self {
        Self(Outbox::new(Settings {
            // What a relay asks each second is of no interest to the log of a service.
            options: options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging(),
            registries: Vec::new(),
        }))
    }

    /// Only the tables of this registry, and of others that are given as well: for a service with several databases. Default: those of
    /// all that are linked into the program.
    #[must_use]
    pub fn registry(mut self, registry: &'static Registry) -> Self {
        self.0.settings.registries.push(registry);
        self
    }
}

impl Settings {
    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options.connect().await
    }

    fn description(&self) -> String {
        format!("sqlite://{}", self.options.get_filename().display())
    }
}

impl ChangeSource for SqliteOutbox {
    fn description(&self) -> String {
        self.0.settings.description()
    }

    fn take(&mut self) -> SourceFuture<'_, Taken> {
        Box::pin(self.0.take())
    }

    fn acknowledge(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(self.0.acknowledge())
    }

    fn stand_down(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(self.0.stand_down())
    }

    fn wait(&mut self, at_most: Duration) -> SourceFuture<'_, ()> {
        Box::pin(self.0.wait(at_most))
    }

    fn backlog(&mut self) -> SourceFuture<'_, Backlog> {
        Box::pin(self.0.backlog())
    }
}

impl fmt::Debug for SqliteOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteOutbox")
            .field(&self.0.settings.description())
            .finish()
    }
}
