//! Invalidations that wait for a commit.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Cache, context, invalidate::Invalidation};

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
        unfinished.rolled_back();
    }
    result
}

/// What the mutations of a transaction have noted, by cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransactionLog(Arc<Mutex<Vec<(Cache, Invalidation)>>>);

impl TransactionLog {
    pub(crate) fn note(&self, cache: Cache, invalidation: Invalidation) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match noted
            .iter_mut()
            .find(|(other, _)| Arc::ptr_eq(&other.inner, &cache.inner))
        {
            Some((_, all)) => all.merge(invalidation),
            None => noted.push((cache, invalidation)),
        }
    }

    /// Takes out what was noted for one cache.
    fn pop(&self) -> Option<(Cache, Invalidation)> {
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
        while let Some((cache, invalidation)) = self.log.pop() {
            match &self.outer {
                Some(outer) => outer.note(cache, invalidation),
                // Pending or not, the transaction's own result is what its caller gets.
                None => drop(cache.inner.apply(invalidation).await),
            }
        }
    }

    fn rolled_back(self) {
        while self.log.pop().is_some() {}
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        while let Some((cache, invalidation)) = self.log.pop() {
            cache.inner.apply_later(invalidation);
        }
    }
}
