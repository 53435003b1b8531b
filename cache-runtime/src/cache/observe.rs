//! Seeing what the cache did inside a future: for a response header, a log line, or a test.

use std::{slice, sync::Arc, vec};

use futures_util::FutureExt;

use crate::{
    entry::words,
    sync::Mutex,
    task::{ContextPart, look, scope},
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
    /// Loaded anew, whatever is stored, inside of [`refresh`](crate::refresh).
    Refreshed,
}

words! {
    /// The spelling in logs and metrics.
    Outcome, "write hit, near_hit, stale_hit, miss, bypass, rejected or refreshed" {
        Hit = "hit",
        NearHit = "near_hit",
        StaleHit = "stale_hit",
        Miss = "miss",
        Bypass = "bypass",
        Rejected = "rejected",
        Refreshed = "refreshed",
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
    pub fn iter(&self) -> slice::Iter<'_, ObservedCall> {
        self.0.iter()
    }

    /// Whether no `#[cached]` function was called.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Outcomes {
    type Item = ObservedCall;
    type IntoIter = vec::IntoIter<ObservedCall>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Outcomes {
    type Item = &'a ObservedCall;
    type IntoIter = slice::Iter<'a, ObservedCall>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
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
    let seen: CallLog = Arc::default();
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

type CallLog = Arc<Mutex<Vec<ObservedCall>>>;

/// Where outcomes are noted. An outer `observe` sees what an inner one sees.
#[derive(Debug, Clone)]
struct Observer {
    seen: CallLog,
    outer: Option<Arc<Observer>>,
}

impl ContextPart for Observer {
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>> {
        Some(self)
    }

    /// What happens after the answer is no part of it.
    fn outlives_caller(&self) -> bool {
        false
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
