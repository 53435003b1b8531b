//! A database with two tables alike, one of which is declared.

use std::fmt;

use anyhow::Result;
use cache_runtime::{
    Cache,
    changes::{PostgresOutbox, Relay, RelayState, Triggers as _},
};
use cache_testkit::{PostgresServer, RedisServer, reaching};
use sqlx::{
    ConnectOptions as _, Executor as _,
    postgres::{PgConnectOptions, PgConnection},
};

use super::{MEASUREMENT, resources};
use crate::{
    bench::patient,
    figure::{Figure, Must, Series, Unit},
};

/// The table whose changes are seen, and the one like it whose changes nobody sees.
pub(super) const DECLARED: &str = "invoices";
pub(super) const UNDECLARED: &str = "invoices_of_nobody";

/// How many rows each has, and of how many companies these are.
pub(super) const ROWS: i64 = 10_000;
pub(super) const COMPANIES: i64 = 50;

const TABLES: &str = "
    CREATE TABLE invoices (
        id bigint PRIMARY KEY,
        company_id bigint NOT NULL,
        customer text NOT NULL,
        amount bigint NOT NULL
    );
    INSERT INTO invoices SELECT n, n % 50, 'customer ' || n, n FROM generate_series(1, 10000) AS n;
    CREATE TABLE invoices_of_nobody (LIKE invoices INCLUDING ALL);
    INSERT INTO invoices_of_nobody SELECT * FROM invoices";

/// Whether a commit waits until it is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushes {
    /// As in a service.
    Each,
    /// As in a test, where what is written is worth nothing.
    Never,
}

impl fmt::Display for Flushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Each => "fsync on",
            Self::Never => "fsync off",
        })
    }
}

/// A PostgreSQL with the tables and the triggers.
pub(super) struct Books {
    server: PostgresServer,
    flushes: Flushes,
}

/// What relays its changes, and where they are invalidated.
pub(super) struct Relayed {
    pub(super) redis: RedisServer,
    pub(super) relay: Relay,
    cache: Cache,
}

impl Books {
    pub(super) async fn open(flushes: Flushes) -> Result<Self> {
        let builder = PostgresServer::builder();
        let server = match flushes {
            Flushes::Each => builder.config("fsync", "on"),
            Flushes::Never => builder,
        }
        .start()?;
        let books = Self { server, flushes };
        let mut connection = books.connect().await?;
        connection.execute(TABLES).await?;
        connection.execute("VACUUM ANALYZE").await?;
        books.outbox()?.install().await?;
        books.forget().await?;
        Ok(books)
    }

    /// The address of a database.
    pub(super) fn url(&self, database: &str) -> String {
        self.server.url_of("postgres", database)
    }

    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let options: PgConnectOptions = self.url("postgres").parse()?;
        Ok(options.connect().await?)
    }

    fn outbox(&self) -> Result<PostgresOutbox> {
        Ok(PostgresOutbox::new(self.url("postgres").parse()?).registry(&resources::REGISTRY))
    }

    /// Forgets what was written down, and what was there before.
    pub(super) async fn forget(&self) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.execute("TRUNCATE cache_runtime.outbox").await?;
        connection.execute("VACUUM").await?;
        Ok(())
    }

    /// Has the changes relayed from here on.
    pub(super) async fn relayed(&self) -> Result<Relayed> {
        let redis = RedisServer::start()?;
        let cache = reaching(&redis, patient()).await;
        let relay = cache.follow(self.outbox()?).start()?;
        relay.until(|status| status.state == RelayState::Active).await;
        Ok(Relayed { redis, relay, cache })
    }

    /// A figure with the limit that it has where commits wait for the disk.
    pub(super) fn judged(&self, figure: Figure, must: Must) -> Figure {
        match self.flushes {
            Flushes::Each => figure.must(must),
            Flushes::Never => figure,
        }
    }

    /// A figure of this database.
    pub(super) fn figure(&self, name: &str, unit: Unit, ours: Series) -> Figure {
        Figure::new(MEASUREMENT.name, format!("{name}, {}", self.flushes), unit, ours)
    }
}

impl Relayed {
    pub(super) async fn end(self) {
        self.relay.stop().await;
        self.cache.close().await;
    }
}
