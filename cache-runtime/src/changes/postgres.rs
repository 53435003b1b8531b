//! PostgreSQL, 13 and newer.

mod install;
mod session;
mod statements;

use std::{fmt, time::Duration};

use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgConnection},
};

use self::{session::Session, statements::Names};
use super::{
    outbox::{Outbox, WIDEN_ABOVE},
    source::{Backlog, ChangeSource, SourceFuture, Taken},
};
use crate::resource::Registry;

/// The outbox of a PostgreSQL database: a schema of its own, with a table of the changes that triggers write down.
///
/// ```no_run
/// use cache_runtime::{Cache, changes::{PostgresOutbox, Triggers}};
/// # async fn start(cache: &Cache) -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = PostgresOutbox::new("postgres://app@db/books".parse()?);
/// outbox.install().await?; // or by a migration: `outbox.sql()` prints it
/// cache.follow(outbox).start()?;
/// # Ok(()) }
/// ```
///
/// A relay has one connection of its own, which it listens on and which holds the right to do the work; a pooler that gives
/// connections out by the transaction cannot carry it.
///
/// A clone is the same outbox with a connection of its own.
#[derive(Clone)]
pub struct PostgresOutbox(Outbox<Session>);

#[derive(Clone)]
struct Settings {
    options: PgConnectOptions,
    names: Names,
    notify: bool,
    widen_above: u32,
    registries: Vec<&'static Registry>,
}

impl PostgresOutbox {
    /// The outbox of this database, in the schema `cache_runtime`. Of a pool it is `(*pool.connect_options()).clone()`.
    pub fn new(options: PgConnectOptions) -> Self {
        Self(Outbox::new(Settings {
            // What a relay asks each second is of no interest to the log of a service.
            options: options.application_name("cache-runtime").disable_statement_logging(),
            names: Names::new("cache_runtime"),
            notify: true,
            widen_above: WIDEN_ABOVE,
            registries: Vec::new(),
        }))
    }

    /// The schema, which is the outbox's own: services that share a database have one each.
    ///
    /// # Panics
    ///
    /// If it is not 1 to 32 of the characters a to z, 0 to 9 and `_`, or is `public`.
    #[must_use]
    #[track_caller]
    pub fn schema(mut self, schema: &str) -> Self {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(
            (1..=32).contains(&schema.len()) && schema.bytes().all(is_plain) && schema != "public",
            "`{schema}` cannot be the schema of an outbox: it is its own, and has 1 to 32 of the characters a to z, 0 to 9 and `_`"
        );
        self.0.settings.names = Names::new(schema);
        self
    }

    /// Whether a change wakes the relay (`NOTIFY`). Default: yes. Without, changes are found when the relay looks for them
    /// ([`RelayBuilder::poll_interval`](super::RelayBuilder::poll_interval)), and commits do not queue behind the one lock that
    /// transactions which notify take.
    #[must_use]
    pub fn notify(mut self, notify: bool) -> Self {
        self.0.settings.notify = notify;
        self
    }

    /// Of how many different values of one statement all rows of the table are meant, or of more than so many tenants everything.
    /// Default: 100. At least 1.
    #[must_use]
    pub fn widen_above(mut self, values: u32) -> Self {
        self.0.settings.widen_above = values.max(1);
        self
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
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.options.connect().await
    }

    fn description(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!(
            "postgres://{}:{}/{database}, schema {}",
            options.get_host(),
            options.get_port(),
            self.names.schema()
        )
    }
}

impl ChangeSource for PostgresOutbox {
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

/// Without a password.
impl fmt::Debug for PostgresOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresOutbox")
            .field(&self.0.settings.description())
            .finish()
    }
}
