//! What a task carries with it: its cache, its tenant, its observer.

use std::{
    borrow::Cow,
    fmt::Display,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{self, Poll},
};

use arc_swap::{ArcSwapOption, Guard};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;

use crate::{
    Cache,
    builder::Settings,
    cache::Inner,
    flight::Load,
    key::{DEFAULT_TENANT, escape},
    observe::Observer,
    transaction::TransactionLog,
};

tokio::task_local! {
    static CONTEXT: Arc<OnceLock<Context>>;
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
    /// The load whose body the task runs.
    pub(crate) load: Option<Arc<Load>>,
}

fn get<T>(part: impl FnOnce(&Context) -> Option<T>) -> Option<T> {
    CONTEXT.try_with(|context| context.get().and_then(part)).ok().flatten()
}

pin_project! {
    /// A future with a context that differs from the one around it. The difference is applied when it is first polled, to
    /// the context that is around it *then*. It adds nothing to the size of the future but a few words.
    pub(crate) struct Scoped<F, C> {
        change: Option<C>,
        context: Arc<OnceLock<Context>>,
        #[pin]
        inner: TaskLocalFuture<Arc<OnceLock<Context>>, F>,
    }
}

/// Runs a future in a context changed by `change`.
pub(crate) fn scope<F: Future, C: FnOnce(&mut Context)>(future: F, change: C) -> Scoped<F, C> {
    let context: Arc<OnceLock<Context>> = Arc::default();
    Scoped {
        change: Some(change),
        inner: CONTEXT.scope(Arc::clone(&context), future),
        context,
    }
}

impl<F: Future, C: FnOnce(&mut Context)> Future for Scoped<F, C> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(change) = this.change.take() {
            this.context.get_or_init(|| {
                let mut context = get(|around| Some(around.clone())).unwrap_or_default();
                change(&mut context);
                context
            });
        }
        this.inner.poll(cx)
    }
}

pub(crate) fn install(cache: &Cache) {
    INSTALLED.store(Some(Arc::clone(&cache.inner)));
}

/// The cache that a call uses.
#[derive(Debug)]
pub(crate) enum CurrentCache {
    /// Named by the attribute or carried by the task.
    Own(Cache),
    /// The installed one, if there is one, without a share in it: nothing that all threads write to is touched.
    Installed(Guard<Option<Arc<Inner>>>),
}

impl CurrentCache {
    /// The task's cache, else the installed one.
    pub(crate) fn of_task() -> Self {
        match get(|context| context.cache.clone()) {
            Some(cache) => Self::Own(cache),
            None => Self::Installed(INSTALLED.load()),
        }
    }

    pub(crate) fn inner(&self) -> Option<&Arc<Inner>> {
        match self {
            Self::Own(cache) => Some(&cache.inner),
            Self::Installed(installed) => installed.as_ref(),
        }
    }

    /// The cache, to keep for longer than a look.
    pub(crate) fn into_cache(self) -> Option<Cache> {
        match self {
            Self::Own(cache) => Some(cache),
            Self::Installed(installed) => Guard::into_inner(installed).map(|inner| Cache { inner }),
        }
    }
}

/// The task's cache, else the installed one.
pub(crate) fn cache() -> Option<Cache> {
    CurrentCache::of_task().into_cache()
}

/// The task's tenant, escaped.
pub(crate) fn tenant() -> Option<Arc<str>> {
    get(|context| context.tenant.clone())
}

/// As [`tenant`], else the default one; `None` where a tenant is required.
pub(crate) fn tenant_or_default(settings: &Settings) -> Option<Cow<'static, str>> {
    match tenant() {
        Some(tenant) => Some(tenant.to_string().into()),
        None if settings.require_tenant => None,
        None => Some(DEFAULT_TENANT.into()),
    }
}

pub(crate) fn observer() -> Option<Observer> {
    get(|context| context.observer.clone())
}

/// Whether the task is in a transaction.
pub(crate) fn is_in_transaction() -> bool {
    get(|context| context.transaction.as_ref().map(|_| ())).is_some()
}

/// The transaction that the task is in.
pub(crate) fn transaction() -> Option<TransactionLog> {
    get(|context| context.transaction.clone())
}

/// The load whose body the task runs.
pub(crate) fn load() -> Option<Arc<Load>> {
    get(|context| context.load.clone())
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
pub fn with_tenant<F: Future>(tenant: impl Display, future: F) -> impl Future<Output = F::Output> {
    let tenant: Arc<str> = escape(&tenant).into();
    scope(future, move |context| context.tenant = Some(tenant))
}

/// Runs a future in which `cache` is the cache, whatever is installed: so that tests run in parallel, each with a cache of
/// its own, and functions under test need no change.
///
/// Tasks that the future spawns do not inherit it.
pub fn with_cache<F: Future>(cache: Cache, future: F) -> impl Future<Output = F::Output> {
    scope(future, move |context| context.cache = Some(cache))
}
