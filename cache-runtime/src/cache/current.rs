//! The cache that a task uses: one of its own, else the installed one.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;

use super::{Cache, Engine};
use crate::task::{ContextPart, look, scope};

static INSTALLED: ArcSwapOption<Engine> = ArcSwapOption::const_empty();

/// How many caches have been installed.
static INSTALLATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The one that the thread has used last: it is taken by one call and put back by it, so that no call of an installed cache writes
    /// to anything that all threads look at.
    static LAST_USED: Cell<Option<Installed>> = const { Cell::new(None) };
}

/// The installed cache, and how many had been installed when it was looked for.
#[derive(Debug)]
struct Installed {
    engine: Arc<Engine>,
    installations: u64,
}

impl ContextPart for Cache {
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>> {
        Some(self)
    }
}

/// Runs a future in which `cache` is the cache, whatever is installed: so that tests run in parallel, each with a cache of
/// its own, and functions under test need no change.
///
/// Tasks that the future spawns do not inherit it, unless they are spawned by [`spawn`](crate::spawn).
pub fn with_cache<F: Future>(cache: Cache, future: F) -> impl Future<Output = F::Output> {
    scope(future, move |context| context.set(cache))
}

impl Cache {
    /// Makes this the cache of the process: what annotated functions use outside of [`with_cache`](crate::with_cache).
    /// Replaces the one installed before, of which each thread lets go with its next call.
    pub fn install(&self) {
        self.introduce();
        INSTALLED.store(Some(Arc::clone(&self.engine)));
        // After it: who sees the new number finds the new cache.
        INSTALLATIONS.fetch_add(1, Ordering::Release);
    }
}

/// The cache that a call uses.
#[derive(Debug)]
pub(crate) enum CurrentCache {
    /// Named by the attribute or carried by the task.
    Own(Cache),
    /// The installed one, if there is one.
    Installed(LentInstalled),
}

/// What the thread has used last, until the call is over.
#[derive(Debug)]
pub(crate) struct LentInstalled(Option<Installed>);

impl LentInstalled {
    #[inline]
    pub(crate) fn take() -> Self {
        let installations = INSTALLATIONS.load(Ordering::Acquire);
        let last_used = LAST_USED.try_with(Cell::take).ok().flatten();
        match last_used {
            Some(installed) if installed.installations == installations => Self(Some(installed)),
            // Also for a call inside of another one, as it is made where a value is copied.
            _ => Self::find(installations),
        }
    }

    #[inline]
    pub(crate) fn engine(&self) -> Option<&Arc<Engine>> {
        Some(&self.0.as_ref()?.engine)
    }

    #[cold]
    fn find(installations: u64) -> Self {
        Self(INSTALLED.load_full().map(|engine| Installed { engine, installations }))
    }
}

impl Drop for LentInstalled {
    #[inline]
    fn drop(&mut self) {
        if let Some(installed) = self.0.take() {
            // Where the thread is at its end it is dropped instead.
            _ = LAST_USED.try_with(|last_used| last_used.set(Some(installed)));
        }
    }
}

impl CurrentCache {
    /// This one, else the installed one.
    pub(crate) fn of(own: Option<Cache>) -> Self {
        own.map_or_else(|| Self::Installed(LentInstalled::take()), Self::Own)
    }

    pub(crate) fn engine(&self) -> Option<&Arc<Engine>> {
        match self {
            Self::Own(cache) => Some(&cache.engine),
            Self::Installed(installed) => installed.engine(),
        }
    }

    /// The cache, to keep for longer than a look.
    pub(crate) fn into_cache(self) -> Option<Cache> {
        match self {
            Self::Own(cache) => Some(cache),
            Self::Installed(lent) => {
                let engine = Arc::clone(lent.engine()?);
                Some(Cache { engine })
            }
        }
    }
}

/// The cache that is `named`, else the task's, else the installed one.
pub(crate) fn current_cache(named: Option<&Cache>) -> Option<Cache> {
    let own = named.cloned().or_else(|| look(|context| context.get().cloned()));
    CurrentCache::of(own).into_cache()
}

/// Says, the first time in this process, that a call has found no cache: nothing else shows it.
pub(crate) fn note_absent() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.load(Ordering::Relaxed) && !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "there is no cache: `Cache::install` was not called, and the task carries none. Calls run uncached, and mutations \
             invalidate nothing"
        );
    }
}
