//! Modes of a task: what the calls made inside of a future take from the cache, and what they leave there.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;

use crate::{
    sync::{
        Arc, Notify,
        atomic::{AtomicBool, Ordering},
    },
    task::{self, ContextPart, scope},
};

/// Runs a future in which every call of a `#[cached]` function loads anew and fills, whatever is stored: what a client asks for with
/// `Cache-Control: no-cache`.
///
/// Such a call is joined with no load that began before it, and begins one of its own: a hundred refreshes at once are a hundred
/// loads, so do not let everybody ask for one. What it loads replaces the entry, under stamps that are read before the load as ever,
/// and the value that this process keeps with `near`; a load under way that began before it fills no more. Calls outside that miss
/// meanwhile wait for its load. Where the call's result is not stored (an error, `unless`, a store that does not answer) the entry stays
/// as it is. Values that other processes keep with `near` stay, too: to make those unusable, invalidate.
///
/// Calls inside of the bodies load anew as well. [`Outcome::Refreshed`](crate::Outcome::Refreshed) is what became of them. Inside of a
/// [`transaction`](crate::transaction) nothing is filled, and the outcome is `bypass`, as ever.
///
/// Of [`refresh`], [`bypass`] and [`peek`] inside one another the innermost counts. Tasks that the future spawns by
/// [`spawn`](crate::spawn) inherit it. [Values by key](crate::Cache::get) are not calls.
///
/// ```
/// # mod cache_resources { cache_runtime::resources! { rates { ttl = 60 } } }
/// # use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
/// # static DATABASE: AtomicU32 = AtomicU32::new(1);
/// #[cache_runtime::cached(resource = "rates")]
/// async fn rate() -> u32 {
///     DATABASE.load(SeqCst)
/// }
///
/// async fn handler(no_cache: bool) -> u32 {
///     if no_cache { cache_runtime::refresh(rate()).await } else { rate().await }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # cache_runtime::Cache::builder().build().install();
/// assert_eq!(handler(false).await, 1);
/// DATABASE.store(2, SeqCst); // somebody else has written to it, and nobody was told
/// assert_eq!(handler(false).await, 1);
/// assert_eq!(handler(true).await, 2);
/// assert_eq!(handler(false).await, 2);
/// # }
/// ```
pub fn refresh<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(future, |context| context.set(Mode::new(Kind::Refresh)))
}

/// Runs a future in which every call of a `#[cached]` function runs its body: nothing is read, nothing is filled, and no load is shared.
/// For a look past the cache, as a check or a migration takes it, that must leave no trace there.
///
/// [`Outcome::Bypass`](crate::Outcome::Bypass) is what became of the calls. Modes inside one another and spawned tasks are as for
/// [`refresh`].
///
/// ```
/// # mod cache_resources { cache_runtime::resources! { rates { ttl = 60 } } }
/// # use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
/// # static DATABASE: AtomicU32 = AtomicU32::new(1);
/// # #[cache_runtime::cached(resource = "rates")]
/// # async fn rate() -> u32 {
/// #     DATABASE.load(SeqCst)
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # cache_runtime::Cache::builder().build().install();
/// assert_eq!(rate().await, 1);
/// DATABASE.store(2, SeqCst);
/// assert_eq!(cache_runtime::bypass(rate()).await, 2);
/// assert_eq!(rate().await, 1);
/// # }
/// ```
pub fn bypass<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(future, |context| context.set(Mode::new(Kind::Bypass)))
}

/// Runs a future as long as the cache answers its calls of `#[cached]` functions, and returns what it returned; `None` as soon as one
/// would have to load: what a client asks for with `Cache-Control: only-if-cached`.
///
/// No body runs and no load is waited for. The call that would have to load never returns: the future is dropped where it stands. So do
/// not run a future that must not be left half-way. A value past its time-to-live may be what is given, where its function has
/// `stale_while_revalidate`; nothing is loaded in its place.
///
/// What became of the calls is what they found: [`Outcome::Miss`](crate::Outcome::Miss) is that of the one that ended it.
///
/// Of [`refresh`], [`bypass`] and [`peek`] inside one another the innermost counts: inside of `peek(refresh(…))` bodies do run. Tasks
/// that the future spawns by [`spawn`](crate::spawn) are part of it for as long as it lasts: a call in one of them that would have to load
/// ends it, too. A task that lives on after it, because nobody has aborted it, goes on without it, and loads; those of a
/// [`JoinSet`](tokio::task::JoinSet) that the future owns are aborted with it.
///
/// ```
/// # mod cache_resources { cache_runtime::resources! { rates { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "rates")]
/// # async fn rate() -> u32 { 1 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # cache_runtime::Cache::builder().build().install();
/// // `504 Gateway Timeout` is what HTTP has for this.
/// assert_eq!(cache_runtime::peek(rate()).await, None);
/// rate().await;
/// assert_eq!(cache_runtime::peek(rate()).await, Some(1));
/// # }
/// ```
pub fn peek<F: Future>(future: F) -> impl Future<Output = Option<F::Output>> {
    let mode = Mode::new(Kind::Peek(Look::default()));
    let look = LookInProgress(mode.clone());
    PeekFuture {
        inner: Some(scope(future, |context| context.set(mode))),
        look,
    }
}

/// What the calls of a task take from the cache and leave there, where that is not as usual. One word, since every call has room for it.
#[derive(Debug, Clone)]
pub(super) struct Mode(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Refresh,
    Bypass,
    Peek(Look),
}

impl Mode {
    fn new(kind: Kind) -> Self {
        Self(Arc::new(kind))
    }

    /// The innermost one that is not over.
    pub(super) fn of(context: &task::Context) -> Option<Self> {
        context.get().filter(|mode: &&Self| !mode.is_over()).cloned()
    }

    /// Whether the task has a mode, over or not.
    pub(super) fn is_set(context: &task::Context) -> bool {
        context.get::<Self>().is_some()
    }

    pub(super) fn is_refresh(&self) -> bool {
        matches!(*self.0, Kind::Refresh)
    }

    pub(super) fn is_bypass(&self) -> bool {
        matches!(*self.0, Kind::Bypass)
    }

    pub(super) fn is_peek(&self) -> bool {
        self.look().is_some()
    }

    /// To be awaited before a call loads, or waits for a load: it does not come back where the task only looks what is there.
    pub(super) async fn before_load(this: Option<&Self>) {
        if let Some(look) = this.and_then(Self::look) {
            // Boxed: every call has room for this.
            Box::pin(look.miss()).await;
        }
    }

    fn look(&self) -> Option<&Look> {
        match &*self.0 {
            Kind::Peek(look) => Some(look),
            Kind::Refresh | Kind::Bypass => None,
        }
    }

    fn is_over(&self) -> bool {
        self.look().is_some_and(Look::is_over)
    }
}

impl ContextPart for Mode {
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>> {
        (!self.is_over()).then_some(self as _)
    }
}

/// One [`peek`], as its calls share it with the future around them.
#[derive(Debug, Default)]
struct Look {
    /// Whether a call would have had to load.
    missed: AtomicBool,
    /// Wakes the future around: the call may be one of another task.
    owner: AtomicWaker,
    over: AtomicBool,
    ended: Notify,
}

impl Look {
    /// Whether the future has returned, or was dropped.
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends the look, for a call that would have to load. Returns, if ever, to a task that the look has left behind.
    async fn miss(&self) {
        self.missed.store(true, Ordering::SeqCst);
        self.owner.wake();
        loop {
            // Made before the look at the flag, so that an end in between is not missed.
            let ended = self.ended.notified();
            if self.is_over() {
                return;
            }
            ended.await;
        }
    }

    fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.ended.notify_waiters();
    }
}

/// A look whose future has not been dropped.
struct LookInProgress(Mode);

impl LookInProgress {
    fn look(&self) -> &Look {
        self.0.look().expect("it is one of `peek`")
    }
}

impl Drop for LookInProgress {
    fn drop(&mut self) {
        self.look().end();
    }
}

pin_project! {
    struct PeekFuture<F> {
        // `Some` until it has ended. Before `look`, and so dropped before that is over: what aborts its tasks when it is dropped
        // does so before any of them goes on.
        #[pin]
        inner: Option<F>,
        look: LookInProgress,
    }
}

impl<F: Future> Future for PeekFuture<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let look = this.look.look();
        look.owner.register(cx.waker());
        let inner = this.inner.as_mut().as_pin_mut();
        let polled = inner.expect("not polled once it has returned").poll(cx);
        let found = match polled {
            // Also if the future has gone another way meanwhile: it was not answered by the cache alone.
            _ if look.missed.load(Ordering::SeqCst) => None,
            Poll::Ready(output) => Some(output),
            Poll::Pending => return Poll::Pending,
        };
        this.inner.set(None);
        look.end();
        Poll::Ready(found)
    }
}
