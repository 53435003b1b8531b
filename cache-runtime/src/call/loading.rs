//! A call that loads, with what depends on the types of its function: the body, and the values.

use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{
    answer::Fallback,
    fill::Stored,
    load::{Joined, LoadEnd},
    lookup::Lookup,
    requests::{CallValues, Driver, Judgement, LoadingCall},
    terms::{Disposition, LoadTerms, LoadTimeout, ValueOf},
};
use crate::{
    entry::{Envelope, Split, Ticket},
    loads::{Landing, LoadedValue},
    near::{Held, tier::Tier},
};

/// What a load came to.
pub(super) enum Loaded<R> {
    /// What the call returns.
    Returned(R),
    /// An error that the call returns, unless there is something better.
    Failed(R),
    /// The load of another call, which this one has waited for, has failed; only where there is something better.
    OtherFailed,
}

/// Loads, or is given what another call loads; within the hard timeout, if the function has one. `B` is a pointer to the body.
pub(super) struct Loading<R, T, N, B>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    // Before the call, and so dropped before it.
    driver: Driver,
    call: TypedCall<R, T, N, B>,
}

impl<R, T, N, B> Loading<R, T, N, B>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    /// With the body, and what it is to be judged by.
    pub(super) fn new(
        lookup: Box<Lookup>,
        (terms, body): (T, B),
        ticket: Option<Ticket>,
        joined: Option<Box<Joined>>,
        fallback: Fallback,
    ) -> Self {
        let call = TypedCall::new(terms, body);
        Self {
            driver: Driver::new(lookup, ticket, joined, fallback, call.values.is_bounded()),
            call,
        }
    }

    pub(super) fn lookup(&self) -> &Lookup {
        self.driver.lookup()
    }
}

/// Nothing of it is pinned but what is behind pointers.
impl<R, T, N, B> Unpin for Loading<R, T, N, B>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
}

impl<R, T, N, B> Future for Loading<R, T, N, B>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
    B: Future<Output = R> + Unpin,
{
    type Output = Loaded<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Loaded<R>> {
        let this = &mut *self;
        let end = ready!(this.driver.poll(&mut this.call, cx));
        Poll::Ready(this.call.values.end(end, this.driver.lookup()))
    }
}

/// What a call has that depends on the types of its function.
pub(super) struct TypedCall<R, T, N, B>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    pub(super) body: B,
    pub(super) values: Values<R, T, N>,
}

impl<R, T, N, B> TypedCall<R, T, N, B>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    pub(super) fn new(terms: T, body: B) -> Self {
        Self {
            body,
            values: Values::new(terms),
        }
    }
}

/// All of it that does not depend on the function but on what it returns.
pub(super) struct Values<R, T, N>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    /// What is returned after the hard timeout.
    late: Option<fn(LoadTimeout) -> R>,
    /// Until the body has returned.
    terms: Option<T>,
    returned: Option<R>,
    /// For the near cache.
    held: Option<Held<N::Held>>,
    tier: PhantomData<fn() -> N>,
}

impl<R, T, N> Values<R, T, N>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    fn new(terms: T) -> Self {
        Self {
            late: terms.late(),
            terms: Some(terms),
            returned: None,
            held: None,
            tier: PhantomData,
        }
    }

    /// Whether it is known what is returned after the hard timeout.
    pub(super) fn is_bounded(&self) -> bool {
        self.late.is_some()
    }

    /// What the load came to.
    pub(super) fn end(&mut self, end: LoadEnd, lookup: &Lookup) -> Loaded<R> {
        let ended = match end {
            LoadEnd::Returned => self.returned.take().map(Loaded::Returned),
            LoadEnd::Failed => self.returned.take().map(Loaded::Failed),
            LoadEnd::OtherFailed => Some(Loaded::OtherFailed),
            LoadEnd::TimedOut(after) => {
                let timeout = LoadTimeout::new(lookup.call.site.resource(), after);
                self.late.map(|late| Loaded::Failed(late(timeout)))
            }
        };
        ended.expect("a load ends once, when there is something to return")
    }
}

impl<R, T, N, B> LoadingCall for TypedCall<R, T, N, B>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
    B: Future<Output = R> + Unpin,
{
    fn poll_body(&mut self, cx: &mut Context<'_>) -> bool {
        match Pin::new(&mut self.body).poll(cx) {
            Poll::Ready(returned) => self.values.returned = Some(returned),
            Poll::Pending => return false,
        }
        true
    }

    fn values(&mut self) -> &mut dyn CallValues {
        &mut self.values
    }
}

impl<R, T, N> CallValues for Values<R, T, N>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    fn judge(&mut self, lookup: &Lookup, waited_for: bool, may_fill: bool) -> Judgement {
        let (returned, terms) = self
            .returned
            .as_ref()
            .zip(self.terms.take())
            .expect("the body has returned");
        let disposition = terms.judge(returned);
        let has_failed = matches!(disposition, Disposition::Failed);
        let is_error = disposition.is_error();
        let (result, held) = lookup.prepare::<R, T, N>(waited_for, may_fill, returned, disposition);
        self.held = held;
        Judgement {
            result,
            has_failed,
            is_error,
        }
    }

    fn keep(&mut self, lookup: &Lookup, stored: Stored) {
        if let Some(held) = self.held.take() {
            lookup.keep::<ValueOf<R, T>, N>(stored, held);
        }
    }

    fn share(&mut self, lookup: &Lookup, landed: Landing) -> bool {
        self.returned = lookup.share::<R, T, N>(landed);
        self.returned.is_some()
    }

    fn share_entry(&mut self, lookup: &Lookup, envelope: &Envelope) -> Option<Landing> {
        let (shared, landing) = lookup.share_entry::<R, T, N>(envelope)?;
        self.returned = Some(shared);
        Some(landing)
    }
}

impl Lookup {
    /// What a call returns that waited for the load of another one; `None` if it must load for itself.
    pub(super) fn share<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&self, landed: Landing) -> Option<R> {
        let shared = match landed {
            Landing::Value(loaded) => loaded.value::<ValueOf<R, T>, N>().map(T::Split::restore),
            Landing::Absent(depth) => T::Split::absent(depth),
            Landing::Failed => None,
        };
        shared.inspect(|_| self.note_shared())
    }

    fn note_shared(&self) {
        self.figures().shared_loads.add(1);
        if let Some(record) = &self.record {
            record.is_shared();
        }
    }

    /// What an entry stands for that another one has filled while this call waited, and what those are told who wait for this call.
    /// `None` if it cannot be decoded.
    pub(super) fn share_entry<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        envelope: &Envelope,
    ) -> Option<(R, Landing)> {
        let shared = self.restore::<R, T, N>(envelope)?;
        self.note_shared();
        let encoded = envelope.encoded().ok();
        let landed = T::Split::with_value(&shared, |value| Some(LoadedValue::new::<_, N>(value, encoded?)));
        let landing = match (landed.flatten(), T::Split::absence(&shared)) {
            (Some(loaded), _) => Landing::Value(loaded),
            (None, Some(depth)) => Landing::Absent(depth),
            (None, None) => Landing::Failed,
        };
        Some((shared, landing))
    }
}
