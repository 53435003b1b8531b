//! What sees the changes that others make to the database.
use anyhow::Context as _;
use cache_runtime::{
    Cache,
    changes::{PostgresOutbox, Relay, SqliteOutbox, Triggers},
};

use super::{Target, connect::Backend};

/// The outbox of the database, of whichever kind that is.
#[derive(Clone, Debug)]
pub enum Outbox {
    /// In a file.
    Sqlite(Box<SqliteOutbox>),
    /// On a server.
    Postgres(Box<PostgresOutbox>),
}

impl Target {
    /// The outbox of this database.
    ///
    /// # Errors
    /// When the database's address is none.
    pub fn outbox(&self) -> anyhow::Result<Outbox> {
        let (url, what) = (self.url(), "the database's address");
        Ok(match self.backend() {
            Backend::Sqlite => Outbox::Sqlite(Box::new(SqliteOutbox::new(url.parse().context(what)?))),
            Backend::Postgres => Outbox::Postgres(Box::new(PostgresOutbox::new(url.parse().context(what)?))),
        })
    }
}

impl Outbox {
    /// What it needs in the database.
    pub fn triggers(&self) -> &dyn Triggers {
        match self {
            Self::Sqlite(outbox) => &**outbox,
            Self::Postgres(outbox) => &**outbox,
        }
    }

    /// Lets `cache` follow the changes, until it is closed.
    ///
    /// # Errors
    /// When the cache is closed.
    pub fn follow(&self, cache: &Cache) -> anyhow::Result<Relay> {
        let relay = match self.clone() {
            Self::Sqlite(outbox) => cache.follow(*outbox),
            Self::Postgres(outbox) => cache.follow(*outbox),
        };
        Ok(relay.start()?)
    }
}
