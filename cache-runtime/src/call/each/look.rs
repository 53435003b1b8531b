//! The first stage of a call of several ids: the store is asked for all that the near cache has not answered, at once.

use super::{
    Ids, Missing, SplitEach,
    load::{EachLoad, Pending},
    returns::EachTerms,
};
use crate::{
    cache::Outcome,
    call::{
        lookup::{Answer, Lookup},
        terms::{LoadTerms, ValueOf},
    },
    entry::{Split, Ticket},
    near::tier::Tier,
    protocol::Reading,
};

impl<R, S, C, G, T, N, B, F> EachLoad<R, S, C, G, T, N, B, F>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    G: Fn(EachTerms<R, S, C>) -> T,
    T: LoadTerms<Option<S::Value>>,
    N: Tier<ValueOf<Option<S::Value>, T>>,
    B: FnMut(Missing<C>) -> F,
    F: Future<Output = R>,
{
    /// Looks all ids up, and returns those that are to be loaded.
    pub(super) async fn look(&mut self) -> Vec<Pending> {
        let may_read = self.engine().is_some_and(|engine| engine.may_read());
        let readings = if may_read { self.read().await } else { Vec::new() };
        let mut readings = readings.into_iter();
        let mut missing = Vec::new();
        for member in 0..self.members.len() {
            let Some(lookup) = &mut self.members[member].lookup else {
                missing.push(Pending::alone(member));
                continue;
            };
            let answer = match readings.next() {
                Some(reading) => answer::<Option<S::Value>, T, N>(lookup, reading),
                None => Answer::Load(None, Outcome::Bypass),
            };
            match answer {
                Answer::Hit(value, outcome) => {
                    lookup.report(outcome);
                    self.answer(member, value);
                }
                Answer::Early(value, _) => {
                    lookup.report(Outcome::Hit);
                    self.answer(member, value);
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

    /// Asks the store for the entries of all that have one.
    async fn read(&mut self) -> Vec<Option<Reading>> {
        for lookup in self.members.iter_mut().filter_map(|member| member.lookup.as_mut()) {
            let entry = lookup.entry_ref();
            if let Some(near) = &mut lookup.near {
                near.mark(&entry.address);
            }
            lookup.entry = Some(entry);
        }
        let lookups = self.members.iter().filter_map(|member| member.lookup.as_ref());
        let entries = lookups.filter_map(|lookup| lookup.entry.as_ref());
        let entries: Vec<_> = entries.map(|entry| (&entry.address, entry.identity)).collect();
        match self.engine() {
            Some(engine) => engine.read_many(&entries).await,
            None => Vec::new(),
        }
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
        if let Some(value) = near.checked::<ValueOf<R, T>, N>(&stamps) {
            return Answer::Hit(T::Split::restore(value), Outcome::NearHit);
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
