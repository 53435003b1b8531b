//! Where the database is, and how to reach it.
use std::{path::PathBuf, str::FromStr, time::Duration};

use anyhow::Context as _;
use sqlx::{
    AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Executor as _,
    any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers},
};

/// A database: the URL of a PostgreSQL or SQLite database, or the path of an SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: String,
    shown: String,
    backend: Backend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    Sqlite,
    Postgres,
}

impl Target {
    /// The SQLite file at `path`, made when it does not exist.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let shown = path.into().display().to_string();
        Self {
            url: format!("sqlite://{}?mode=rwc", shown.replace('%', "%25").replace('?', "%3f")),
            shown,
            backend: Backend::Sqlite,
        }
    }

    /// What to tell the user: no password in it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) const fn backend(&self) -> Backend {
        self.backend
    }

    /// A query for the names of the tables.
    pub(super) fn list_tables(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
            Backend::Postgres => "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()",
        }
    }

    pub(super) async fn pool(&self) -> anyhow::Result<AnyPool> {
        install_default_drivers();
        let backend = self.backend;
        AnyPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if backend == Backend::Sqlite {
                        connection.execute(SQLITE_SETTINGS).await?;
                    }
                    Ok(())
                })
            })
            .connect(&self.url)
            .await
            .with_context(|| format!("cannot open the database {}", self.shown))
    }

    /// A connection in a transaction that only one process at a time can be in; others wait here for its end.
    pub(super) async fn exclusive(&self) -> anyhow::Result<AnyConnection> {
        install_default_drivers();
        let options = AnyConnectOptions::from_str(&self.url)
            .context("the database's address")?
            // Filling a database takes long statements, and they are long to read, too.
            .disable_statement_logging();
        let mut connection = AnyConnection::connect_with(&options)
            .await
            .with_context(|| format!("cannot open the database {}", self.shown))?;
        match self.backend {
            Backend::Sqlite => {
                set_up_new_file(&mut connection).await?;
                // As long as another process may take to generate its data, in a debug build too.
                connection
                    .execute("PRAGMA busy_timeout = 600000; BEGIN IMMEDIATE")
                    .await?;
            }
            Backend::Postgres => {
                connection.execute("BEGIN").await?;
                connection.execute("SELECT pg_advisory_xact_lock(7305805)").await?;
            }
        }
        Ok(connection)
    }
}

/// Applies the settings to a file that another process may be making at this moment. SQLite reports that as an I/O error, when
/// the journal that it saw is gone since the other has switched it, or as a lock, for which a switch does not wait.
async fn set_up_new_file(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    const ATTEMPTS: u32 = 500;
    for _ in 1..ATTEMPTS {
        match connection.execute(SQLITE_SETTINGS).await {
            Err(sqlx::Error::Database(error)) if is_passing(error.code().as_deref()) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done.map(drop),
        }
    }
    connection.execute(SQLITE_SETTINGS).await.map(drop)
}

/// The low byte of an extended result code is the result code.
fn is_passing(code: Option<&str>) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_IOERR: u32 = 10;
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| matches!(code & 0xff, SQLITE_BUSY | SQLITE_IOERR))
}

/// Readers do not wait for writers, a writer waits up to ten seconds for its turn, and pages are read from memory.
const SQLITE_SETTINGS: &str = "
    PRAGMA busy_timeout = 10000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA foreign_keys = ON;
    PRAGMA mmap_size = 1073741824";

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once(':') {
            _ if text.is_empty() => anyhow::bail!("a path or a URL is needed, for example invoicing.db"),
            Some(("sqlite", rest)) => {
                let path = rest.trim_start_matches("//").split('?').next().unwrap_or_default();
                anyhow::ensure!(
                    !path.is_empty() && path != ":memory:",
                    "name a file: every connection would have an empty database of its own"
                );
                let separator = if text.contains('?') { '&' } else { '?' };
                let mode = if text.contains("mode=") {
                    String::new()
                } else {
                    format!("{separator}mode=rwc")
                };
                Ok(Self {
                    url: format!("{text}{mode}"),
                    shown: path.to_owned(),
                    backend: Backend::Sqlite,
                })
            }
            Some((scheme @ ("postgres" | "postgresql"), rest)) => {
                // Everything up to the last @ is the user and, perhaps, the password.
                let shown = rest
                    .rsplit_once('@')
                    .map_or(rest.trim_start_matches('/'), |(_, address)| address);
                let shown = shown.split('?').next().unwrap_or_default();
                Ok(Self {
                    url: text.to_owned(),
                    shown: format!("{scheme}://{shown}"),
                    backend: Backend::Postgres,
                })
            }
            Some((scheme, rest)) if rest.starts_with("//") => {
                anyhow::bail!("`{scheme}:` is not supported; use a file's path, sqlite:// or postgres://")
            }
            _ => Ok(Self::file(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_an_sqlite_file() {
        let target: Target = "dir/a.db".parse().unwrap();
        assert_eq!(target, Target::file("dir/a.db"));
        assert_eq!(target.url, "sqlite://dir/a.db?mode=rwc");
    }

    #[test]
    fn a_password_is_never_shown() {
        let target: Target = "postgres://ana:s3cr@t@db:5432/books?sslmode=disable".parse().unwrap();
        assert_eq!(target.shown(), "postgres://db:5432/books");
    }

    #[test]
    fn an_unknown_scheme_is_an_error() {
        assert!("mysql://db/books".parse::<Target>().is_err());
        assert!("sqlite::memory:".parse::<Target>().is_err());
    }
}
