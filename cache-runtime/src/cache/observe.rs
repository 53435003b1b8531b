//! Seeing what the cache did inside a future: for a response header, a log line, or a test.

use std::{ops::Range, slice, sync::Arc, time::Duration, vec};

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::{
    entry::{Revision, words},
    loads::{Load, load_of},
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
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    calls: Vec<ObservedCall>,
    /// Of each call.
    traces: Vec<CallTrace>,
}

/// What else is known of a call.
#[derive(Debug, Clone)]
pub(super) struct CallTrace {
    /// Of the entry whose value it was given, or has stored.
    pub(super) revision: Option<Revision>,
    /// Whether the body of another call has made it.
    pub(super) is_nested: bool,
    /// From when to when the cache was asked.
    pub(super) lookup: Range<Instant>,
    /// From when to when it has loaded, or waited for the load of another call.
    pub(super) load: Option<Range<Instant>>,
}

impl Outcomes {
    /// The calls.
    pub fn iter(&self) -> slice::Iter<'_, ObservedCall> {
        self.calls.iter()
    }

    /// Whether no `#[cached]` function was called.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn traces(&self) -> &[CallTrace] {
        &self.traces
    }
}

/// By the calls alone: when they were made is no part of it.
impl PartialEq for Outcomes {
    fn eq(&self, other: &Self) -> bool {
        self.calls == other.calls
    }
}

impl Eq for Outcomes {}

impl IntoIterator for Outcomes {
    type Item = ObservedCall;
    type IntoIter = vec::IntoIter<ObservedCall>;

    fn into_iter(self) -> Self::IntoIter {
        self.calls.into_iter()
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
        let around = load_of(context).cloned();
        context.set(Observer { seen, around, outer });
    });
    observed.map(move |output| {
        let log = std::mem::take(&mut *noted.lock());
        let (calls, traces) = log.iter().map(CallNote::read).unzip();
        (output, Outcomes { calls, traces })
    })
}

type CallLog = Arc<Mutex<Vec<CallNote>>>;

/// A call as one observer sees it.
#[derive(Debug)]
struct CallNote {
    record: CallRecord,
    is_nested: bool,
}

impl CallNote {
    fn read(&self) -> (ObservedCall, CallTrace) {
        let known = self.record.0.lock();
        let trace = CallTrace {
            revision: known.revision(),
            is_nested: self.is_nested,
            lookup: known.began..known.looked_up.unwrap_or(known.began),
            load: known.load.clone(),
        };
        (known.call(), trace)
    }
}

/// Where outcomes are noted. An outer `observe` sees what an inner one sees.
#[derive(Debug, Clone)]
struct Observer {
    seen: CallLog,
    /// The load whose body observes.
    around: Option<Arc<Load>>,
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
    /// `load` is the one whose body has made the call.
    fn note(&self, record: &CallRecord, load: Option<&Arc<Load>>) {
        self.seen.lock().push(CallNote {
            record: record.clone(),
            is_nested: load.map(Arc::as_ptr) != self.around.as_ref().map(Arc::as_ptr),
        });
        if let Some(outer) = &self.outer {
            outer.note(record, load);
        }
    }
}

/// What is known of one call that is observed. One word, since every call has room for it.
#[derive(Debug, Clone)]
pub(crate) struct CallRecord(Arc<Mutex<KnownOfCall>>);

#[derive(Debug)]
struct KnownOfCall {
    resource: &'static str,
    outcome: Outcome,
    /// What was found, which is what is returned if the outcome is a hit.
    found: Option<Found>,
    /// For how long that is stored which was loaded, and as what.
    stored: Option<(Duration, Revision)>,
    shared: bool,
    began: Instant,
    looked_up: Option<Instant>,
    load: Option<Range<Instant>>,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    freshness: Freshness,
    /// `None` if it is not returned.
    revision: Option<Revision>,
}

impl CallRecord {
    /// The record of a call of this resource; `None` if nobody observes the task.
    pub(crate) fn begin(resource: &'static str) -> Option<Self> {
        look(|context| {
            context.get::<Observer>()?;
            Some(Self(Arc::new(Mutex::new(KnownOfCall {
                resource,
                outcome: Outcome::Bypass,
                found: None,
                stored: None,
                shared: false,
                began: Instant::now(),
                looked_up: None,
                load: None,
            }))))
        })
    }

    /// Tells what became of the call to whoever observes the task.
    pub(super) fn note(&self, outcome: Outcome) {
        {
            let mut known = self.0.lock();
            known.outcome = outcome;
            known.looked_up.get_or_insert_with(Instant::now);
        }
        look(|context| {
            let observer: &Observer = context.get()?;
            observer.note(self, load_of(context));
            Some(())
        });
    }

    /// An entry was found, of this revision: its value is so fresh.
    pub(crate) fn has_found(&self, freshness: Freshness, revision: Revision) {
        let mut known = self.0.lock();
        known.looked_up.get_or_insert_with(Instant::now);
        known.found = Some(Found {
            freshness,
            revision: Some(revision),
        });
    }

    /// What is returned is not what was found, although the outcome says so.
    pub(crate) fn has_replaced(&self) {
        if let Some(found) = &mut self.0.lock().found {
            found.revision = None;
        }
    }

    /// The call has loaded, which took so long until now.
    pub(crate) fn has_loaded(&self, load_duration: Duration) {
        let mut known = self.0.lock();
        // What is loaded when the call was answered is no part of the answer.
        if !known.outcome.is_hit() {
            let now = Instant::now();
            known.load = Some(now.checked_sub(load_duration).unwrap_or(now)..now);
        }
    }

    /// What was loaded by the call is stored for so long, as this revision.
    pub(crate) fn is_stored(&self, ttl: Duration, revision: Revision) {
        self.0.lock().stored = Some((ttl, revision));
    }

    /// What is returned was loaded by another call.
    pub(crate) fn is_shared(&self) {
        let mut known = self.0.lock();
        known.shared = true;
        known.load = known.looked_up.map(|waiting| waiting..Instant::now());
    }
}

impl KnownOfCall {
    fn call(&self) -> ObservedCall {
        let found = self.found.map(|found| found.freshness);
        let stored = self.stored.filter(|_| !self.outcome.is_hit());
        let freshness = match stored {
            Some((ttl, _)) => Some(Freshness::Fresh(ttl)),
            None if self.outcome.is_hit() => found,
            // Not that of the old value, in whose place it is returned.
            None if self.shared => found.filter(|freshness| !matches!(freshness, Freshness::Stale(_))),
            None => None,
        };
        ObservedCall {
            resource: self.resource,
            outcome: self.outcome,
            freshness,
            stored: stored.is_some(),
            shared: self.shared,
        }
    }

    /// That of the value which is returned, if it is known.
    fn revision(&self) -> Option<Revision> {
        if self.outcome.is_hit() {
            self.found?.revision
        } else {
            Some(self.stored?.1)
        }
    }
}
