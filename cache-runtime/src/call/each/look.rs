//! The first stage of a call of several ids: the store is asked for all that the near cache has not answered, at once.

use std::vec;

use futures_util::future::join_all;
use tracing::Instrument as _;

use super::{
    batch::{Batch, Member},
    load::Pending,
    refresh::Refreshes,
    returns::IdReturn,
};
use crate::{
    cache::Outcome,
    call::{
        answer::Answer,
        entry_ref::EntryRef,
        lookup::{Found, Lookup, lookup_span},
        terms::{LoadTerms, ValueOf},
    },
    entry::{Stamp, Ticket},
    near::tier::Tier,
    protocol::{Reading, with_tags},
};

impl<I, V, E> Batch<I, V, E> {
    /// Looks all members up, and returns those that are to be loaded. What is returned, and loaded again in the background, is added to
    /// `refreshes`; without them nothing is.
    pub(super) async fn look<T, N>(&mut self, mut refreshes: Option<&mut Refreshes>) -> Vec<Pending>
    where
        T: LoadTerms<IdReturn<V, E>>,
        N: Tier<ValueOf<IdReturn<V, E>, T>>,
    {
        let span = lookup_span(self.site.resource());
        let mut found = self.find().instrument(span).await;
        let mut missing = Vec::new();
        for member in 0..self.members.len() {
            let Member {
                lookup: Some(lookup),
                is_verified,
                ..
            } = &mut self.members[member]
            else {
                missing.push(Pending::alone(member));
                continue;
            };
            let answer = found.next_answer::<_, T, N>(lookup, *is_verified);
            missing.extend(self.settle(member, answer, refreshes.as_deref_mut()));
        }
        if let Some(refreshes) = refreshes {
            refreshes.add_early().await;
        }
        missing
    }

    /// What a lookup has come to: an answer, or a load.
    fn settle(
        &mut self,
        member: usize,
        answer: Answer<IdReturn<V, E>>,
        refreshes: Option<&mut Refreshes>,
    ) -> Option<Pending> {
        let Member {
            place, lookup: found, ..
        } = &mut self.members[member];
        let (place, lookup) = (*place, found.as_mut()?);
        lookup.note_old(&answer);
        let known = match lookup.as_the_task_may(answer) {
            Answer::Hit(known, outcome) => {
                lookup.report(outcome);
                known
            }
            Answer::Verify(hit, outcome, ticket) => {
                lookup.report(outcome);
                self.progress().keep_hit(place, hit, ticket.clone());
                return Some(Pending::new(member, Some(ticket)));
            }
            Answer::Early(known, ticket, stored_at) => {
                lookup.report(Outcome::Hit);
                if let Some(refreshes) = refreshes {
                    lookup.replace(stored_at);
                    refreshes.push_early(place, found.take(), ticket);
                }
                known
            }
            Answer::Stale(stale, ticket) => {
                if let Some(refreshes) = refreshes
                    && let Some(replacement) = refreshes.replacement_of(lookup, &stale, ticket.as_ref())
                {
                    lookup.report(Outcome::StaleHit);
                    refreshes.push(place, found.take(), ticket, replacement);
                    stale.value
                } else {
                    match lookup.stale_at_once(stale) {
                        Ok(known) => known,
                        // What becomes of the call is told when it is known.
                        Err(stale) => {
                            self.progress().keep_old(place, stale);
                            return Some(Pending::new(member, ticket));
                        }
                    }
                }
            }
            Answer::Load(ticket, outcome) => {
                lookup.report(outcome);
                return Some(Pending::new(member, ticket));
            }
        };
        self.progress().answer(place, known);
        None
    }

    /// Asks for all members that the cache has to do with.
    async fn find(&mut self) -> FoundOfAll {
        if !self.engine().is_some_and(|engine| engine.may_read()) {
            return FoundOfAll::Unasked;
        }
        let members = self.members.iter_mut();
        let (mut lookups, verified): (Vec<&mut Lookup>, Vec<bool>) = members
            .filter_map(|member| Some((member.lookup.as_mut()?, member.is_verified)))
            .unzip();
        if lookups.first().is_some_and(|lookup| lookup.is_anew()) {
            let found = join_all(lookups.into_iter().map(look_for_ticket)).await;
            return FoundOfAll::Anew(found.into_iter());
        }
        for lookup in &mut lookups {
            locate(lookup);
        }
        let tickets = tickets(&lookups, &verified).await;
        let readings = read(&lookups).await;
        FoundOfAll::Read(readings.into_iter(), tickets.into_iter())
    }
}

/// What was found of all members that the cache has to do with, in their order. It is taken one by one: all answers together would
/// take much memory once more.
enum FoundOfAll {
    /// The store is not to be asked.
    Unasked,
    /// What they may fill on that load whatever is there.
    Anew(vec::IntoIter<Found>),
    /// What the store has said, and what those may fill on that are verified.
    Read(vec::IntoIter<Option<Reading>>, vec::IntoIter<Option<Ticket>>),
}

impl FoundOfAll {
    /// What the next lookup makes of its call.
    fn next_answer<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &mut self,
        lookup: &mut Lookup,
        is_verified: bool,
    ) -> Answer<R> {
        match self {
            Self::Unasked => Answer::Load(None, Outcome::Bypass),
            Self::Anew(found) => Answer::anew(found.next().unwrap_or(Found::Unasked)),
            Self::Read(readings, tickets) => {
                lookup.note_asked();
                let answer = answer::<_, T, N>(lookup, readings.next().flatten());
                let ticket = if is_verified { tickets.next().flatten() } else { None };
                lookup.with_verification(answer, ticket)
            }
        }
    }
}

/// What those may fill on that are verified, known before they are found: if its stamps are current later, they were when the hit was.
async fn tickets(lookups: &[&mut Lookup], verified: &[bool]) -> Vec<Option<Ticket>> {
    let sample = lookups.iter().zip(verified).filter(|(_, is_verified)| **is_verified);
    let ticket = async |lookup: &Lookup| lookup.engine().ticket(&lookup.known.address).await.flatten();
    join_all(sample.map(|(lookup, _)| ticket(lookup))).await
}

async fn look_for_ticket(lookup: &mut Lookup) -> Found {
    lookup.locate();
    lookup.ask_for_ticket().await
}

fn locate(lookup: &mut Lookup) {
    lookup.locate();
    if let (Some(near), Some(entry)) = (&mut lookup.near, &lookup.entry) {
        near.mark(entry.asked());
    }
}

/// Asks the store for the entries of all of these.
async fn read(lookups: &[&mut Lookup]) -> Vec<Option<Reading>> {
    let entries = lookups.iter().filter_map(|lookup| lookup.entry.as_ref());
    let entries: Vec<_> = entries.map(EntryRef::query).collect();
    match lookups.first() {
        Some(lookup) => lookup.engine().read_many(&entries).await,
        None => Vec::new(),
    }
}

/// What the store has said makes of one id. Its stamps have come with its entry: a value in the near cache that had to be checked
/// is, without being asked for again.
fn answer<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(lookup: &mut Lookup, reading: Option<Reading>) -> Answer<R> {
    if let (Some(near), Some(entry)) = (&lookup.near, &lookup.entry)
        && near.has_unchecked()
        && let Some(stamps) = reading.as_ref().and_then(|reading| stamps_of(entry, reading))
        && let Some(answer) = lookup.checked::<R, T, N>(&stamps)
    {
        return answer;
    }
    lookup.answer_of::<R, T, N>(reading)
}

/// The stamps that were asked for, if what was read tells all of them: those of tags only a hit does.
fn stamps_of(entry: &EntryRef, reading: &Reading) -> Option<Vec<Option<Stamp>>> {
    let (ticket, envelope) = match reading {
        Reading::Hit { ticket, envelope } => (ticket, Some(envelope)),
        Reading::Stale { ticket, .. } | Reading::Miss { ticket, .. } => (ticket.as_ref()?, None),
    };
    let mut stamps: Vec<_> = ticket.stamps().iter().copied().map(Some).collect();
    if !entry.address.kinds().is_empty() {
        let envelope =
            envelope.filter(|envelope| with_tags(&entry.address, envelope).tags() == entry.asked().tags())?;
        stamps.extend(envelope.tags().map(|tag| Some(tag.stamp)));
    }
    Some(stamps)
}
