//! Seeing what the cache did inside a future: for a response header, a log line, or a test.

use std::{fmt, sync::Arc};

use futures_util::FutureExt;

use crate::{
    sync::Mutex,
    task::{Carried, look, scope},
};

/// What became of one call of a `#[cached]` function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Answered by the store.
    Hit,
    /// Answered by the near cache.
    NearHit,
    /// Answered with a value past its time, as the call's policy allows.
    StaleHit,
    /// Nothing valid was there: loaded.
    Miss,
    /// The store was not asked, or did not answer in time: loaded.
    Bypass,
    /// An entry was there and was refused: loaded.
    Rejected,
}

impl Outcome {
    /// The spelling in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::NearHit => "near_hit",
            Self::StaleHit => "stale_hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One call of a `#[cached]` function that was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedCall {
    /// The resource's name.
    pub resource: &'static str,
    /// What became of the call.
    pub outcome: Outcome,
}

/// The calls observed inside a future, in the order in which their outcomes were known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes(Vec<ObservedCall>);

impl Outcomes {
    /// The calls.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ObservedCall> {
        self.0.iter()
    }

    /// Whether no `#[cached]` function was called.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Runs a future and returns, beside its output, what became of the `#[cached]` calls made in it.
///
/// Calls made in tasks that the future spawns are not seen: they are tasks of their own.
///
/// ```
/// # async fn dashboard() -> &'static str { "" }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (page, outcomes) = cache_runtime::observe(dashboard()).await;
/// let header = outcomes.iter().map(|call| call.outcome.as_str()).collect::<Vec<_>>().join(", ");
/// # assert_eq!((page, header.as_str()), ("", ""));
/// # }
/// ```
pub fn observe<F: Future>(future: F) -> impl Future<Output = (F::Output, Outcomes)> {
    let seen: Seen = Arc::default();
    let noted = Arc::clone(&seen);
    let observed = scope(future, move |context| {
        let outer = context.get::<Observer>().cloned().map(Arc::new);
        context.set(Observer { seen, outer });
    });
    observed.map(move |output| {
        let outcomes = std::mem::take(&mut *noted.lock());
        (output, Outcomes(outcomes))
    })
}

type Seen = Arc<Mutex<Vec<ObservedCall>>>;

/// Where outcomes are noted. An outer `observe` sees what an inner one sees.
#[derive(Debug, Clone)]
struct Observer {
    seen: Seen,
    outer: Option<Arc<Observer>>,
}

impl Carried for Observer {
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn Carried>> {
        Some(self)
    }
}

impl Observer {
    fn note(&self, resource: &'static str, outcome: Outcome) {
        self.seen.lock().push(ObservedCall { resource, outcome });
        if let Some(outer) = &self.outer {
            outer.note(resource, outcome);
        }
    }
}

/// Tells what became of a call of this resource to whoever observes the task.
pub(crate) fn note(resource: &'static str, outcome: Outcome) {
    look(|context| {
        context
            .get()
            .map(|observer: &Observer| observer.note(resource, outcome))
    });
}
