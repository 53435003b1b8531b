//! What a task carries with it. What that may be, and what becomes of it, each owner says: this module only carries.

use std::{
    any::{Any, TypeId},
    cell::Cell,
    fmt::Debug,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{self, Poll},
};

use pin_project_lite::pin_project;
use tokio::task::{JoinHandle, futures::TaskLocalFuture};

tokio::task_local! {
    static CONTEXT: Arc<OnceLock<Context>>;
}

thread_local! {
    /// How many futures with a context of their own the thread is polling, one inside of the other. Looked at first, because it
    /// costs next to nothing.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Something that a task carries, one of each type.
pub(crate) trait ContextPart: Any + Debug + Send + Sync {
    /// As a task has it that is spawned in this context; `None` where it is left behind. What is over should be: tasks that
    /// spawn one another for ever carry no more and more then.
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>>;

    /// Whether work has it that goes on when its caller has gone, and that nobody waits for.
    fn outlives_caller(&self) -> bool {
        true
    }
}

/// What a task carries with it. Tasks that it spawns start without, unless it is carried on to them ([`spawn`]).
#[derive(Debug, Clone, Default)]
pub(crate) struct Context(Vec<(TypeId, Arc<dyn ContextPart>)>);

impl Context {
    /// What is carried of this type.
    pub(crate) fn get<T: ContextPart>(&self) -> Option<&T> {
        let (_, carried) = self.0.iter().find(|(ty, _)| *ty == TypeId::of::<T>())?;
        (&**carried as &dyn Any).downcast_ref()
    }

    /// Carries this in the place of what was carried of its type.
    pub(crate) fn set<T: ContextPart>(&mut self, carried: T) {
        let carried: (TypeId, Arc<dyn ContextPart>) = (TypeId::of::<T>(), Arc::new(carried));
        match self.0.iter_mut().find(|(ty, _)| *ty == carried.0) {
            Some(before) => *before = carried,
            None => self.0.push(carried),
        }
    }

    /// What a task gets that is spawned in this context.
    fn spawned(&self) -> Self {
        let parts = self.0.iter();
        Self(
            parts
                .filter_map(|(ty, part)| Some((*ty, Arc::clone(part).spawned()?)))
                .collect(),
        )
    }
}

/// Whether the task may carry anything.
#[inline]
pub(crate) fn carries_anything() -> bool {
    DEPTH.get() > 0
}

/// Looks at what the task carries, if it carries anything.
#[inline]
pub(crate) fn look<R>(look: impl FnOnce(&Context) -> Option<R>) -> Option<R> {
    if carries_anything() { look_closer(look) } else { None }
}

/// Apart, so that [`look`] is short enough to be made part of whoever looks.
#[inline(never)]
fn look_closer<R>(look: impl FnOnce(&Context) -> Option<R>) -> Option<R> {
    CONTEXT.try_with(|context| context.get().and_then(look)).ok().flatten()
}

pin_project! {
    /// A future with a context that differs from the one around it. The difference is applied when it is first polled, to
    /// the context that is around it *then*. It adds nothing to the size of the future but a few words.
    pub(crate) struct ScopedFuture<F, C> {
        change: Option<C>,
        context: Arc<OnceLock<Context>>,
        // `Some` until it is dropped.
        #[pin]
        inner: Option<TaskLocalFuture<Arc<OnceLock<Context>>, F>>,
    }

    impl<F, C> PinnedDrop for ScopedFuture<F, C> {
        fn drop(this: Pin<&mut Self>) {
            // What is dropped half-way is dropped in its context.
            let _deeper = Deeper::begin();
            this.project().inner.set(None);
        }
    }
}

/// Runs a future in a context changed by `change`.
pub(crate) fn scope<F: Future, C: FnOnce(&mut Context)>(future: F, change: C) -> ScopedFuture<F, C> {
    let context: Arc<OnceLock<Context>> = Arc::default();
    ScopedFuture {
        change: Some(change),
        inner: Some(CONTEXT.scope(Arc::clone(&context), future)),
        context,
    }
}

impl<F: Future, C: FnOnce(&mut Context)> Future for ScopedFuture<F, C> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(change) = this.change.take() {
            this.context.get_or_init(|| changed(change));
        }
        let _deeper = Deeper::begin();
        let inner = this.inner.as_pin_mut();
        inner.expect("not polled while it is dropped").poll(cx)
    }
}

/// A context that differs from the one around it, for what is polled by hand.
pub(crate) struct Surroundings(Arc<OnceLock<Context>>);

impl Surroundings {
    /// The context of the task that calls this, changed by `change`.
    pub(crate) fn new(change: impl FnOnce(&mut Context)) -> Self {
        Self(Arc::new(OnceLock::from(changed(change))))
    }

    /// Runs this in the context.
    pub(crate) fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let _deeper = Deeper::begin();
        CONTEXT.sync_scope(Arc::clone(&self.0), run)
    }
}

/// The context of the task that calls this, changed by `change`.
fn changed(change: impl FnOnce(&mut Context)) -> Context {
    let mut context = look(|context| Some(context.clone())).unwrap_or_default();
    change(&mut context);
    context
}

/// One level of [`DEPTH`], until it is dropped: a future may panic.
struct Deeper(());

impl Deeper {
    fn begin() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self(())
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// As [`tokio::spawn`], with what the task that calls it carries: its cache, its tenant, and whatever observes it
/// ([`observe`](crate::cache::observe)).
///
/// A task that is spawned by [`tokio::spawn`] has none of it: a service with many tenants would read and invalidate those of
/// the tenant `default` there. For other ways to spawn there is [`in_current_context`].
///
/// The task also knows the load whose body has spawned it, which may wait for it: its calls do not wait for that load. And it
/// knows the mutations and the [`transaction`](crate::mutation::transaction) that it was spawned in, for as long as these last: what
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
        Self(look(|context| Some(context.spawned())).unwrap_or_default())
    }

    /// As [`current`](Self::current), for work that goes on when the task has gone.
    pub(crate) fn outliving() -> Self {
        let Self(mut context) = Self::current();
        context.0.retain(|(_, part)| part.outlives_caller());
        Self(context)
    }

    /// Runs a future, wherever it is polled, with what was carried.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let carried = self.0.spawned();
        scope(future, move |context| *context = carried)
    }
}
