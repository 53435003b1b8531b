//! The database: SQLite or PostgreSQL, behind one counted door.
//!
//! Every statement of the services goes through [`Database`] or [`Transaction`], which count them; that is how the demo
//! knows how many queries the cache saved. The SQL itself is the same on both databases.

mod bulk;
mod connect;
mod dataset;
mod generate;
mod outbox;
mod row;
mod schema;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{Any, AnyPool, any::AnyArguments, query::QueryAs};

pub use connect::Target;
pub use dataset::{Books, Size, open};
pub use generate::TENANTS;
pub use outbox::Outbox;
pub use row::Row;
pub(crate) use row::read_from_row;

/// A statement with its arguments, and the type of its rows.
pub type Query<'q, T> = QueryAs<'q, Any, T, AnyArguments>;

/// A statement, to be given its arguments with `bind`.
pub fn query<'q, T: Row>(sql: &'static str) -> Query<'q, T> {
    sqlx::query_as(sql)
}

/// A pool of connections that counts the statements sent through it.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    queries: Arc<AtomicU64>,
}

impl Database {
    fn new(pool: AnyPool) -> Self {
        Self {
            pool,
            queries: Arc::default(),
        }
    }

    /// The same connections with a counter of their own, so that two services in one process can be told apart.
    #[must_use]
    pub fn counted_apart(&self) -> Self {
        Self::new(self.pool.clone())
    }

    /// How many statements have been sent.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn all<T: Row>(&self, query: Query<'_, T>) -> Result<Vec<T>, sqlx::Error> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        query.fetch_all(&self.pool).await
    }

    /// The one row of a query.
    ///
    /// # Errors
    /// Whatever the database reports, and that there is no row.
    pub async fn one<T: Row>(&self, query: Query<'_, T>) -> Result<T, sqlx::Error> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        query.fetch_one(&self.pool).await
    }

    /// The one row of a query, if there is one.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn optional<T: Row>(&self, query: Query<'_, T>) -> Result<Option<T>, sqlx::Error> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        query.fetch_optional(&self.pool).await
    }

    /// Begins a transaction. Its first statement should write: SQLite then waits for its turn at once, where a
    /// transaction that begins by reading could be refused later.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Ok(Transaction {
            inner: self.pool.begin().await?,
            queries: Arc::clone(&self.queries),
        })
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A transaction; rolled back when dropped before [`Transaction::commit`].
#[derive(Debug)]
#[must_use = "a dropped transaction is rolled back"]
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    queries: Arc<AtomicU64>,
}

impl Transaction {
    /// The one row of a query, or of a statement with `RETURNING`.
    ///
    /// # Errors
    /// Whatever the database reports, and that there is no row.
    pub async fn one<T: Row>(&mut self, query: Query<'_, T>) -> Result<T, sqlx::Error> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        query.fetch_one(&mut *self.inner).await
    }

    /// The one row of a query, or of a statement with `RETURNING`, if there is one.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn optional<T: Row>(&mut self, query: Query<'_, T>) -> Result<Option<T>, sqlx::Error> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        query.fetch_optional(&mut *self.inner).await
    }

    /// The next number of `counter`. Takes the counter's row, and with it the right to write, until the end of the
    /// transaction, so numbers have no gaps, as bookkeeping demands.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub async fn next_id(&mut self, counter: &str) -> Result<i64, sqlx::Error> {
        let sql = "UPDATE counters SET last_id = last_id + 1 WHERE name = $1 RETURNING last_id";
        self.one::<(i64,)>(query(sql).bind(counter)).await.map(|(id,)| id)
    }

    /// Makes everything done so far visible to everybody.
    ///
    /// # Errors
    /// Whatever the database reports; nothing is visible then.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }
}
