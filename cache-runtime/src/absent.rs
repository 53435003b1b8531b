//! That a program has no cache at all: said once, because nothing else shows it.

use std::sync::atomic::{AtomicBool, Ordering};

static SAID: AtomicBool = AtomicBool::new(false);

/// Says, the first time in this process, that a call has found no cache.
pub(crate) fn note() {
    if !SAID.load(Ordering::Relaxed) && !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "there is no cache: `Cache::install` was not called, and the task carries none. Calls run uncached, and mutations \
             invalidate nothing"
        );
    }
}
