//! The first stage of a call of several ids: the store is asked for all that the near cache has not answered, at once.

use futures_util::future::join_all;

use super::{
    Ids, SplitEach,
    load::{EachLoad, Pending},
    work::EachWork,
};
use crate::{
    cache::Outcome,
    call::{
        lookup::{Answer, Lookup},
        terms::{LoadTerms, ValueOf},
    },
    entry::Ticket,
    near::{Held, tier::Tier},
    protocol::Reading,
};

impl<R, S, C, T, N, F, W> EachLoad<R, S, C, T, N, F, W>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    T: LoadTerms<Option<S::Value>>,
    N: Tier<ValueOf<Option<S::Value>, T>>,
    F: Future<Output = R>,
    W: EachWork<R, S, C, T, F>,
{
    /// Looks all ids up, and returns those that are to be loaded.
    pub(super) async fn look(&mut self) -> Vec<Pending> {
        let mut answers = self.answers().await.into_iter();
        let mut missing = Vec::new();
        for member in 0..self.members.len() {
            let Some(lookup) = &mut self.members[member].lookup else {
                missing.push(Pending::alone(member));
                continue;
            };
            let answer = answers.next().unwrap_or(Answer::Load(None, Outcome::Bypass));
            lookup.note_old(&answer);
            match lookup.as_the_task_may(answer) {
                // There is no `verify` beside `each`.
                Answer::Hit(value, outcome) | Answer::Verify(value, outcome, _) => {
                    lookup.report(outcome);
                    self.answer(member, value);
                }
                Answer::Early(value, ticket, stored_at) => {
                    lookup.report(Outcome::Hit);
                    if W::OUTLIVES {
                        lookup.replace(stored_at);
                        let ticket = lookup.ticket_of_hit(ticket).await;
                        self.refreshes.add(member, lookup, ticket);
                    }
                    self.answer(member, value);
                }
                Answer::Stale(stale, ticket)
                    if W::OUTLIVES && self.refreshes.add_stale(member, lookup, &stale, ticket.as_ref()) =>
                {
                    lookup.report(Outcome::StaleHit);
                    self.answer(member, stale.value);
                }
                Answer::Stale(stale, ticket) => match lookup.stale_at_once(stale) {
                    Ok(value) => self.answer(member, value),
                    // What becomes of the call is told when it is known.
                    Err(stale) => {
                        self.stale[member] = Some(stale);
                        missing.push(Pending::new(member, ticket));
                    }
                },
                Answer::Load(ticket, outcome) => {
                    lookup.report(outcome);
                    missing.push(Pending::new(member, ticket));
                }
            }
        }
        missing
    }

    /// What the lookups make of their calls; nothing, if the store is not to be asked.
    async fn answers(&mut self) -> Vec<Answer<Option<S::Value>>> {
        if !self.engine().is_some_and(|engine| engine.may_read()) {
            return Vec::new();
        }
        let mut lookups: Vec<&mut Lookup> = self
            .members
            .iter_mut()
            .filter_map(|member| member.lookup.as_mut())
            .collect();
        if lookups.first().is_some_and(|lookup| lookup.is_anew()) {
            return join_all(lookups.into_iter().map(look_for_ticket)).await;
        }
        for lookup in &mut lookups {
            locate(lookup);
        }
        let readings = read(&lookups).await;
        let answers = lookups.into_iter().zip(readings);
        answers
            .map(|(lookup, reading)| answer::<_, T, N>(lookup, reading))
            .collect()
    }
}

async fn look_for_ticket<R>(lookup: &mut Lookup) -> Answer<R> {
    let entry = lookup.entry_ref();
    let answer = lookup.look_for_ticket(&entry).await;
    lookup.entry = Some(entry);
    answer
}

fn locate(lookup: &mut Lookup) {
    let entry = lookup.entry_ref();
    if let Some(near) = &mut lookup.near {
        near.mark(&entry.address);
    }
    lookup.entry = Some(entry);
}

/// Asks the store for the entries of all of these.
async fn read(lookups: &[&mut Lookup]) -> Vec<Option<Reading>> {
    let entries = lookups.iter().filter_map(|lookup| lookup.entry.as_ref());
    let entries: Vec<_> = entries.map(|entry| (&entry.address, entry.identity)).collect();
    match lookups.first() {
        Some(lookup) => lookup.engine().read_many(&entries).await,
        None => Vec::new(),
    }
}

/// What the store has said makes of one id. Its stamps have come with its entry: a value in the near cache that had to be checked
/// is, without being asked for again.
fn answer<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(lookup: &mut Lookup, reading: Option<Reading>) -> Answer<R> {
    if let Some(near) = &mut lookup.near
        && near.has_unchecked()
        && let Some(ticket) = reading.as_ref().and_then(ticket)
    {
        let stamps: Vec<_> = ticket.stamps().iter().copied().map(Some).collect();
        let checked = near.checked::<ValueOf<R, T>, N>(&stamps);
        if let Some(answer) = checked.and_then(Held::into_return::<R, T::Split>) {
            return Answer::Hit(answer, Outcome::NearHit);
        }
    }
    match &lookup.entry {
        Some(entry) => lookup.answer_of::<R, T, N>(entry, reading),
        None => Answer::Load(None, Outcome::Bypass),
    }
}

fn ticket(reading: &Reading) -> Option<&Ticket> {
    match reading {
        Reading::Hit { ticket, .. } => Some(ticket),
        Reading::Stale { ticket, .. } | Reading::Miss { ticket, .. } => ticket.as_ref(),
    }
}
