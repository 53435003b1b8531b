//! The connection of a relay.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, Row as _, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};
use tokio::time::{sleep, timeout};

use super::Settings;
use crate::changes::{
    declaration::Values,
    outbox::{self, BATCH, Sources, WAITING, seconds},
    source::{Backlog, Change, ChangeError, Taken},
};

/// How often it is looked whether somebody has committed something.
const LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// For how long a relay has the work: another one takes over after that.
const LEASE_SECONDS: f64 = 5.0;

pub(super) struct Session {
    connection: SqliteConnection,
    /// Its name.
    holder: String,
    role: Role,
    /// The last row that is taken, and not acknowledged yet.
    taken: Option<i64>,
    /// What the database said when it was looked at last: another number after another connection has committed something.
    seen: i64,
    sources: Sources,
}

/// What a relay was about when there was something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Nothing,
    Work,
    Standby,
}

impl outbox::Session for Session {
    type Settings = Settings;

    async fn begin(settings: &Settings) -> Result<Self, ChangeError> {
        Ok(Self {
            connection: settings.connect().await?,
            holder: format!("{:016x}", fastrand::u64(..)),
            role: Role::Nothing,
            taken: None,
            seen: 0,
            sources: Sources::of(&settings.registries),
        })
    }

    async fn take(&mut self) -> Result<Taken, ChangeError> {
        // Before the rows are looked for: what is committed afterwards is seen by the next wait.
        self.seen = self.version().await?;
        let waiting = self.oldest().await?;
        if waiting.oldest.is_none() {
            // Nobody has work then: each is what it was.
            return Ok(match self.role {
                Role::Standby => Taken::Standby(waiting),
                Role::Nothing | Role::Work => Taken::Changes(Vec::new()),
            });
        }
        // Without a write: who has nothing to do is in no writer's way, nor waits for one.
        if self.is_standby().await? {
            self.role = Role::Standby;
            return Ok(Taken::Standby(waiting));
        }
        let mut transaction = write(&mut self.connection).await?;
        let sql = "UPDATE cache_runtime_relay SET holder = $1, until = julianday('now') + $2 / 86400.0
                   WHERE holder IS $1 OR until < julianday('now') RETURNING taken";
        let lease = sqlx::query(sql).bind(&self.holder).bind(LEASE_SECONDS);
        if transaction.fetch_optional(lease).await?.is_none() {
            transaction.rollback().await?;
            self.role = Role::Standby;
            return Ok(Taken::Standby(self.oldest().await?));
        }
        let sql = "SELECT id, source, key, (julianday('now') - at) * 86400.0 AS age FROM cache_runtime_outbox ORDER BY id LIMIT $1";
        let rows = transaction.fetch_all(sqlx::query(sql).bind(BATCH)).await?;
        let last: Option<i64> = rows.last().map(|row| row.try_get("id")).transpose()?;
        let taken = sqlx::query("UPDATE cache_runtime_relay SET taken = $1").bind(last.unwrap_or_default());
        transaction.execute(taken).await?;
        transaction.commit().await?;
        self.role = Role::Work;
        self.taken = last;
        let mut changes = Vec::with_capacity(rows.len());
        for row in &rows {
            changes.push(self.change(row).await?);
        }
        Ok(Taken::Changes(changes))
    }

    async fn acknowledge(&mut self) -> Result<(), ChangeError> {
        if let Some(taken) = self.taken.take() {
            let deleting = sqlx::query("DELETE FROM cache_runtime_outbox WHERE id <= $1").bind(taken);
            self.connection.execute(deleting).await?;
        }
        Ok(())
    }

    async fn stand_down(&mut self) -> Result<(), ChangeError> {
        self.taken = None;
        if std::mem::replace(&mut self.role, Role::Nothing) == Role::Work {
            let leaving = sqlx::query("UPDATE cache_runtime_relay SET until = 0 WHERE holder = $1").bind(&self.holder);
            self.connection.execute(leaving).await?;
        }
        Ok(())
    }

    async fn wait(&mut self, at_most: Duration) -> Result<(), ChangeError> {
        let changed = async {
            while self.version().await? == self.seen {
                sleep(LOOK_INTERVAL).await;
            }
            Ok(())
        };
        timeout(at_most, changed).await.unwrap_or(Ok(()))
    }

    async fn backlog(&mut self) -> Result<Backlog, ChangeError> {
        let waiting = sqlx::query("SELECT count(*) FROM (SELECT 1 FROM cache_runtime_outbox LIMIT $1)").bind(WAITING);
        let waiting: i64 = self.connection.fetch_one(waiting).await?.try_get(0)?;
        if waiting == WAITING {
            self.gather().await?;
        }
        self.oldest().await
    }
}

impl Session {
    /// Makes less of what waits. Of rows that say the same the last is left, since the others may be taken; a source with too many
    /// keys is left one row that means all of them.
    async fn gather(&mut self) -> Result<(), ChangeError> {
        const REPEATED: &str = "
            DELETE FROM cache_runtime_outbox WHERE id NOT IN (SELECT max(id) FROM cache_runtime_outbox GROUP BY source, key)";
        const WIDE: &str = "
            INSERT INTO cache_runtime_outbox (source)
            SELECT source FROM cache_runtime_outbox GROUP BY source HAVING count(*) >= $1";
        const COVERED: &str = "
            DELETE FROM cache_runtime_outbox WHERE key IS NOT NULL AND EXISTS (
                SELECT 1 FROM cache_runtime_outbox AS wide
                WHERE wide.source = cache_runtime_outbox.source AND wide.key IS NULL AND wide.id > cache_runtime_outbox.id
            )";
        let mut transaction = write(&mut self.connection).await?;
        transaction.execute(REPEATED).await?;
        transaction.execute(sqlx::query(WIDE).bind(WAITING)).await?;
        transaction.execute(COVERED).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn version(&mut self) -> Result<i64, ChangeError> {
        Ok(self.connection.fetch_one("PRAGMA data_version").await?.try_get(0)?)
    }

    /// Whether another one has the work.
    async fn is_standby(&mut self) -> Result<bool, ChangeError> {
        let sql = "SELECT 1 FROM cache_runtime_relay WHERE holder IS NOT $1 AND until >= julianday('now')";
        let others = sqlx::query(sql).bind(&self.holder);
        Ok(self.connection.fetch_optional(others).await?.is_some())
    }

    async fn oldest(&mut self) -> Result<Backlog, ChangeError> {
        let sql = "SELECT (julianday('now') - at) * 86400.0 FROM cache_runtime_outbox ORDER BY id LIMIT 1";
        let oldest = self.connection.fetch_optional(sql).await?;
        let oldest: Option<f64> = oldest.map(|row| row.try_get(0)).transpose()?;
        Ok(Backlog::new(oldest.map(seconds)))
    }

    async fn change(&mut self, row: &SqliteRow) -> Result<Change, ChangeError> {
        let source: String = row.try_get("source")?;
        if !self.sources.knows(&source) {
            self.read_sources().await?;
        }
        let key: Option<String> = row.try_get("key")?;
        let values = |columns: &[String]| values(columns, &key?);
        self.sources.change(&source, values, seconds(row.try_get("age")?))
    }

    async fn read_sources(&mut self) -> Result<(), ChangeError> {
        let rows = self
            .connection
            .fetch_all("SELECT id, declaration FROM cache_runtime_sources")
            .await?;
        let read = |row: &SqliteRow| Ok((row.try_get("id")?, row.try_get("declaration")?));
        let installed = rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?;
        self.sources.read(installed)
    }
}

/// A transaction that writes, from its beginning: one that begins by reading may be refused to.
async fn write(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
    connection.begin_with("BEGIN IMMEDIATE").await
}

/// The values of a key; `None` if it cannot be read, and so may have any.
fn values(columns: &[String], key: &str) -> Option<Values> {
    let values: Vec<serde_json::Value> = serde_json::from_str(key).ok()?;
    let value = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Some(columns.iter().cloned().zip(values.into_iter().map(value)).collect())
}
