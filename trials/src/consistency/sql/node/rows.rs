//! The cached reads.

use anyhow::{Result, ensure};
use cache_runtime::Cache;
use serde::{Deserialize, Serialize};
use sqlx::{AnyPool, Row as _};
use tokio::time::timeout;

use super::LOAD_DEADLINE;
use crate::consistency::{
    node::{Hit, Pace, Subject, found},
    options::Near,
    sql::tables::key,
};

mod resources {
    cache_runtime::resources! {
        item_entries { ttl = "1m", scope(item: u32) }
        item_events { ttl = "1m", scope(item: u32) }
        /// Of all items.
        overall { ttl = "1m" }

        table entries => item_entries(item), overall;
        table events => item_events(item), overall;
    }
}

/// What is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Value {
    pub(super) subject: Subject,
    pub(super) view: u32,
    pub(super) version: u64,
    /// Of the amounts.
    sum: i64,
}

/// The reads with one kind of near cache: an attribute takes its name and no variable.
macro_rules! reads {
    ($module:ident, $near:literal) => {
        mod $module {
            use anyhow::Result;
            use cache_runtime::cached;

            use super::{Rows, Subject, Value, resources};

            #[cached(resource = resources::item_entries, scope(item), skip(rows), near = $near)]
            pub(super) async fn entries(rows: &Rows, item: u32, view: u32) -> Result<Value> {
                rows.load(Subject::Item(item), view).await
            }

            #[cached(resource = resources::item_events, scope(item), skip(rows), near = $near)]
            pub(super) async fn events(rows: &Rows, item: u32, view: u32) -> Result<Value> {
                rows.load(Subject::Events(item), view).await
            }

            #[cached(resource = resources::overall, skip(rows), near = $near)]
            pub(super) async fn total(rows: &Rows, view: u32) -> Result<Value> {
                rows.load(Subject::Total, view).await
            }
        }
    };
}

reads!(off, "off");
reads!(tracked, "tracked");
reads!(checked, "checked");

/// The rows of a database, and what is cached of them.
pub(super) struct Rows {
    pool: AnyPool,
    near: Near,
    pace: Pace,
}

impl Rows {
    pub(super) fn new(pool: AnyPool, near: Near, pace: Pace) -> Self {
        Self { pool, near, pace }
    }

    /// Reads through the cache.
    pub(super) async fn read(&self, cache: &Cache, subject: Subject, view: u32) -> Result<(Value, Option<Hit>)> {
        let (value, hit) = cache_runtime::with_cache(cache.clone(), found(self.cached(subject, view))).await?;
        ensure!(
            value.subject == subject && value.view == view,
            "a read of {subject:?}, view {view}, was given {value:?}"
        );
        Ok((value, hit))
    }

    async fn cached(&self, subject: Subject, view: u32) -> Result<Value> {
        match (self.near, subject) {
            (Near::Off, Subject::Item(item)) => off::entries(self, item, view).await,
            (Near::Off, Subject::Events(item)) => off::events(self, item, view).await,
            (Near::Off, Subject::Total) => off::total(self, view).await,
            (Near::Tracked, Subject::Item(item)) => tracked::entries(self, item, view).await,
            (Near::Tracked, Subject::Events(item)) => tracked::events(self, item, view).await,
            (Near::Tracked, Subject::Total) => tracked::total(self, view).await,
            (Near::Checked, Subject::Item(item)) => checked::entries(self, item, view).await,
            (Near::Checked, Subject::Events(item)) => checked::events(self, item, view).await,
            (Near::Checked, Subject::Total) => checked::total(self, view).await,
        }
    }

    async fn load(&self, subject: Subject, view: u32) -> Result<Value> {
        self.pace.pause().await;
        let (version, sum) = timeout(LOAD_DEADLINE, self.select(subject)).await??;
        // Between load and fill: what makes an old value arrive late.
        self.pace.pause().await;
        Ok(Value {
            subject,
            view,
            version: version.unsigned_abs(),
            sum,
        })
    }

    /// In one statement, so that version and rows are those of one moment.
    async fn select(&self, subject: Subject) -> Result<(i64, i64), sqlx::Error> {
        let query = match subject {
            Subject::Item(item) => sqlx::query(
                "SELECT version, CAST((SELECT COALESCE(sum(amount), 0) FROM entries WHERE item = $2) AS bigint)
                 FROM versions WHERE subject = $1",
            )
            .bind(key(subject))
            .bind(i64::from(item)),
            Subject::Events(item) => sqlx::query(
                "SELECT version, CAST((SELECT COALESCE(sum(amount), 0) FROM events WHERE item = $2) AS bigint)
                 FROM versions WHERE subject = $1",
            )
            .bind(key(subject))
            .bind(i64::from(item)),
            Subject::Total => sqlx::query(
                "SELECT version, CAST((SELECT COALESCE(sum(amount), 0) FROM entries) AS bigint)
                 FROM versions WHERE subject = $1",
            )
            .bind(key(subject)),
        };
        let row = query.fetch_one(&self.pool).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}
