//! What a task carries with it: its cache, its tenant, its observer.

use std::{fmt::Display, sync::Arc};

use arc_swap::ArcSwapOption;

use crate::{
    Cache,
    builder::Settings,
    cache::Inner,
    key::{DEFAULT_TENANT, escape},
    observe::Observer,
    transaction::TransactionLog,
};

tokio::task_local! {
    static CONTEXT: Context;
}

static INSTALLED: ArcSwapOption<Inner> = ArcSwapOption::const_empty();

/// What a task carries with it. Tasks that it spawns start without.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    pub(crate) cache: Option<Cache>,
    /// Escaped.
    pub(crate) tenant: Option<Arc<str>>,
    pub(crate) observer: Option<Observer>,
    pub(crate) transaction: Option<TransactionLog>,
}

pub(crate) fn current() -> Context {
    CONTEXT.try_with(Clone::clone).unwrap_or_default()
}

pub(crate) async fn scope<F: Future>(context: Context, future: F) -> F::Output {
    CONTEXT.scope(context, future).await
}

pub(crate) fn install(cache: &Cache) {
    INSTALLED.store(Some(Arc::clone(&cache.inner)));
}

/// The task's cache, else the installed one.
pub(crate) fn cache() -> Option<Cache> {
    CONTEXT
        .try_with(|context| context.cache.clone())
        .ok()
        .flatten()
        .or_else(|| INSTALLED.load_full().map(|inner| Cache { inner }))
}

/// The task's tenant, escaped.
pub(crate) fn tenant() -> Option<Arc<str>> {
    CONTEXT.try_with(|context| context.tenant.clone()).ok().flatten()
}

/// As [`tenant`], else the default one; `None` where a tenant is required.
pub(crate) fn tenant_or_default(settings: &Settings) -> Option<String> {
    match tenant() {
        Some(tenant) => Some(tenant.to_string()),
        None if settings.require_tenant => None,
        None => Some(DEFAULT_TENANT.to_owned()),
    }
}

pub(crate) fn observer() -> Option<Observer> {
    CONTEXT.try_with(|context| context.observer.clone()).ok().flatten()
}

/// The transaction that the task is in.
pub(crate) fn transaction() -> Option<TransactionLog> {
    CONTEXT.try_with(|context| context.transaction.clone()).ok().flatten()
}

/// Runs a future in which `tenant` is the current tenant: what `#[cached]` and `#[invalidates]` use when neither the
/// attribute nor an argument `tenant_id` names one.
///
/// Tasks that the future spawns do not inherit it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let answer = cache_runtime::with_tenant("client-a", async { 42 }).await;
/// # assert_eq!(answer, 42); }
/// ```
pub async fn with_tenant<F: Future>(tenant: impl Display, future: F) -> F::Output {
    scope(
        Context {
            tenant: Some(escape(&tenant).into()),
            ..current()
        },
        future,
    )
    .await
}

/// Runs a future in which `cache` is the cache, whatever is installed: so that tests run in parallel, each with a cache of
/// its own, and functions under test need no change.
///
/// Tasks that the future spawns do not inherit it.
pub async fn with_cache<F: Future>(cache: Cache, future: F) -> F::Output {
    scope(
        Context {
            cache: Some(cache),
            ..current()
        },
        future,
    )
    .await
}
