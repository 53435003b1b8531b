//! Whether the store is trusted: the breaker, and what may change its mind.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
};

/// Failures are weighed against successes over this long.
const WINDOW: Duration = Duration::from_secs(10);

/// With fewer operations than this in a window, only consecutive failures open the breaker.
const WINDOW_MINIMUM: u32 = 20;

const STARTING: u8 = 0;
const CLOSED: u8 = 1;
const OPEN: u8 = 2;

/// The breaker. Open, no call asks the store; only the keeper's background probe closes it again.
#[derive(Debug)]
pub(crate) struct Health {
    state: AtomicU8,
    consecutive: AtomicU32,
    operations: AtomicU32,
    failures: AtomicU32,
    window_began: Mutex<Instant>,
    opens_after: u32,
    /// How often it has opened.
    openings: AtomicU64,
    /// What the store is, for the log.
    store: String,
}

impl Health {
    /// `opens_after` consecutive failures open the breaker. Begins without trust: the first probe gives it, so a store that
    /// is not there at start-up costs no call anything.
    pub(crate) fn new(opens_after: u32, store: String) -> Self {
        Self {
            state: AtomicU8::new(STARTING),
            consecutive: AtomicU32::new(0),
            operations: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            window_began: Mutex::new(Instant::now()),
            opens_after: opens_after.max(1),
            openings: AtomicU64::new(0),
            store,
        }
    }

    /// Whether calls may ask the store.
    pub(crate) fn is_trusted(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSED
    }

    pub(crate) fn succeeded(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
        if self.consecutive.load(Ordering::Relaxed) != 0 {
            self.consecutive.store(0, Ordering::Relaxed);
        }
    }

    /// Takes a failed operation into account. Being out of memory is none: reads and invalidations go on.
    pub(crate) fn failed(&self, error: &StoreError) {
        match error.kind() {
            StoreErrorKind::OutOfMemory
            | StoreErrorKind::Other
            | StoreErrorKind::Unsupported
            | StoreErrorKind::Connecting => return,
            // Who cannot invalidate must not read; who may not read need not try.
            StoreErrorKind::RefusesWrites | StoreErrorKind::Denied => return self.open(error),
            StoreErrorKind::Unavailable | StoreErrorKind::Timeout => {}
        }
        let operations = self.operations.fetch_add(1, Ordering::Relaxed) + 1;
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let consecutive = self.consecutive.fetch_add(1, Ordering::Relaxed) + 1;
        if consecutive >= self.opens_after || (operations >= WINDOW_MINIMUM && failures * 2 >= operations) {
            self.open(error);
        }
    }

    /// How often it has opened.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    /// Whether the store is known not to be usable.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }

    /// What the keeper's probe found.
    pub(crate) fn probed(&self, result: Result<(), &StoreError>) {
        match result {
            Ok(()) => {
                self.roll_window();
                self.close();
            }
            Err(error) if self.is_trusted() => self.failed(error),
            // The first connection takes a moment: that is no change of state to report.
            Err(error) if error.kind() == StoreErrorKind::Connecting => {}
            Err(error) => self.open(error),
        }
    }

    /// Whether the store has been neither reached nor found to be unreachable yet.
    pub(crate) fn is_starting(&self) -> bool {
        self.state.load(Ordering::Acquire) == STARTING
    }

    /// Trusts nobody any more, as in the beginning: what was known of the store was known through connections that are gone.
    pub(crate) fn begin_anew(&self) {
        self.state.store(STARTING, Ordering::Release);
    }

    fn open(&self, error: &StoreError) {
        if self.state.swap(OPEN, Ordering::AcqRel) != OPEN {
            self.openings.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(store = self.store, cause = %error, "the cache store is unavailable: calls run uncached until it answers again");
        }
    }

    fn close(&self) {
        match self.state.swap(CLOSED, Ordering::AcqRel) {
            OPEN => tracing::warn!(store = self.store, "the cache store answers again: caching resumes"),
            STARTING => tracing::debug!(store = self.store, "the cache store is ready"),
            _ => return,
        }
        self.consecutive.store(0, Ordering::Relaxed);
        self.start_window();
    }

    fn roll_window(&self) {
        let elapsed = self.window_began.lock().elapsed();
        if elapsed >= WINDOW {
            self.start_window();
        }
    }

    fn start_window(&self) {
        *self.window_began.lock() = Instant::now();
        self.operations.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }
}

/// An operation of the store that calls can go on without: its user may lack a right, or the store may not have it. That is said
/// once, until it works.
#[derive(Debug, Default)]
pub(crate) struct OptionalOperation(AtomicBool);

/// What becomes of calls without an operation, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Without {
    /// Without the right to it; `None` if something else is made of that.
    pub(crate) right: Option<&'static str>,
    /// On a store that does not have it.
    pub(crate) support: &'static str,
}

impl OptionalOperation {
    /// Takes the outcome of the operation into account.
    pub(crate) fn learn<T>(&self, result: &Result<T, StoreError>, without: Without) {
        match result {
            Ok(_) => self.0.store(false, Ordering::Relaxed),
            Err(cause) => self.failed(cause, without),
        }
    }

    pub(crate) fn failed(&self, cause: &StoreError, without: Without) {
        let consequence = match cause.kind() {
            StoreErrorKind::Denied => without.right,
            StoreErrorKind::Unsupported => Some(without.support),
            _ => None,
        };
        if let Some(consequence) = consequence
            && !self.0.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%cause, "{consequence}");
        }
    }
}
