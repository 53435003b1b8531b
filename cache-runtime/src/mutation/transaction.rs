//! Invalidations that wait for a commit.

use std::sync::Arc;

use super::hold::{self, Hold};
use crate::{
    cache::Cache,
    invalidation::Invalidation,
    sync::Mutex,
    task::{ContextPart, look, scope},
};

/// Runs a future in which mutations only note what they invalidate, and applies all of it, once, when the future has
/// returned `Ok`: after the commit, and not at all after a rollback.
///
/// For code that calls several `#[invalidates]` functions inside one database transaction. Without it each would invalidate
/// before the commit, and a read in between would store the old rows again.
///
/// - Calls of `#[cached]` functions inside run their bodies: they may see rows that nobody else sees yet, and what they load
///   is not stored.
/// - After `Err` nothing is invalidated. If the future is dropped or panics, whether it committed is unknown, so everything
///   noted so far is invalidated.
/// - A transaction inside a transaction hands what it noted to the outer one.
/// - Invalidations by hand ([`Cache::invalidate`](crate::Cache::invalidate)) inside are not held back.
///
/// A task that is spawned inside is not part of it. One that is spawned by [`spawn`](crate::spawn) knows of it for as long as
/// it lasts, since it may use the transaction's connection: its calls of `#[cached]` functions run their bodies, and what its
/// mutations name is invalidated at once and again after the commit.
///
/// ```
/// # mod cache_resources { cache_runtime::resources! { stock { ttl = 60 } orders { ttl = 60 } } }
/// # #[cache_runtime::invalidates("stock")] async fn take_from_stock() -> Result<(), std::io::Error> { Ok(()) }
/// # #[cache_runtime::invalidates("orders")] async fn place_order() -> Result<(), std::io::Error> { Ok(()) }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::io::Error> {
/// cache_runtime::transaction(async {
///     // begin ...
///     take_from_stock().await?;
///     place_order().await?;
///     // ... commit
///     Ok(())
/// })
/// .await
/// # }
/// ```
///
/// # Errors
///
/// Those of the future.
pub async fn transaction<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let log = TransactionLog::default();
    let unfinished = UnresolvedTransaction {
        log: log.clone(),
        outer: current(),
    };
    let result = scope(future, move |context| context.set(log)).await;
    if result.is_ok() {
        unfinished.committed().await;
    } else {
        unfinished.rolled_back().await;
    }
    result
}

/// What the mutations of a transaction have noted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransactionLog {
    log: Arc<Mutex<Log>>,
    /// Whether it is that of a task which the transaction has spawned ([`spawn`](crate::spawn)). Such a task may be part of
    /// the transaction, on its connection, or not: so its mutations are invalidated at once and after the commit.
    carried: bool,
}

#[derive(Debug, Default)]
struct Log {
    over: bool,
    noted: Vec<Note>,
}

/// What was noted for one cache.
#[derive(Debug)]
struct Note {
    cache: Cache,
    invalidation: Invalidation,
    /// Of the mutations of `crash_safe` resources; left only after the invalidation.
    holds: Vec<Hold>,
}

/// The transaction that the task is in.
pub(crate) fn current() -> Option<TransactionLog> {
    look(|context| context.get::<TransactionLog>().cloned()).filter(TransactionLog::is_open)
}

impl ContextPart for TransactionLog {
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>> {
        self.is_open().then(|| {
            Arc::new(Self {
                log: Arc::clone(&self.log),
                carried: true,
            }) as _
        })
    }
}

impl TransactionLog {
    /// Whether the transaction has not ended yet.
    pub(crate) fn is_open(&self) -> bool {
        !self.log.lock().over
    }

    /// Notes an invalidation, and takes the holds, unless the transaction is over. Returns whether it can wait for the commit.
    pub(crate) fn note(&self, cache: &Cache, invalidation: &Invalidation, holds: &mut Vec<Hold>) -> bool {
        let mut log = self.log.lock();
        if log.over {
            return false;
        }
        let noted = log.of(cache);
        noted.invalidation.merge(invalidation);
        noted.holds.append(holds);
        !self.carried
    }

    /// Nothing is noted from here on.
    fn end(&self) {
        self.log.lock().over = true;
    }

    /// Takes out what was noted for one cache.
    fn pop(&self) -> Option<Note> {
        self.log.lock().noted.pop()
    }
}

impl Log {
    fn of(&mut self, cache: &Cache) -> &mut Note {
        let is_of = |noted: &Note| Arc::ptr_eq(&noted.cache.engine, &cache.engine);
        let at = self.noted.iter().position(is_of).unwrap_or_else(|| {
            self.noted.push(Note {
                cache: cache.clone(),
                invalidation: Invalidation::new(&cache.engine.namespace),
                holds: Vec::new(),
            });
            self.noted.len() - 1
        });
        &mut self.noted[at]
    }
}

/// A transaction whose outcome is not known yet. Dropped so, everything it noted is invalidated.
struct UnresolvedTransaction {
    log: TransactionLog,
    outer: Option<TransactionLog>,
}

impl UnresolvedTransaction {
    async fn committed(self) {
        self.log.end();
        while let Some(noted) = self.log.pop() {
            let Note {
                cache,
                invalidation,
                mut holds,
            } = noted;
            let outer = self.outer.as_ref();
            if outer.is_some_and(|outer| outer.note(&cache, &invalidation, &mut holds)) {
                continue;
            }
            // Pending or not, the transaction's own result is what its caller gets.
            cache.engine.apply(invalidation).await;
            hold::release(holds).await;
        }
    }

    async fn rolled_back(self) {
        self.log.end();
        while let Some(noted) = self.log.pop() {
            hold::release(noted.holds).await;
        }
    }
}

impl Drop for UnresolvedTransaction {
    fn drop(&mut self) {
        self.log.end();
        while let Some(noted) = self.log.pop() {
            noted.cache.engine.apply_unfinished(noted.invalidation);
        }
    }
}
