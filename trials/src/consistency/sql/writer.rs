//! A program that changes rows, and knows nothing of the framework.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use cache_testkit::oracle::Moment;
use fastrand::Rng;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    commits::{Commit, Ledger},
    statements::{Dialect, Plan},
    tables::{ITEMS, OTHERS, key},
};
use crate::consistency::{node::Subject, options::Database};

/// How often one transaction concerns all items.
const WIDE_INTERVAL: Duration = Duration::from_secs(6);

/// Between two transactions of one writer, in milliseconds, and sometimes between two statements.
const PAUSE: std::ops::Range<u64> = 0..60;

/// Between two attempts to do something with a database that is not there.
const AGAIN: Duration = Duration::from_millis(20);

/// What the writers of a run share.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) url: String,
    pub(super) dialect: Dialect,
    pub(super) ledger: Ledger,
    /// When the next transaction that concerns all items may be made.
    next_wide: Mutex<Instant>,
}

impl Office {
    pub(super) fn new(url: String, dialect: Dialect) -> Self {
        Self {
            url,
            dialect,
            ledger: Ledger::default(),
            next_wide: Mutex::new(Instant::now() + WIDE_INTERVAL / 2),
        }
    }

    fn may_be_wide(&self) -> bool {
        let mut next = self.next_wide.lock().unwrap_or_else(PoisonError::into_inner);
        let may = *next <= Instant::now();
        if may {
            *next = Instant::now() + WIDE_INTERVAL;
        }
        may
    }
}

/// One connection, and one transaction after the other.
pub(super) struct Writer {
    office: Arc<Office>,
    random: Rng,
    connection: Option<AnyConnection>,
}

/// The rows of a subject: how many, and the sum of their amounts.
type Contents = BTreeMap<Subject, (i64, i64)>;

impl Writer {
    pub(super) fn new(office: Arc<Office>, random: Rng) -> Self {
        Self {
            office,
            random,
            connection: None,
        }
    }

    /// Writes until it is told to stop.
    ///
    /// # Errors
    ///
    /// If a statement is wrong. That the database is not there is none.
    pub(super) async fn run(mut self, stopping: watch::Receiver<bool>) -> Result<()> {
        while !*stopping.borrow() {
            let kinds = self.office.dialect.kinds(self.office.may_be_wide());
            let kind = kinds[self.random.usize(0..kinds.len())];
            let plan = kind.plan(self.office.dialect, &mut self.random);
            match self.execute(&plan).await {
                Ok(commit) => self.office.ledger.note(kind, commit),
                Err(error) => {
                    // Whether it was committed is not known, and its connection may be in the middle of it.
                    self.connection = None;
                    self.office.ledger.note_failure();
                    if !is_expected(&error) {
                        return Err(error).with_context(|| format!("{plan:?}"));
                    }
                    sleep(AGAIN).await;
                }
            }
            sleep(self.pause()).await;
        }
        Ok(())
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(PAUSE))
    }

    /// Returns what was committed, if that has changed anything.
    async fn execute(&mut self, plan: &Plan) -> Result<Option<Commit>, sqlx::Error> {
        let is_postgres = self.office.dialect.database == Database::Postgres;
        // Of SQLite it would have everybody else wait.
        let is_slow = is_postgres && self.random.u8(0..8) == 0;
        let pause = self.pause();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(AnyConnection::connect(&self.office.url).await?),
        };
        let mut subjects = plan.subjects.clone();
        subjects.sort_unstable();
        subjects.dedup();
        run(connection, if is_postgres { "BEGIN" } else { "BEGIN IMMEDIATE" }).await?;
        if is_postgres {
            // In one order, so that no two wait for each other. From here on the rows of these subjects are this transaction's.
            let lock = format!(
                "SELECT version FROM versions WHERE subject IN ({}) ORDER BY subject FOR UPDATE",
                keys(&subjects)
            );
            run(connection, &lock).await?;
        }
        let before = contents(connection, &subjects).await?;
        for statement in &plan.statements {
            run(connection, statement).await?;
            if is_slow {
                sleep(pause).await;
            }
        }
        if !plan.commits {
            run(connection, "ROLLBACK").await?;
            return Ok(None);
        }
        let after = contents(connection, &subjects).await?;
        subjects.retain(|subject| before.get(subject) != after.get(subject));
        if subjects.is_empty() {
            run(connection, "COMMIT").await?;
            return Ok(None);
        }
        let mut versions = raise(connection, &subjects).await?;
        if is_slow {
            sleep(pause).await;
        }
        // Last, since all writers want it.
        versions.extend(raise(connection, &[Subject::Total]).await?);
        run(connection, "COMMIT").await?;
        Ok(Some(Commit {
            at: Moment::now(),
            versions,
        }))
    }
}

/// Whether that is the database's being away, or somebody else's being in the way.
fn is_expected(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_));
    };
    let code = error.code().unwrap_or_default();
    // It is being ended or started; it has found a deadlock; the file is locked.
    code.starts_with("57P") || code == "40P01" || matches!(&*code, "5" | "261" | "517")
}

async fn run(connection: &mut AnyConnection, statement: &str) -> Result<(), sqlx::Error> {
    let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
    connection.execute(statement).await.map(|_| ())
}

fn keys(subjects: &[Subject]) -> String {
    let keys: Vec<String> = subjects.iter().map(|&subject| format!("'{}'", key(subject))).collect();
    keys.join(", ")
}

/// Raises the versions, and returns them.
async fn raise(connection: &mut AnyConnection, subjects: &[Subject]) -> Result<Vec<(Subject, u64)>, sqlx::Error> {
    let sql = format!(
        "UPDATE versions SET version = version + 1 WHERE subject IN ({}) RETURNING subject, version",
        keys(subjects)
    );
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    let mut versions = Vec::new();
    for row in rows {
        let (raised, version): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        let subject = subjects.iter().find(|&&subject| key(subject) == raised);
        versions.extend(subject.map(|&subject| (subject, version.unsigned_abs())));
    }
    Ok(versions)
}

/// What the rows of these subjects are.
async fn contents(connection: &mut AnyConnection, subjects: &[Subject]) -> Result<Contents, sqlx::Error> {
    let mut contents = Contents::new();
    for (table, subject) in [
        ("entries", Subject::Item as fn(u32) -> Subject),
        ("events", Subject::Events),
    ] {
        let wanted: Vec<u32> = (OTHERS..=ITEMS)
            .filter(|&item| subjects.contains(&subject(item)))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let items: Vec<String> = wanted.iter().map(u32::to_string).collect();
        let items = items.join(", ");
        let others = if wanted.contains(&OTHERS) {
            format!(" OR item IS NULL OR item > {ITEMS}")
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT CASE WHEN item BETWEEN 1 AND {ITEMS} THEN item ELSE {OTHERS} END AS of_item, count(*),
                 CAST(sum(amount) AS bigint)
             FROM {table} WHERE item IN ({items}){others} GROUP BY of_item"
        );
        for row in connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await? {
            let item: i64 = row.try_get(0)?;
            let item = u32::try_from(item).unwrap_or(OTHERS);
            contents.insert(subject(item), (row.try_get(1)?, row.try_get(2)?));
        }
    }
    Ok(contents)
}
