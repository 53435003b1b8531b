//! Invalidations that wait for a commit.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Cache, context, hold::Hold, invalidate::Invalidation};

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
/// Tasks that the future spawns are not part of it.
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
    let unfinished = Unfinished {
        log: log.clone(),
        outer: context::transaction(),
    };
    let result = context::scope(future, move |context| context.transaction = Some(log)).await;
    if result.is_ok() {
        unfinished.committed().await;
    } else {
        unfinished.rolled_back().await;
    }
    result
}

/// What the mutations of a transaction have noted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransactionLog(Arc<Mutex<Vec<Noted>>>);

/// What was noted for one cache.
#[derive(Debug)]
struct Noted {
    cache: Cache,
    invalidation: Invalidation,
    /// Of the mutations of `crash_safe` resources; left only after the invalidation.
    holds: Vec<Hold>,
}

impl TransactionLog {
    pub(crate) fn note(&self, cache: Cache, invalidation: Invalidation, holds: impl IntoIterator<Item = Hold>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match noted
            .iter_mut()
            .find(|noted| Arc::ptr_eq(&noted.cache.inner, &cache.inner))
        {
            Some(noted) => {
                noted.invalidation.merge(invalidation);
                noted.holds.extend(holds);
            }
            None => noted.push(Noted {
                cache,
                invalidation,
                holds: holds.into_iter().collect(),
            }),
        }
    }

    /// Takes out what was noted for one cache.
    fn pop(&self) -> Option<Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// A transaction whose outcome is not known yet. Dropped so, everything it noted is invalidated.
struct Unfinished {
    log: TransactionLog,
    outer: Option<TransactionLog>,
}

impl Unfinished {
    async fn committed(self) {
        while let Some(Noted {
            cache,
            invalidation,
            holds,
        }) = self.log.pop()
        {
            if let Some(outer) = &self.outer {
                outer.note(cache, invalidation, holds);
                continue;
            }
            // Pending or not, the transaction's own result is what its caller gets.
            cache.inner.apply(invalidation).await;
            release(holds).await;
        }
    }

    async fn rolled_back(self) {
        while let Some(noted) = self.log.pop() {
            release(noted.holds).await;
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        while let Some(noted) = self.log.pop() {
            noted.cache.inner.apply_later(noted.invalidation);
        }
    }
}

async fn release(holds: Vec<Hold>) {
    for hold in holds {
        hold.release().await;
    }
}
