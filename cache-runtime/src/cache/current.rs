//! The cache that a task uses: one of its own, else the installed one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwapOption, Guard};

use super::{Cache, Engine};
use crate::task::{ContextPart, look, scope};

static INSTALLED: ArcSwapOption<Engine> = ArcSwapOption::const_empty();

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
    /// Replaces the one installed before.
    pub fn install(&self) {
        self.introduce();
        INSTALLED.store(Some(Arc::clone(&self.engine)));
    }
}

/// The cache that a call uses.
#[derive(Debug)]
pub(crate) enum CurrentCache {
    /// Named by the attribute or carried by the task.
    Own(Cache),
    /// The installed one, if there is one, without a share in it: nothing that all threads write to is touched.
    Installed(Guard<Option<Arc<Engine>>>),
}

impl CurrentCache {
    /// This one, else the installed one.
    pub(crate) fn of(own: Option<Cache>) -> Self {
        own.map_or_else(|| Self::Installed(INSTALLED.load()), Self::Own)
    }

    pub(crate) fn engine(&self) -> Option<&Arc<Engine>> {
        match self {
            Self::Own(cache) => Some(&cache.engine),
            Self::Installed(installed) => installed.as_ref(),
        }
    }

    /// The cache, to keep for longer than a look.
    pub(crate) fn into_cache(self) -> Option<Cache> {
        match self {
            Self::Own(cache) => Some(cache),
            Self::Installed(installed) => Guard::into_inner(installed).map(|engine| Cache { engine }),
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
