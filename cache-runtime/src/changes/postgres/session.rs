//! The connection of a relay.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Executor as _, Row as _,
    postgres::{PgListener, PgPoolOptions, PgRow},
};
use tokio::time::{Instant, timeout};

use super::Settings;
use crate::changes::{
    declaration::Values,
    outbox::{self, BATCH, Sources, WAITING, seconds},
    source::{Backlog, Change, ChangeError, Taken},
};

/// How long a database may take to be reached, and to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// How often new partitions are looked for.
const KEEP_UP_INTERVAL: Duration = Duration::from_secs(10);

/// A relay that is stuck, or whose machine is gone, loses its connection, and with it the right to do the work. That rows are
/// removed is worth no flush: after a crash they are relayed again. Nothing waits long for a lock, or lets others wait for one.
const SESSION: &str = "
    SET idle_in_transaction_session_timeout = '60s';
    SET synchronous_commit = off;
    SET lock_timeout = '5s';
    SET tcp_keepalives_idle = 10;
    SET tcp_keepalives_interval = 5;
    SET tcp_keepalives_count = 3;
    SET tcp_user_timeout = '25s'";

/// The right to do the work is this lock.
const LOCK: &str = "hashtextextended({literal} || ' relay', 0)";

/// The statements of every change, which the database plans once. They travel with those that begin and end a transaction, in one
/// message, and what is in it has no parameters but texts.
const PREPARE: &str = "
    PREPARE cache_take AS
        SELECT id, source, array_to_json(key)::text AS key, extract(epoch FROM clock_timestamp() - at)::float8 AS age
        FROM {schema}.outbox ORDER BY id LIMIT {batch} FOR UPDATE SKIP LOCKED;
    PREPARE cache_acknowledge (bigint[]) AS
        DELETE FROM {schema}.outbox WHERE id = ANY ($1)";

/// What a notification says when a change could not be written down.
const LOST: &str = "lost";

/// When it is dropped, what it has taken is given back, and so is the right to do the work.
pub(super) struct Session {
    listener: PgListener,
    settings: Settings,
    has_work: bool,
    /// The rows that are taken, in a transaction, and are not acknowledged yet.
    taken: Vec<i64>,
    /// The last look has taken all that there was: of whatever was written down since, a notification tells.
    drained: bool,
    /// Something was not written down: everything may have changed.
    lost: bool,
    partitions: Partitions,
    sources: Sources,
}

/// When new partitions were looked for.
#[derive(Default)]
struct Partitions {
    looked: Option<Instant>,
    /// Whether it has said that they are not found.
    has_warned: bool,
}

impl outbox::Session for Session {
    type Settings = Settings;

    async fn begin(settings: &Settings) -> Result<Self, ChangeError> {
        // A listener wants a pool: one of its own, so that it takes no connection from the service.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(CONNECT_DEADLINE)
            .connect_lazy_with(settings.options.clone());
        let mut listener = within(PgListener::connect_with(&pool)).await?;
        // What it holds is lost with the connection, so another one is another session.
        listener.eager_reconnect(false);
        within(listener.execute(SESSION)).await?;
        let mut session = Self {
            listener,
            settings: settings.clone(),
            has_work: false,
            taken: Vec::new(),
            drained: false,
            lost: false,
            partitions: Partitions::default(),
            sources: Sources::of(&settings.registries),
        };
        // First: what is written down from now on wakes, and what was is found by the first look. Also where changes do not notify:
        // one that could not be written down does.
        let channel = settings.names.schema().to_owned();
        within(session.listener.listen(&channel)).await?;
        session.run(&PREPARE.replace("{batch}", &BATCH.to_string())).await?;
        Ok(session)
    }

    async fn take(&mut self) -> Result<Taken, ChangeError> {
        self.give_back().await?;
        if !self.has_work && !self.is_given_work().await? {
            return Ok(Taken::Standby(self.oldest().await?));
        }
        if std::mem::take(&mut self.drained) {
            return Ok(Taken::Changes(Vec::new()));
        }
        self.keep_up().await;
        let rows = self.all("BEGIN; EXECUTE cache_take").await?;
        let mut changes = self.lost_changes().await?;
        for row in &rows {
            changes.push(self.change(row).await?);
        }
        self.taken = rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
        if self.taken.is_empty() {
            self.run("COMMIT").await?;
        }
        Ok(Taken::Changes(changes))
    }

    async fn acknowledge(&mut self) -> Result<(), ChangeError> {
        self.lost = false;
        if self.taken.is_empty() {
            return Ok(());
        }
        let ids = std::mem::take(&mut self.taken);
        let was_all = i64::try_from(ids.len()).is_ok_and(|taken| taken < BATCH);
        self.drained = self.settings.notify && was_all;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.run(&format!("EXECUTE cache_acknowledge ('{{{}}}'); COMMIT", ids.join(",")))
            .await
    }

    async fn stand_down(&mut self) -> Result<(), ChangeError> {
        self.give_back().await?;
        if self.has_work {
            self.has_work = false;
            self.run(&format!("SELECT pg_advisory_unlock({LOCK})")).await?;
        }
        Ok(())
    }

    async fn wait(&mut self, at_most: Duration) -> Result<(), ChangeError> {
        // Another one that has the work has heard the same. If it ends before it has done something about it, this one does.
        if self.lost && self.has_work {
            return Ok(());
        }
        // Also without notifications: that the connection is lost is noticed here.
        match timeout(at_most, self.listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                self.lost |= notification.payload() == LOST;
                while let Some(notification) = self.listener.next_buffered() {
                    self.lost |= notification.payload() == LOST;
                }
                Ok(())
            }
            Ok(Ok(None)) => Err(ChangeError::new("the connection is lost")),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Ok(()),
        }
    }

    async fn backlog(&mut self) -> Result<Backlog, ChangeError> {
        self.give_back().await?;
        let sql = "SELECT count(*) FROM (SELECT FROM {schema}.outbox LIMIT {most}) AS waiting";
        let most = WAITING.to_string();
        let waiting: i64 = self.one(&sql.replace("{most}", &most)).await?.try_get(0)?;
        if waiting == WAITING {
            self.gather(&most).await?;
        }
        self.oldest().await
    }
}

impl Session {
    /// Whether nobody else does the work, which is this session's from here on.
    async fn is_given_work(&mut self) -> Result<bool, ChangeError> {
        let sql = format!("SELECT pg_try_advisory_lock({LOCK})");
        self.has_work = self.one(&sql).await?.try_get(0)?;
        self.drained = false;
        Ok(self.has_work)
    }

    /// Makes less of what waits. Of rows that say the same the first is left; it is locked like those that go, so nobody can be in
    /// the middle of relaying it. A source with too many keys is left one row that means all of them.
    async fn gather(&mut self, most: &str) -> Result<(), ChangeError> {
        const REPEATED: &str = "
            WITH waiting AS MATERIALIZED (
                SELECT id, source, key FROM {schema}.outbox ORDER BY id FOR UPDATE SKIP LOCKED
            ), ranked AS (
                SELECT id, row_number() OVER (PARTITION BY source, key ORDER BY id) AS nth FROM waiting
            )
            DELETE FROM {schema}.outbox WHERE id IN (SELECT id FROM ranked WHERE nth > 1)";
        const TOO_MANY: &str = "
            WITH waiting AS MATERIALIZED (
                SELECT id, source FROM {schema}.outbox ORDER BY id FOR UPDATE SKIP LOCKED
            ), wide AS (
                SELECT source FROM waiting GROUP BY source HAVING count(*) >= {most}
            ), written AS (
                INSERT INTO {schema}.outbox (source) SELECT source FROM wide
            )
            DELETE FROM {schema}.outbox
            WHERE id IN (SELECT waiting.id FROM waiting JOIN wide ON wide.source = waiting.source)";
        self.run("BEGIN").await?;
        let sql = format!("SELECT pg_try_advisory_xact_lock({LOCK})");
        let is_ours: bool = self.one(&sql).await?.try_get(0)?;
        if is_ours {
            self.run(REPEATED).await?;
            self.run(&TOO_MANY.replace("{most}", most)).await?;
        }
        self.run("COMMIT").await
    }

    async fn oldest(&mut self) -> Result<Backlog, ChangeError> {
        let sql = "SELECT extract(epoch FROM clock_timestamp() - min(at))::float8 FROM {schema}.outbox";
        let oldest: Option<f64> = self.one(sql).await?.try_get(0)?;
        Ok(Backlog::new(oldest.map(seconds)))
    }

    /// Ends the transaction in which rows were taken that nobody has acknowledged.
    async fn give_back(&mut self) -> Result<(), ChangeError> {
        if self.taken.is_empty() {
            return Ok(());
        }
        self.taken.clear();
        self.run("ROLLBACK").await
    }

    /// Has new partitions given their triggers, from time to time.
    async fn keep_up(&mut self) {
        let Partitions { looked, .. } = self.partitions;
        if looked.is_some_and(|looked| looked.elapsed() < KEEP_UP_INTERVAL) {
            return;
        }
        let kept_up = self.run("SELECT {schema}.keep_up()").await;
        let Partitions { looked, has_warned } = &mut self.partitions;
        *looked = Some(Instant::now());
        match kept_up {
            Ok(()) => *has_warned = false,
            Err(cause) if *has_warned => tracing::debug!(%cause, "new partitions still get no triggers"),
            Err(cause) => {
                *has_warned = true;
                tracing::warn!(%cause, "new partitions get no triggers: statements that name one are not seen");
            }
        }
    }

    /// A change of every table, if one of some table was not written down.
    async fn lost_changes(&mut self) -> Result<Vec<Change>, ChangeError> {
        if !self.lost {
            return Ok(Vec::new());
        }
        tracing::warn!(
            "a change of the database could not be written down: what is cached of any declared table is invalidated"
        );
        self.read_sources().await?;
        Ok(self.sources.changes_of_all().collect())
    }

    async fn change(&mut self, row: &PgRow) -> Result<Change, ChangeError> {
        let source: String = row.try_get("source")?;
        if !self.sources.knows(&source) {
            self.read_sources().await?;
        }
        let key: Option<String> = row.try_get("key")?;
        let key = key.map(|key| serde_json::from_str::<Vec<Option<String>>>(&key));
        let key = key.transpose().map_err(ChangeError::new)?;
        let values = |columns: &[String]| Some(columns.iter().cloned().zip(key?).collect::<Values>());
        self.sources.change(&source, values, seconds(row.try_get("age")?))
    }

    async fn read_sources(&mut self) -> Result<(), ChangeError> {
        let rows = self
            .all("SELECT id, declaration::text AS declaration FROM {schema}.sources")
            .await?;
        let read = |row: &PgRow| Ok((row.try_get("id")?, row.try_get("declaration")?));
        let installed = rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?;
        self.sources.read(installed)
    }

    async fn run(&mut self, sql: &str) -> Result<(), ChangeError> {
        let sql = AssertSqlSafe(self.settings.names.within(sql));
        within(self.listener.execute(sqlx::raw_sql(sql))).await?;
        Ok(())
    }

    async fn one(&mut self, sql: &str) -> Result<PgRow, ChangeError> {
        let query = sqlx::query(AssertSqlSafe(self.settings.names.within(sql)));
        within(self.listener.fetch_one(query)).await
    }

    async fn all(&mut self, sql: &str) -> Result<Vec<PgRow>, ChangeError> {
        let sql = AssertSqlSafe(self.settings.names.within(sql));
        within(self.listener.fetch_all(sqlx::raw_sql(sql))).await
    }
}

/// An answer of the database, if it comes in time.
async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, ChangeError> {
    match timeout(ANSWER_DEADLINE, answer).await {
        Ok(answer) => answer.map_err(ChangeError::from),
        Err(_) => Err(ChangeError::new("the database does not answer")),
    }
}
