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
use super::source::{Backlog, ChangeError, ChangeSource, SourceFuture, Taken};
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
pub struct SqliteOutbox {
    settings: Settings,
    /// That of a relay.
    session: Option<Session>,
}

#[derive(Clone)]
struct Settings {
    options: SqliteConnectOptions,
    registries: Vec<&'static Registry>,
}

impl SqliteOutbox {
    /// The outbox of this database. Of a pool it is `(*pool.connect_options()).clone()`.
    pub fn new(options: SqliteConnectOptions) -> Self {
        Self::of(Settings {
            // What a relay asks each second is of no interest to the log of a service.
            options: options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging(),
            registries: Vec::new(),
        })
    }

    /// Only the tables of this registry, and of others that are given as well: for a service with several databases. Default: those of
    /// all that are linked into the program.
    #[must_use]
    pub fn registry(mut self, registry: &'static Registry) -> Self {
        self.settings.registries.push(registry);
        self
    }

    const fn of(settings: Settings) -> Self {
        Self {
            settings,
            session: None,
        }
    }

    /// The connection of the relay, made if there is none.
    async fn session(&mut self) -> Result<&mut Session, ChangeError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::begin(self.settings.connect().await?, &self.settings.registries),
        };
        Ok(self.session.insert(session))
    }

    /// What a step gives; if it fails, the connection is given up.
    fn keep<T>(&mut self, outcome: Result<T, ChangeError>) -> Result<T, ChangeError> {
        if outcome.is_err() {
            self.session = None;
        }
        outcome
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
        self.settings.description()
    }

    fn take(&mut self) -> SourceFuture<'_, Taken> {
        Box::pin(async {
            let taken = self.session().await?.take().await;
            self.keep(taken)
        })
    }

    fn acknowledge(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(async {
            let acknowledged = self.session().await?.acknowledge().await;
            self.keep(acknowledged)
        })
    }

    fn stand_down(&mut self) -> SourceFuture<'_, ()> {
        Box::pin(async {
            let Some(session) = &mut self.session else {
                return Ok(());
            };
            let done = session.stand_down().await;
            self.keep(done)
        })
    }

    fn wait(&mut self, at_most: Duration) -> SourceFuture<'_, ()> {
        Box::pin(async move {
            let waited = self.session().await?.wait(at_most).await;
            self.keep(waited)
        })
    }

    fn backlog(&mut self) -> SourceFuture<'_, Backlog> {
        Box::pin(async {
            let backlog = self.session().await?.backlog().await;
            self.keep(backlog)
        })
    }
}

impl Clone for SqliteOutbox {
    fn clone(&self) -> Self {
        Self::of(self.settings.clone())
    }
}

impl fmt::Debug for SqliteOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteOutbox")
            .field(&self.settings.description())
            .finish()
    }
}
