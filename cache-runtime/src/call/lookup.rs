//! The first stage of a call: the near cache and the store are asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::{
    cacheable::CacheableCall,
    entry_ref::{EntryRef, StaleEntry, StoreAnswer},
    mode::Mode,
    results::Results,
    terms::{LoadTerms, ValueOf},
    value::Value,
};
use crate::{
    cache::{CallRecord, Engine, Freshness, Outcome, ResourceFigures, report},
    entry::{
        EncodedValue, Envelope, Function, Identity, LoadTime, Negative, Rejection, Revision, Split, Ticket, Windows,
    },
    key::recent::KnownCall,
    loads::Moment,
    near::{Held, Kept, NearLookup, Origin, tier::Tier},
    protocol::{self, Reading},
    resource::Policies,
};

/// One call while it is looked up, loaded and filled.
pub(super) struct Lookup {
    pub(super) call: CacheableCall,
    pub(super) known: Arc<KnownCall>,
    pub(super) near: Option<Box<NearLookup>>,
    pub(super) function: Function,
    /// What is known of what the function returns.
    pub(super) results: &'static Results,
    /// `None` as long as nobody needs to know which it is: with the store out of reach, for a near hit.
    pub(super) entry: Option<EntryRef>,
    /// When the call began, in the order of flights.
    pub(super) began: Moment,
    /// When the store was asked.
    pub(super) started: Instant,
    /// For who observes it.
    pub(super) record: Option<CallRecord>,
    /// Whether it has an answer, and loads to compare.
    pub(super) verifying: bool,
    /// Whether an old entry is there, which a load may find to be none any more.
    pub(super) has_old: bool,
    /// How many lookups it stands for where they are measured; 0 if it is not.
    weight: u8,
    /// The time that the load took of what was found, in microseconds.
    spared: AtomicU32,
    /// Whether it has come to load, and does not wait for another call that does.
    pub(super) leads: AtomicBool,
}

/// What a lookup makes of the call.
pub(super) enum Answer<R> {
    /// What is returned.
    Hit(R, Outcome),
    /// As a hit, of an entry that is worth loading again before its time is over. The number is when that was stored.
    Early(R, Option<Ticket>, u64),
    /// As a hit, to be loaded anew and compared.
    Verify(R, Outcome, Ticket),
    /// An old value, to be loaded anew.
    Stale(StaleValue<R>, Option<Ticket>),
    /// Nothing: a load.
    Load(Option<Ticket>, Outcome),
}

impl<R> Answer<R> {
    /// The same, for a call that must not have anything loaded, neither by itself nor in the background.
    fn without_load(self) -> Self {
        match self {
            Self::Early(answer, ..) => Self::Hit(answer, Outcome::Hit),
            // What was invalidated softly is given only to whom it is loaded again for.
            Self::Stale(stale, _) if stale.may_revalidate && !stale.is_invalidated => {
                Self::Hit(stale.value, Outcome::StaleHit)
            }
            Self::Stale(_, ticket) => Self::Load(ticket, Outcome::Miss),
            Self::Hit(..) | Self::Verify(..) | Self::Load(..) => self,
        }
    }
}

/// A value whose time is over, and what it may still be used for.
pub(super) struct StaleValue<R> {
    pub(super) value: R,
    /// It may be returned while it is loaded again.
    pub(super) may_revalidate: bool,
    /// It may be returned if the load fails.
    pub(super) may_hide_error: bool,
    /// It was invalidated softly: it may be returned only if it is loaded again.
    pub(super) is_invalidated: bool,
    /// What tells loads that may replace it from others.
    pub(super) ground: u64,
}

/// Whether a call has something to return if its load fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fallback {
    None,
    OldValue,
}

impl<R> StaleValue<R> {
    pub(super) fn fallback(&self) -> Fallback {
        if self.may_hide_error {
            Fallback::OldValue
        } else {
            Fallback::None
        }
    }
}

/// In how many load times of `XFetch` before the end of an entry it is loaded again with a probability of 98 %. The near cache
/// leaves this time to the store, where the calls of all processes meet.
const EARLY_TIMES: f64 = 4.0;

/// What the lookups of one call have in common: there is one for each id.
#[derive(Clone)]
pub(super) struct LookupStart {
    pub(super) call: CacheableCall,
    function: Function,
    results: &'static Results,
    began: Moment,
    started: Instant,
}

impl LookupStart {
    /// Gives the call back if values of the function are not stored any more.
    pub(super) fn of<V: Value>(call: CacheableCall, function: Function) -> Result<Self, CacheableCall> {
        let results = call.site.results.get::<V>(function, call.site.version());
        if results.is_given_up() {
            return Err(call);
        }
        Ok(Self {
            began: call.cache.engine.flights.now(),
            call,
            function,
            results,
            started: Instant::now(),
        })
    }

    pub(super) fn lookup(self, known: Arc<KnownCall>, near: Option<Box<NearLookup>>) -> Lookup {
        let Self {
            call,
            function,
            results,
            began,
            started,
        } = self;
        Lookup {
            record: CallRecord::begin(call.site.resource()),
            weight: call.site.figures(&call.cache.engine).next_weight(),
            spared: AtomicU32::new(0),
            call,
            known,
            near,
            function,
            results,
            entry: None,
            began,
            started,
            verifying: false,
            has_old: false,
            leads: AtomicBool::new(false),
        }
    }
}

impl Lookup {
    pub(super) fn engine(&self) -> &Engine {
        &self.call.cache.engine
    }

    pub(super) fn policies(&self) -> &'static Policies {
        self.call.site.policy()
    }

    /// What is counted of the resource.
    pub(super) fn figures(&self) -> &ResourceFigures {
        self.call.site.figures(self.engine())
    }

    /// Tells what became of the call.
    pub(super) fn report(&self, outcome: Outcome) {
        let spared = LoadTime::from_micros(self.spared.load(Ordering::Relaxed));
        self.figures().count(outcome, spared);
        let (resource, tenant) = (self.call.site.resource(), &self.known.tenant);
        let (started, record) = (Some(self.started), self.record.as_ref());
        report(resource, Some(tenant), outcome, started, record);
    }

    /// What was found took so long to load.
    pub(super) fn note_spared(&self, load_time: LoadTime) {
        self.spared.store(load_time.micros(), Ordering::Relaxed);
    }

    /// What the near cache had was checked, and is returned.
    pub(super) fn note_checked(&self) {
        if let Some(record) = &self.record
            && let Some((remaining, revision)) = self.near.as_ref().and_then(|near| near.found())
        {
            record.has_found(Freshness::Fresh(remaining), revision);
        }
    }

    /// The store has been asked.
    pub(super) fn note_asked(&self) {
        if self.weight > 0 {
            self.figures().looked_up(self.started.elapsed(), self.weight);
        }
    }

    /// Looks the call up.
    pub(super) async fn answer<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&mut self) -> Answer<R> {
        if !self.engine().may_read() {
            return Answer::Load(None, Outcome::Bypass);
        }
        let entry = self.entry_ref();
        let answer = if tracing::enabled!(tracing::Level::DEBUG) {
            let span = lookup_span(self.call.site.resource());
            // Boxed: where nobody listens it has no room.
            Box::pin(self.ask::<R, T, N>(&entry).instrument(span)).await
        } else {
            self.ask::<R, T, N>(&entry).await
        };
        self.entry = Some(entry);
        self.note_asked();
        self.note_old(&answer);
        self.as_the_task_may(answer)
    }

    async fn ask<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&mut self, entry: &EntryRef) -> Answer<R> {
        if self.is_anew() {
            self.look_for_ticket(entry).await
        } else if self.call.verifies {
            Box::pin(self.look_to_verify::<R, T, N>(entry)).await
        } else {
            self.look::<R, T, N>(entry).await
        }
    }

    /// Takes note of whether an old entry is there.
    pub(super) fn note_old<R>(&mut self, answer: &Answer<R>) {
        self.has_old = matches!(answer, Answer::Stale(..) | Answer::Early(..));
    }

    /// The answer, without what it asks to be loaded, if the task only looks what is there.
    pub(super) fn as_the_task_may<R>(&self, answer: Answer<R>) -> Answer<R> {
        if self.call.mode.as_ref().is_some_and(Mode::is_peek) {
            return answer.without_load();
        }
        answer
    }

    /// Where the entry of the call stands, and what it must prove.
    pub(super) fn entry_ref(&self) -> EntryRef {
        let known = &self.known;
        EntryRef {
            address: Arc::clone(&known.address),
            tagged: known.tagged(),
            identity: Identity {
                fingerprint: known.fingerprint,
                shape: self.results.shape,
            },
            replaced: None,
        }
    }

    /// Whether the call loads anew, whatever is there, and shares no load that began before it.
    pub(super) fn is_anew(&self) -> bool {
        self.call.mode.as_ref().is_some_and(Mode::is_refresh) || self.verifying
    }

    /// The entry that was stored at that time counts as none from here on.
    pub(super) fn replace(&mut self, stored_at: u64) {
        if let Some(entry) = &mut self.entry {
            entry.replaced = Some(stored_at);
        }
    }

    /// What a call that was answered may fill on: of a hit nobody has looked at holds and epochs.
    pub(super) async fn ticket_of_hit(&self, ticket: Option<Ticket>) -> Option<Ticket> {
        match ticket {
            Some(ticket) => Some(ticket),
            None => self.engine().ticket(&self.known.address).await.flatten(),
        }
    }

    /// What the call may fill on, whatever is there.
    pub(super) async fn look_for_ticket<R>(&mut self, entry: &EntryRef) -> Answer<R> {
        if let Some(near) = &mut self.near {
            near.mark(&entry.address);
        }
        match self.engine().ticket(&entry.address).await {
            Some(ticket) => Answer::Load(ticket, Outcome::Refreshed),
            None => Answer::Load(None, Outcome::Bypass),
        }
    }

    pub(super) async fn look<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&mut self, entry: &EntryRef) -> Answer<R> {
        let engine = &self.call.cache.engine;
        if let Some(near) = &mut self.near {
            near.mark(entry.asked());
            if near.has_unchecked() {
                let Some(stamps) = engine.read_stamps(entry.asked()).await else {
                    return Answer::Load(None, Outcome::Bypass);
                };
                let checked = near.checked::<ValueOf<R, T>, N>(&stamps);
                if let Some(answer) = checked.and_then(Held::into_return::<R, T::Split>) {
                    let spared = near.load_time().unwrap_or_default();
                    self.note_checked();
                    self.note_spared(spared);
                    return Answer::Hit(answer, Outcome::NearHit);
                }
            }
        }
        let reading = engine
            .read(&entry.address, entry.tagged.as_ref(), &entry.identity)
            .await;
        self.answer_of::<R, T, N>(entry, reading)
    }

    /// What the store has said makes of the call.
    #[inline]
    pub(super) fn answer_of<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        entry: &EntryRef,
        reading: Option<Reading>,
    ) -> Answer<R> {
        let StoreAnswer {
            envelope,
            stale,
            ticket,
            rejected,
            is_known,
        } = entry.answer(reading);
        if rejected == Some(Rejection::Function) {
            self.call.site.note_shared_key(entry.address.entry());
        }
        if let Some(envelope) = envelope {
            return match self.restore::<R, T, N>(entry, &envelope) {
                Some(value) if self.is_early(&envelope) => Answer::Early(value, ticket, envelope.created_at()),
                Some(value) => Answer::Hit(value, Outcome::Hit),
                None => Answer::Load(ticket, Outcome::Rejected),
            };
        }
        if let Some(stale) = stale.and_then(|stale| self.stale_value::<R, T>(entry, &stale, ticket.as_ref())) {
            return Answer::Stale(stale, ticket);
        }
        match rejected {
            Some(_) => Answer::Load(ticket, Outcome::Rejected),
            None if is_known => Answer::Load(ticket, Outcome::Miss),
            None => Answer::Load(None, Outcome::Bypass),
        }
    }

    /// What an entry stands for; a value is kept in the process, if the function wants that.
    pub(super) fn restore<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        entry: &EntryRef,
        envelope: &Envelope,
    ) -> Option<R> {
        if let Some(record) = &self.record {
            let revision = Revision::of(&entry.identity, envelope);
            record.has_found(Freshness::Fresh(envelope.remaining()), revision);
        }
        self.note_found(envelope);
        if envelope.is_negative() {
            return self.restore_negative::<R, T, N>(entry, envelope);
        }
        let (value, len) = self.decode::<ValueOf<R, T>>(entry, envelope)?;
        let held = self.near.is_some().then(|| N::hold(&value)).flatten();
        self.keep_read::<ValueOf<R, T>, N>(entry, envelope, held.map(Held::Value), len);
        Some(T::Split::restore(value))
    }

    /// An entry was read that is of use.
    fn note_found(&self, envelope: &Envelope) {
        self.note_spared(envelope.load_time());
        if self.weight > 0 {
            self.figures().read(envelope.len(), self.weight);
        }
    }

    /// Keeps in the process, too, what was read as so many bytes, if the function wants that.
    fn keep_read<V, N: Tier<V>>(
        &self,
        entry: &EntryRef,
        envelope: &Envelope,
        held: Option<Held<N::Held>>,
        encoded: usize,
    ) {
        let marked = if entry.address.kinds().is_empty() {
            usize::MAX
        } else {
            self.note_tags(entry, envelope)
        };
        if let Some((near, held)) = self.near.as_ref().zip(held) {
            let kept = Kept {
                origin: Origin::Read,
                ttl: self.near_ttl(envelope.remaining(), || envelope.load_time().duration()),
                revision: Revision::of(&entry.identity, envelope),
                load_time: envelope.load_time(),
                encoded,
                marked,
            };
            let stamps = envelope.stamps().chain(envelope.tags().map(|tag| tag.stamp));
            near.keep::<V, N>(kept, held, stamps);
        }
    }

    /// Takes note of the tags of an entry. Returns of how many of its stamps the near cache may have marks: were others asked for than
    /// those of its tags, it has those of the others.
    #[cold]
    fn note_tags(&self, entry: &EntryRef, envelope: &Envelope) -> usize {
        let tagged = protocol::with_tags(&entry.address, envelope);
        if tagged.tags() == entry.asked().tags() {
            return usize::MAX;
        }
        self.known.tags.set(Arc::new(tagged));
        entry.address.stamps().len()
    }

    /// The value of an entry, and how long it is encoded.
    pub(super) fn decode<V: Value>(&self, entry: &EntryRef, envelope: &Envelope) -> Option<(V, usize)> {
        let encoded = envelope.encoded().ok();
        let decoded = encoded.and_then(|encoded| Some((encoded.decode().ok()?, encoded.len())));
        if decoded.is_none() {
            self.engine().note_rejection(&entry.address, Rejection::Decode);
            self.results
                .note_unfaithful(self.call.site.path(), "an entry of it could not be decoded");
        } else {
            self.results.note_faithful();
        }
        decoded
    }

    /// What an entry stands for that is no value. That there is none is kept in the process, too.
    #[cold]
    fn restore_negative<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        entry: &EntryRef,
        envelope: &Envelope,
    ) -> Option<R> {
        let encoded = envelope.encoded().ok();
        let negative = encoded.as_ref().and_then(Negative::decode);
        let len = encoded.as_ref().map_or(0, EncodedValue::len);
        let restored = match negative {
            Some(Negative::Absent(depth)) => T::Split::absent(depth).inspect(|_| {
                self.keep_read::<ValueOf<R, T>, N>(entry, envelope, Some(Held::Absent(depth)), len);
            }),
            Some(Negative::Error(error)) => T::restore_error(&error),
            None => None,
        };
        if restored.is_none() {
            self.engine().note_rejection(&entry.address, Rejection::Decode);
        }
        restored
    }

    /// What an old entry stands for, if it is of use still.
    #[cold]
    fn stale_value<R, T: LoadTerms<R>>(
        &self,
        entry: &EntryRef,
        stale: &StaleEntry,
        ticket: Option<&Ticket>,
    ) -> Option<StaleValue<R>> {
        let StaleEntry {
            envelope,
            is_invalidated,
        } = stale;
        let policies = self.policies();
        let past = envelope.past_ttl().unwrap_or_default();
        let Windows { revalidate, error } = envelope.windows();
        let may_revalidate = past < revalidate && policies.stale_while_revalidate().is_some();
        let may_hide_error = past < error && policies.stale_if_error().is_some();
        if !(may_revalidate || may_hide_error) {
            return None;
        }
        let (value, _) = self.decode(entry, envelope)?;
        self.note_found(envelope);
        if let Some(record) = &self.record {
            record.has_found(Freshness::Stale(past), Revision::of(&entry.identity, envelope));
        }
        Some(StaleValue {
            value: T::Split::restore(value),
            may_revalidate,
            may_hide_error,
            is_invalidated: *is_invalidated,
            ground: ticket.map(Ticket::ground).unwrap_or_default(),
        })
    }

    /// Whether a call draws the lot of loading this entry again before its time is over: the likelier, the nearer that is, and the
    /// longer a load takes (`XFetch`).
    fn is_early(&self, envelope: &Envelope) -> bool {
        self.policies().refresh_ahead().is_some_and(|beta| {
            // Above zero, so that its logarithm is a number.
            let lot = -(1.0 - fastrand::f64()).ln();
            let early = envelope.load_time().duration().as_secs_f64() * beta * lot;
            envelope.remaining().as_secs_f64() <= early
        })
    }

    /// For how long the near cache answers of the time that is left.
    pub(super) fn near_ttl(&self, remaining: Duration, load_duration: impl FnOnce() -> Duration) -> Duration {
        match self.policies().refresh_ahead() {
            None => remaining,
            Some(beta) => {
                let early = load_duration().as_secs_f64() * beta * EARLY_TIMES;
                let early = Duration::try_from_secs_f64(early).unwrap_or(Duration::MAX);
                remaining.saturating_sub(early)
            }
        }
    }
}

/// The span in which the store is asked.
pub(super) fn lookup_span(resource: &'static str) -> Span {
    tracing::debug_span!("cache.lookup", resource)
}
