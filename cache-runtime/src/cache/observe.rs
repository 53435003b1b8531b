//! Seeing what the cache did inside a future: for a response header, a log line, or a test.

use std::{slice, sync::Arc, time::Duration, vec};

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

impl Outcome {
    /// Whether the cache has answered.
    pub(super) fn is_hit(self) -> bool {
        matches!(self, Self::Hit | Self::NearHit | Self::StaleHit)
    }
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
    /// How fresh that is which was returned, by its time-to-live; `None` where nothing says so: of what was loaded and not
    /// stored, by this call at least.
    pub freshness: Option<Freshness>,
    /// Whether the call has loaded, and the result was stored.
    pub stored: bool,
    /// Whether it was given what another call has loaded.
    pub shared: bool,
}

/// How much is left of the time-to-live of a value. An invalidation may end it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// Its time is over in so long.
    Fresh(Duration),
    /// Its time has been over for so long, or it was invalidated softly, just now.
    Stale(Duration),
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
        let records = std::mem::take(&mut *noted.lock());
        (output, Outcomes(records.iter().map(CallRecord::call).collect()))
    })
}

type CallLog = Arc<Mutex<Vec<CallRecord>>>;

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
    fn note(&self, record: &CallRecord) {
        self.seen.lock().push(record.clone());
        if let Some(outer) = &self.outer {
            outer.note(record);
        }
    }
}

/// What is known of one call that is observed. One word, since every call has room for it.
#[derive(Debug, Clone)]
pub(crate) struct CallRecord(Arc<Mutex<ObservedCall>>);

impl CallRecord {
    /// The record of a call of this resource; `None` if nobody observes the task.
    pub(crate) fn begin(resource: &'static str) -> Option<Self> {
        look(|context| {
            context.get::<Observer>()?;
            Some(Self(Arc::new(Mutex::new(ObservedCall {
                resource,
                outcome: Outcome::Bypass,
                freshness: None,
                stored: false,
                shared: false,
            }))))
        })
    }

    /// Tells what became of the call to whoever observes the task.
    pub(super) fn note(&self, outcome: Outcome) {
        {
            let mut call = self.0.lock();
            call.outcome = outcome;
            // What was found is not what is returned, unless it is said so.
            let is_known = outcome.is_hit() || call.stored || call.shared;
            call.freshness = call.freshness.filter(|_| is_known);
        }
        look(|context| context.get().map(|observer: &Observer| observer.note(self)));
    }

    /// What is returned is so fresh.
    pub(crate) fn is_fresh(&self, freshness: Freshness) {
        self.0.lock().freshness = Some(freshness);
    }

    /// What is returned was loaded by the call, and is stored for so long.
    pub(crate) fn is_stored(&self, ttl: Duration) {
        let mut call = self.0.lock();
        // What is loaded when the call was answered is no part of the answer.
        if !call.outcome.is_hit() {
            (call.freshness, call.stored) = (Some(Freshness::Fresh(ttl)), true);
        }
    }

    /// What is returned was loaded by another call.
    pub(crate) fn is_shared(&self) {
        let mut call = self.0.lock();
        call.shared = true;
        // That of the old value, in whose place it is returned.
        call.freshness = call
            .freshness
            .filter(|freshness| !matches!(freshness, Freshness::Stale(_)));
    }

    fn call(&self) -> ObservedCall {
        *self.0.lock()
    }
}
