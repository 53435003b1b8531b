//! The database of a run: a PostgreSQL server of its own, or a file that all processes open.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use cache_runtime::changes::{PostgresOutbox, SqliteOutbox, Triggers};
use cache_testkit::{FaultProxy, PostgresServer};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;

use super::{
    statements::Dialect,
    tables::{create, key, readable},
};
use crate::consistency::{
    node::Subject,
    options::{Database, Options, Protocol},
};

/// How many connections a node may have.
pub(super) const CONNECTIONS_PER_NODE: u32 = 8;

/// Has no DELETE written down.
const POSTGRES_WITHOUT_DELETE: &str = r"
    DO $$
    DECLARE
        found record;
        first CONSTANT text := 'IF TG_LEVEL OPERATOR(pg_catalog.=) ''ROW''';
    BEGIN
        FOR found IN SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE proname LIKE 'changed\_%' LOOP
            IF strpos(found.text, first) = 0 THEN
                RAISE EXCEPTION 'the function of a trigger is another one than is known here';
            END IF;
            EXECUTE replace(found.text, first, 'IF TG_OP = ''DELETE'' THEN RETURN NULL; ELS' || first);
        END LOOP;
    END
    $$";
const SQLITE_WITHOUT_DELETE: &str =
    "DROP TRIGGER cache_runtime_delete_entries; DROP TRIGGER cache_runtime_delete_events;";

/// The database, with tables and triggers.
pub(super) enum Server {
    Postgres {
        server: Arc<PostgresServer>,
        /// The nodes' ways to it.
        ways: Vec<FaultProxy>,
    },
    Sqlite(TempDir),
}

impl Server {
    pub(super) async fn start(options: &Options) -> Result<Self> {
        let server = match options.database() {
            Database::Postgres => Self::start_postgres(options.nodes).await?,
            Database::Sqlite => Self::Sqlite(tempfile::tempdir().context("a folder for the database")?),
        };
        let mut connection = AnyConnection::connect(&server.url()).await?;
        run(&mut connection, &create(options.database())).await?;
        let (outbox, without_delete) = server.triggers()?;
        outbox.install().await?;
        if options.protocol == Protocol::Untriggered {
            run(&mut connection, without_delete).await?;
        }
        Ok(server)
    }

    async fn start_postgres(nodes: u64) -> Result<Self> {
        let connections = 40 + nodes * u64::from(CONNECTIONS_PER_NODE + 4);
        let server = tokio::task::spawn_blocking(move || {
            PostgresServer::builder()
                .config("max_connections", connections.to_string())
                .start()
        });
        let server = server.await??;
        let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let ways = (0..nodes).map(|_| FaultProxy::start(address));
        Ok(Self::Postgres {
            ways: ways.collect::<Result<_, _>>()?,
            server: Arc::new(server),
        })
    }

    fn triggers(&self) -> Result<(Box<dyn Triggers>, &'static str)> {
        let url = self.url();
        Ok(match self {
            Self::Postgres { .. } => (Box::new(PostgresOutbox::new(url.parse()?)), POSTGRES_WITHOUT_DELETE),
            Self::Sqlite(_) => (Box::new(SqliteOutbox::new(url.parse()?)), SQLITE_WITHOUT_DELETE),
        })
    }

    /// Where it is, for everybody but the nodes.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Postgres { server, .. } => server.url(),
            Self::Sqlite(folder) => format!("sqlite://{}?mode=rwc", folder.path().join("rows.db").display()),
        }
    }

    /// Where it is for the nodes, in the order of their seats.
    pub(super) fn urls(&self) -> Vec<String> {
        match self {
            Self::Postgres { ways, .. } => {
                let url = |way: &FaultProxy| format!("postgres://postgres@{}/postgres", way.address());
                ways.iter().map(url).collect()
            }
            Self::Sqlite(_) => Vec::new(),
        }
    }

    pub(super) async fn dialect(&self) -> Result<Dialect> {
        let Self::Postgres { .. } = self else {
            return Ok(Dialect {
                database: Database::Sqlite,
                version: 0,
            });
        };
        let mut connection = AnyConnection::connect(&self.url()).await?;
        let row = connection
            .fetch_one("SELECT current_setting('server_version_num')::bigint / 10000")
            .await?;
        let version: i64 = row.try_get(0)?;
        Ok(Dialect {
            database: Database::Postgres,
            version: u32::try_from(version)?,
        })
    }
}

/// Who looks into the database from the outside.
pub(super) struct Observer {
    url: String,
    database: Database,
    connection: Option<AnyConnection>,
}

impl Observer {
    pub(super) fn new(url: String, database: Database) -> Self {
        Self {
            url,
            database,
            connection: None,
        }
    }

    /// The number of the change that was written down last, whatever has become of it.
    pub(super) async fn last_written(&mut self) -> Result<i64, sqlx::Error> {
        let sql = match self.database {
            Database::Postgres => {
                "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence('cache_runtime.outbox', 'id')::regclass), 0)"
            }
            Database::Sqlite => "SELECT COALESCE(max(seq), 0) FROM sqlite_sequence WHERE name = 'cache_runtime_outbox'",
        };
        self.rows(sql).await?[0].try_get(0)
    }

    /// That of the oldest change that waits.
    pub(super) async fn first_waiting(&mut self) -> Result<Option<i64>, sqlx::Error> {
        let sql = match self.database {
            Database::Postgres => "SELECT min(id) FROM cache_runtime.outbox",
            Database::Sqlite => "SELECT min(id) FROM cache_runtime_outbox",
        };
        self.rows(sql).await?[0].try_get(0)
    }

    /// How many changes wait.
    pub(super) async fn waiting(&mut self) -> Result<i64, sqlx::Error> {
        let sql = match self.database {
            Database::Postgres => "SELECT count(*) FROM cache_runtime.outbox",
            Database::Sqlite => "SELECT count(*) FROM cache_runtime_outbox",
        };
        self.rows(sql).await?[0].try_get(0)
    }

    /// The versions of all that is read.
    pub(super) async fn versions(&mut self) -> Result<Vec<(Subject, u64)>, sqlx::Error> {
        let rows = self.rows("SELECT subject, version FROM versions").await?;
        let mut versions = Vec::new();
        for row in rows {
            let (name, version): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let subject = readable().find(|&subject| key(subject) == name);
            versions.extend(subject.map(|subject| (subject, version.unsigned_abs())));
        }
        Ok(versions)
    }

    /// Runs one statement whose rows do not matter.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.rows(sql).await.map(|_| ())
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<sqlx::any::AnyRow>, sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(AnyConnection::connect(&self.url).await?),
        };
        let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        if rows.is_err() {
            self.connection = None;
        }
        rows
    }
}

async fn run(connection: &mut AnyConnection, sql: &str) -> Result<(), sqlx::Error> {
    let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    connection.execute(statements).await.map(|_| ())
}
