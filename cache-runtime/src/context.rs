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
use tokio::task::{JoinHandle, futures::TaskLocalFuture};

use crate::{
    Cache,
    builder::Settings,
    cache::Inner,
    changing::Changing,
    flight::Load,
    key::{self, DEFAULT_TENANT, escape},
    observe::Observer,
    transaction::TransactionLog,
};

tokio::task_local! {
    static CONTEXT: Arc<OnceLock<Context>>;
}

static INSTALLED: ArcSwapOption<Inner> = ArcSwapOption::const_empty();

/// What a task carries with it. Tasks that it spawns start without, unless it is carried on to them ([`spawn`]).
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    pub(crate) cache: Option<Cache>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) observer: Option<Observer>,
    pub(crate) transaction: Option<TransactionLog>,
    /// What the mutations that it is inside of are changing, the outermost first.
    pub(crate) changing: Vec<Arc<Changing>>,
    /// The load whose body the task runs.
    pub(crate) load: Option<Arc<Load>>,
}

/// A tenant, as a task carries it.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    /// `None` if it cannot be displayed.
    given: Option<Arc<str>>,
    escaped: Arc<str>,
}

/// How a call of a `#[cached]` function stands to what its task is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// The cache may answer it.
    Cached,
    /// The cache may answer it unless it depends on what a mutation around it is changing ([`is_changing`]).
    CachedUnlessChanging,
    /// Its body runs.
    Uncached,
}

impl Context {
    /// What a task gets that is spawned in this context. What is over is left behind, so that tasks which spawn one another for
    /// ever carry no more and more.
    fn carried(&self) -> Self {
        let mut carried = self.clone();
        carried.changing.retain(|changing| !changing.is_over());
        let transaction = carried.transaction.filter(TransactionLog::is_open);
        carried.transaction = transaction.as_ref().map(TransactionLog::carried);
        carried
    }

    fn reads(&self, resource: &str) -> Reads {
        if self.transaction.as_ref().is_some_and(TransactionLog::is_open) {
            // What is read inside a transaction may be seen by nobody else yet.
            Reads::Uncached
        } else if self.changing.iter().any(|changing| changing.names(resource)) {
            Reads::CachedUnlessChanging
        } else {
            Reads::Cached
        }
    }
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
    fn of_task() -> Self {
        Self::from_own(get(|context| context.cache.clone()))
    }

    /// The cache of a call: `named` by its attribute, else the task's, else the installed one; and how a call of `resource`
    /// stands to what the task is inside of. One look at the context for both.
    pub(crate) fn of_call(named: Option<&Cache>, resource: &str) -> (Self, Reads) {
        let (mut own, mut reads) = (named.cloned(), Reads::Cached);
        // Without a context there is nothing to add.
        let _ = CONTEXT.try_with(|context| {
            if let Some(context) = context.get() {
                own = own.take().or_else(|| context.cache.clone());
                reads = context.reads(resource);
            }
        });
        (Self::from_own(own), reads)
    }

    fn from_own(cache: Option<Cache>) -> Self {
        cache.map_or_else(|| Self::Installed(INSTALLED.load()), Self::Own)
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
    get(|context| context.tenant.as_ref().map(|tenant| Arc::clone(&tenant.escaped)))
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

/// Whether a mutation that the task is inside of is changing what depends on these stamps.
pub(crate) fn is_changing(stamps: &[String]) -> bool {
    let is_changing = |context: &Context| context.changing.iter().any(|changing| changing.touches(stamps));
    get(|context| Some(is_changing(context))).unwrap_or(false)
}

/// The transaction that the task is in.
pub(crate) fn transaction() -> Option<TransactionLog> {
    get(|context| context.transaction.clone()).filter(TransactionLog::is_open)
}

/// The load whose body the task runs.
pub(crate) fn load() -> Option<Arc<Load>> {
    get(|context| context.load.clone())
}

/// Runs a future in which `tenant` is the current tenant: what `#[cached]` and `#[invalidates]` use when neither the
/// attribute nor an argument `tenant_id` names one.
///
/// If the tenant's `Display` returns an error, nothing is cached inside, and what is invalidated is everything of all tenants.
///
/// Tasks that the future spawns do not inherit it, unless they are spawned by [`spawn`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let answer = cache_runtime::with_tenant("client-a", async { 42 }).await;
/// # assert_eq!(answer, 42); }
/// ```
pub fn with_tenant<F: Future>(tenant: impl Display, future: F) -> impl Future<Output = F::Output> {
    let tenant = Tenant {
        escaped: escape(&tenant).into(),
        given: key::shown(&tenant).map(Into::into),
    };
    scope(future, move |context| context.tenant = Some(tenant))
}

/// The tenant that [`with_tenant`] has set for the code that asks, as it was given there; `None` outside of any.
///
/// An attribute's `tenant`, or an argument `tenant_id`, says what the tenant of that one call is, and nothing here.
pub fn current_tenant() -> Option<Arc<str>> {
    get(|context| context.tenant.as_ref().and_then(|tenant| tenant.given.clone()))
}

/// As [`tokio::spawn`], with what the task that calls it carries: its cache, its tenant, and whatever observes it
/// ([`observe`](crate::observe)).
///
/// A task that is spawned by [`tokio::spawn`] has none of it: a service with many tenants would read and invalidate those of
/// the tenant `default` there. For other ways to spawn there is [`in_current_context`].
///
/// The task also knows the load whose body has spawned it, which may wait for it: its calls do not wait for that load. And it
/// knows the mutations and the [`transaction`](crate::transaction) that it was spawned in, for as long as these last: what
/// they are changing is not read from the cache. It is not part of them; what its own mutations name inside a transaction is
/// invalidated at once and again after the commit.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let tenant = cache_runtime::with_tenant("client-a", async {
///     cache_runtime::spawn(async { cache_runtime::current_tenant() }).await
/// });
/// assert_eq!(tenant.await.unwrap().as_deref(), Some("client-a"));
/// # }
/// ```
///
/// # Panics
///
/// Outside of a tokio runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(in_current_context(future))
}

/// Runs a future, wherever it is polled, with what the task that calls this function carries: for a `JoinSet`, another
/// runtime, or a thread. See [`spawn`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # cache_runtime::with_tenant("client-a", async {
/// let mut tasks = tokio::task::JoinSet::new();
/// tasks.spawn(cache_runtime::in_current_context(async { cache_runtime::current_tenant() }));
/// # assert_eq!(tasks.join_all().await[0].as_deref(), Some("client-a"));
/// # }).await }
/// ```
pub fn in_current_context<F: Future>(future: F) -> impl Future<Output = F::Output> {
    TaskContext::current().run(future)
}

/// What a task carries ([`spawn`]), kept for futures that come about elsewhere: the requests of a server, say, which its
/// framework spawns.
///
/// ```
/// # use cache_runtime::{TaskContext, current_tenant, with_tenant};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let context = with_tenant("client-a", async { TaskContext::current() }).await;
/// for _request in 0..2 {
///     let tenant = tokio::spawn(context.run(async { current_tenant() })).await.unwrap();
///     assert_eq!(tenant.as_deref(), Some("client-a"));
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TaskContext(Context);

impl TaskContext {
    /// What the task carries that calls this function.
    pub fn current() -> Self {
        Self(get(|context| Some(context.carried())).unwrap_or_default())
    }

    /// Runs a future, wherever it is polled, with what was carried.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let carried = self.0.carried();
        scope(future, move |context| *context = carried)
    }
}

/// Runs a future in which `cache` is the cache, whatever is installed: so that tests run in parallel, each with a cache of
/// its own, and functions under test need no change.
///
/// Tasks that the future spawns do not inherit it, unless they are spawned by [`spawn`].
pub fn with_cache<F: Future>(cache: Cache, future: F) -> impl Future<Output = F::Output> {
    scope(future, move |context| context.cache = Some(cache))
}
