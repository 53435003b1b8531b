//! What a call makes of what was found for it: the values are decoded, and what is not there is to be loaded.

use std::{sync::Arc, time::Duration};

use super::{
    entry_ref::{EntryRef, StaleEntry, StoreAnswer},
    lookup::{Found, Lookup},
    mode::Mode,
    terms::{LoadTerms, ValueOf},
    value::Value,
};
use crate::{
    cache::{Freshness, Outcome},
    entry::{EncodedValue, Envelope, Negative, Rejection, Split, Stamp, Ticket, Windows},
    near::{Held, Kept, Origin, tier::Tier},
    protocol::{self, Reading},
};

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
    /// That of a call that loads whatever is there, and has asked what it may fill on.
    pub(super) fn anew(found: Found) -> Self {
        match found {
            Found::Ticket(ticket) => Self::Load(ticket, Outcome::Refreshed),
            Found::Unasked | Found::Stamps(_) | Found::Reading(_) => Self::Load(None, Outcome::Bypass),
        }
    }

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

/// What the store has of an entry, before it is decoded.
enum Content {
    Valid(Envelope, Option<Ticket>),
    Old(OldContent, Option<Ticket>),
    Nothing(Option<Ticket>, Outcome),
}

/// An old entry that is of use.
struct OldContent {
    stale: Box<StaleEntry>,
    /// For how long its time has been over.
    past: Duration,
    may_revalidate: bool,
    may_hide_error: bool,
    /// What becomes of the call if it cannot be decoded.
    without: Outcome,
}

impl Lookup {
    /// What was found makes of the call; `None` if there is more to [find](Self::find).
    pub(super) fn answer<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&mut self, found: Found) -> Option<Answer<R>> {
        let answer = match found {
            Found::Unasked => return Some(Answer::Load(None, Outcome::Bypass)),
            Found::Stamps(stamps) => self.checked::<R, T, N>(&stamps)?,
            Found::Ticket(_) => Answer::anew(found),
            Found::Reading(reading) => self.answer_of::<R, T, N>(reading),
        };
        self.note_asked();
        let verification = self.verification.take();
        let answer = self.with_verification(answer, verification);
        self.note_old(&answer);
        Some(self.as_the_task_may(answer))
    }

    /// What the near cache has, if these are its stamps. Otherwise it has nothing any more.
    pub(super) fn checked<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &mut self,
        stamps: &[Option<Stamp>],
    ) -> Option<Answer<R>> {
        let near = self.near.as_mut()?;
        let checked = near.checked::<ValueOf<R, T>, N>(stamps);
        let Some(answer) = checked.and_then(Held::into_return::<R, T::Split>) else {
            near.give_up_unchecked();
            return None;
        };
        let spared = near.load_time().unwrap_or_default();
        self.note_checked();
        self.note_spared(spared);
        Some(Answer::Hit(answer, Outcome::NearHit))
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

    /// What the store has said makes of the call.
    #[inline]
    pub(super) fn answer_of<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&self, reading: Option<Reading>) -> Answer<R> {
        match self.content_of(reading) {
            Content::Valid(envelope, ticket) => match self.restore::<R, T, N>(&envelope) {
                Some(value) if self.is_early(&envelope) => Answer::Early(value, ticket, envelope.created_at()),
                Some(value) => Answer::Hit(value, Outcome::Hit),
                None => Answer::Load(ticket, Outcome::Rejected),
            },
            Content::Old(old, ticket) => match self.old_value::<R, T>(&old, ticket.as_ref()) {
                Some(stale) => Answer::Stale(stale, ticket),
                None => Answer::Load(ticket, old.without),
            },
            Content::Nothing(ticket, outcome) => Answer::Load(ticket, outcome),
        }
    }

    /// What the store has said, before it is decoded.
    fn content_of(&self, reading: Option<Reading>) -> Content {
        let Some(entry) = &self.entry else {
            return Content::Nothing(None, Outcome::Bypass);
        };
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
            return Content::Valid(envelope, ticket);
        }
        let without = match rejected {
            Some(_) => Outcome::Rejected,
            None if is_known => Outcome::Miss,
            None => return Content::Nothing(None, Outcome::Bypass),
        };
        match stale.and_then(|stale| self.old_content(stale, without)) {
            Some(old) => Content::Old(old, ticket),
            None => Content::Nothing(ticket, without),
        }
    }

    /// An old entry, if it is of use still.
    #[cold]
    fn old_content(&self, stale: Box<StaleEntry>, without: Outcome) -> Option<OldContent> {
        let policies = self.policies();
        let past = stale.envelope.past_ttl().unwrap_or_default();
        let Windows { revalidate, error } = stale.envelope.windows();
        let may_revalidate = past < revalidate && policies.stale_while_revalidate().is_some();
        let may_hide_error = past < error && policies.stale_if_error().is_some();
        (may_revalidate || may_hide_error).then_some(OldContent {
            stale,
            past,
            may_revalidate,
            may_hide_error,
            without,
        })
    }

    /// What an old entry stands for.
    #[cold]
    fn old_value<R, T: LoadTerms<R>>(&self, old: &OldContent, ticket: Option<&Ticket>) -> Option<StaleValue<R>> {
        let (value, _) = self.decode(&old.stale.envelope)?;
        self.note_old_found(old);
        Some(StaleValue {
            value: T::Split::restore(value),
            may_revalidate: old.may_revalidate,
            may_hide_error: old.may_hide_error,
            is_invalidated: old.stale.is_invalidated,
            ground: ticket.map(Ticket::ground).unwrap_or_default(),
        })
    }

    fn note_old_found(&self, old: &OldContent) {
        self.note_found(&old.stale.envelope);
        self.note_freshness(|| Freshness::Stale(old.past), &old.stale.envelope);
    }

    /// What an entry stands for; a value is kept in the process, if the function wants that.
    pub(super) fn restore<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&self, envelope: &Envelope) -> Option<R> {
        self.note_valid(envelope);
        if envelope.is_negative() {
            return self.restore_negative::<R, T, N>(envelope);
        }
        let (value, len) = self.decode::<ValueOf<R, T>>(envelope)?;
        let held = self.near.is_some().then(|| N::hold(&value)).flatten();
        self.keep_read::<ValueOf<R, T>, N>(envelope, held.map(Held::Value), len);
        Some(T::Split::restore(value))
    }

    fn note_valid(&self, envelope: &Envelope) {
        self.note_freshness(|| Freshness::Fresh(envelope.remaining()), envelope);
        self.note_found(envelope);
    }

    /// To find out how fresh it is takes three looks at clocks: only if somebody wants to know.
    fn note_freshness(&self, freshness: impl FnOnce() -> Freshness, envelope: &Envelope) {
        if let Some(record) = &self.record {
            record.has_found(freshness(), envelope.revision());
        }
    }

    /// An entry was read that is of use.
    fn note_found(&self, envelope: &Envelope) {
        self.note_spared(envelope.load_time());
        if self.weight > 0 {
            self.figures().read(envelope.len(), self.weight);
        }
    }

    /// Keeps in the process, too, what was read as so many bytes, if the function wants that.
    fn keep_read<V, N: Tier<V>>(&self, envelope: &Envelope, held: Option<Held<N::Held>>, size: usize) {
        let marked = self.marked(envelope);
        if let Some((near, held)) = self.near.as_ref().zip(held) {
            let kept = self.kept_as_read(envelope, size, marked);
            near.keep::<V, N>(
                kept,
                held,
                &mut envelope.stamps().chain(envelope.tags().map(|tag| tag.stamp)),
            );
        }
    }

    fn kept_as_read(&self, envelope: &Envelope, size: usize, marked: usize) -> Kept {
        Kept {
            origin: Origin::Read,
            ttl: self.near_ttl(envelope.remaining(), envelope.load_time().duration()),
            revision: envelope.revision(),
            load_time: envelope.load_time(),
            size,
            marked,
        }
    }

    /// Of how many of the stamps of an entry the near cache may have marks.
    fn marked(&self, envelope: &Envelope) -> usize {
        match &self.entry {
            Some(entry) if !entry.address.kinds().is_empty() => self.note_tags(entry, envelope),
            _ => usize::MAX,
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

    /// The value of an entry, and about how many bytes it takes.
    fn decode<V: Value>(&self, envelope: &Envelope) -> Option<(V, usize)> {
        let decoded = envelope.decode_sized();
        self.note_decoded(decoded.is_some());
        decoded
    }

    fn note_decoded(&self, is_decoded: bool) {
        if is_decoded {
            self.results.note_faithful();
        } else {
            self.note_unreadable();
            self.results
                .note_unfaithful(self.call.site.path(), "an entry of it could not be decoded");
        }
    }

    #[cold]
    fn note_unreadable(&self) {
        if let Some(entry) = &self.entry {
            self.engine().note_rejection(&entry.address, Rejection::Decode);
        }
    }

    /// What an entry stands for that is no value. That there is none is kept in the process, too.
    #[cold]
    fn restore_negative<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&self, envelope: &Envelope) -> Option<R> {
        let encoded = envelope.encoded().ok();
        let negative = encoded.as_ref().and_then(Negative::decode);
        let size = encoded.as_ref().map_or(0, EncodedValue::estimated_size);
        let restored = match negative {
            Some(Negative::Absent(depth)) => T::Split::absent(depth).inspect(|_| {
                self.keep_read::<ValueOf<R, T>, N>(envelope, Some(Held::Absent(depth)), size);
            }),
            Some(Negative::Error(error)) => T::restore_error(&error),
            None => None,
        };
        if restored.is_none() {
            self.note_unreadable();
        }
        restored
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
    pub(super) fn near_ttl(&self, remaining: Duration, load_duration: Duration) -> Duration {
        match self.policies().refresh_ahead() {
            None => remaining,
            Some(beta) => {
                let early = load_duration.as_secs_f64() * beta * EARLY_TIMES;
                let early = Duration::try_from_secs_f64(early).unwrap_or(Duration::MAX);
                remaining.saturating_sub(early)
            }
        }
    }
}
