//! A database with pairs of tables alike, of each of which one is declared.

use std::fmt;

use anyhow::Result;
use cache_runtime::{
    Cache,
    changes::{PostgresOutbox, Relay, RelayState, Triggers as _},
};
use cache_testkit::{PostgresServer, RedisServer, reaching};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _,
    postgres::{PgConnectOptions, PgConnection},
};

use super::{MEASUREMENT, resources};
use crate::{
    bench::patient,
    figure::{Figure, Must, Series, Unit},
};

/// Two tables alike, of which the changes of one are seen.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) declared: &'static str,
    pub(super) undeclared: &'static str,
}

/// As the example has them: with foreign keys, and an index by company.
pub(super) const INVOICES: Pair = Pair {
    declared: "invoices",
    undeclared: "invoices_of_nobody",
};

/// As narrow as a table can be, with nothing but its key: what an UPDATE takes itself could hardly be less.
pub(super) const LINES: Pair = Pair {
    declared: "lines",
    undeclared: "lines_of_nobody",
};

/// How many rows each has, and of how many companies these are.
pub(super) const ROWS: i64 = 10_000;
pub(super) const COMPANIES: i64 = 50;

const TABLES: &str = "
    CREATE TABLE companies (id bigint PRIMARY KEY, name text NOT NULL);
    INSERT INTO companies SELECT n, 'company ' || n FROM generate_series(0, 49) AS n;
    CREATE TABLE partners (id bigint PRIMARY KEY, name text NOT NULL);
    INSERT INTO partners SELECT n, 'partner ' || n FROM generate_series(0, 999) AS n;
    CREATE TABLE invoices (
        id bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        company_id bigint NOT NULL REFERENCES companies (id),
        partner_id bigint NOT NULL REFERENCES partners (id),
        number text NOT NULL,
        amount bigint NOT NULL,
        issued_on text NOT NULL,
        due_on text NOT NULL
    );
    INSERT INTO invoices SELECT n, 'demo', n % 50, n % 1000, '2026-' || n, n, '2026-01-31', '2026-03-02'
        FROM generate_series(1, 10000) AS n;
    CREATE INDEX invoices_by_company ON invoices (company_id, issued_on);
    CREATE TABLE invoices_of_nobody (
        LIKE invoices INCLUDING ALL,
        FOREIGN KEY (company_id) REFERENCES companies (id),
        FOREIGN KEY (partner_id) REFERENCES partners (id)
    );
    INSERT INTO invoices_of_nobody SELECT * FROM invoices;
    CREATE TABLE lines (
        id bigint PRIMARY KEY,
        company_id bigint NOT NULL,
        customer text NOT NULL,
        amount bigint NOT NULL
    );
    INSERT INTO lines SELECT n, n % 50, 'customer ' || n, n FROM generate_series(1, 10000) AS n;
    CREATE TABLE lines_of_nobody (LIKE lines INCLUDING ALL);
    INSERT INTO lines_of_nobody SELECT * FROM lines";

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

/// A PostgreSQL with these tables and the triggers.
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

    /// Makes both tables what they were at first: updates leave a table larger, and its indices.
    pub(super) async fn rewrite(&self, Pair { declared, undeclared }: &Pair) -> Result<()> {
        let mut connection = self.connect().await?;
        let tables = format!("VACUUM (FULL, ANALYZE) {declared}, {undeclared}");
        connection.execute(AssertSqlSafe(tables)).await?;
        Ok(())
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
