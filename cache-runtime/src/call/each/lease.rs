//! The leases of a call of several ids: what no other process loads is loaded, and the rest waited for.
//!
//! No two calls of any processes wait for each other for ever, whichever ids they share and in which order they name them. A call tries
//! to get the leases of all its ids and waits for none; it loads those that it has got, and gives their leases back, before it waits for
//! the first one that another process has. So whoever is waited for waits for no lease itself.
//!
//! As long as it waits it leads the flights of these ids, so that of each process one call asks for a lease. Before it runs the body for
//! others it gives them up: whoever waits for one of them does not wait for that body, too.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::Instant;

use super::{
    Ids, SplitEach,
    load::{EachLoad, Led, Pending},
    returns::IdReturn,
    work::EachWork,
};
use crate::{
    cache::Engine,
    call::{
        lease::{self, Candidate, Lease, LeaseOutcome, Pauses},
        terms::{LoadTerms, ValueOf},
    },
    loads::Load,
    near::tier::Tier,
    protocol::Reading,
};

/// What a call may load now, of what it leads.
#[derive(Default)]
pub(super) struct Leased {
    pub(super) ready: Vec<Led>,
    /// Those of them, to be kept until they are filled.
    pub(super) leases: Vec<Lease>,
    /// Those that are to be led anew.
    pub(super) left: Vec<Pending>,
}

/// What is waited for: of each member the candidate for its lease.
#[derive(Default)]
struct Waiting {
    led: Vec<Led>,
    candidates: Vec<Candidate>,
}

impl Waiting {
    fn push(&mut self, led: Led, candidate: Candidate) {
        self.led.push(led);
        self.candidates.push(candidate);
    }
}

impl Leased {
    /// Whether there is something to be done before anything is waited for.
    fn is_due(&self) -> bool {
        !(self.ready.is_empty() && self.left.is_empty())
    }
}

impl<R, S, C, T, N, F, W> EachLoad<R, S, C, T, N, F, W>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    T: LoadTerms<IdReturn<S::Value, S::IdError>>,
    N: Tier<ValueOf<IdReturn<S::Value, S::IdError>, T>>,
    F: Future<Output = R>,
    W: EachWork<R, S, C, T, F>,
{
    /// Waits until some of these may be loaded, or all have been by others: those are answered.
    pub(super) async fn lease(&self, load: &Arc<Load>, led: Vec<Led>) -> Leased {
        let mut leased = Leased::default();
        let Some(engine) = self.batch.engine() else {
            leased.ready = led;
            return leased;
        };
        let mut waiting = Waiting::default();
        for mut led in led {
            match self.candidate(&engine, load, &mut led) {
                Some(candidate) => waiting.push(led, candidate),
                None => leased.ready.push(led),
            }
        }
        let mut pauses = Pauses::new();
        while !waiting.led.is_empty() {
            waiting = self.attempt(&engine, waiting, &mut leased).await;
            if leased.is_due() || waiting.led.is_empty() {
                break;
            }
            pauses.pause(&waiting.candidates).await;
        }
        leased.left.extend(waiting.led.into_iter().map(|led| self.give_up(led)));
        leased
    }

    /// The candidate for the lease of a member, if it wants one and may wait for it.
    fn candidate(&self, engine: &Engine, load: &Arc<Load>, led: &mut Led) -> Option<Candidate> {
        let lookup = self.batch.members[led.pending.member].lookup.as_ref()?;
        let (_, lasting) = lookup.wanted_lease(led.leader.as_ref())?;
        let ticket = led.pending.ticket.as_ref()?;
        let since = *led.pending.leased_since.get_or_insert_with(Instant::now);
        let candidate = Candidate::new(engine, ticket, lasting, load, since);
        if candidate.is_none() {
            led.pending.ticket = None;
        }
        candidate
    }

    /// Tries to get the leases of all of these, once. Returns those that others have.
    async fn attempt(&self, engine: &Engine, waiting: Waiting, leased: &mut Leased) -> Waiting {
        let Waiting { led, mut candidates } = waiting;
        let attempts = lease::attempt(engine, &mut candidates).await;
        // With a lease, too: who had it may have filled after the caller's read, and given it back.
        let mut readings = self.read(engine, led.iter().zip(&attempts)).await.into_iter();
        let (mut still, mut unused) = (Waiting::default(), Vec::new());
        for ((mut led, candidate), attempt) in led.into_iter().zip(candidates).zip(attempts) {
            let lookup = self.batch.members[led.pending.member].lookup.as_ref();
            let entry = lookup.and_then(|lookup| lookup.entry.as_ref());
            let (Some(attempt), Some(entry), Some(ticket)) = (attempt, entry, &mut led.pending.ticket) else {
                leased.ready.push(led);
                continue;
            };
            let found = entry.answer(readings.next().flatten());
            let (outcome, lease) = candidate.conclude(engine, attempt, found, ticket);
            unused.extend(lease);
            match outcome {
                Some(outcome) => self.end_wait_for_lease(led, outcome, leased),
                None => still.push(led, candidate),
            }
        }
        lease::give_back(unused).await;
        still
    }

    /// Asks the store for the entries of those that are waited for, or have got their lease.
    async fn read<'a>(
        &self,
        engine: &Engine,
        attempts: impl Iterator<Item = (&'a Led, &'a Option<lease::Attempt>)>,
    ) -> Vec<Option<Reading>> {
        let entries = attempts
            .filter(|(_, attempt)| attempt.is_some())
            .filter_map(|(led, _)| {
                let lookup = self.batch.members[led.pending.member].lookup.as_ref()?;
                Some(lookup.entry.as_ref()?.query())
            });
        let entries: Vec<_> = entries.collect();
        engine.read_many(&entries).await
    }

    fn end_wait_for_lease(&self, mut led: Led, outcome: LeaseOutcome, leased: &mut Leased) {
        led.pending.leased_since = None;
        match outcome {
            LeaseOutcome::Lease(lease, ticket) => {
                led.pending.ticket = Some(ticket);
                leased.leases.push(lease);
                leased.ready.push(led);
            }
            LeaseOutcome::Nothing(ticket) => {
                led.pending.ticket = ticket;
                leased.ready.push(led);
            }
            LeaseOutcome::Filled(envelope) => {
                led.pending.ticket = None;
                leased.ready.extend(self.share_entry(led, &envelope));
            }
            LeaseOutcome::Overtaken(current) => {
                led.pending.ticket = Some(current);
                leased.left.push(self.give_up(led));
            }
        }
    }

    /// Gives up the flight of a member: one of those who wait for it leads it then.
    fn give_up(&self, led: Led) -> Pending {
        if let Some(lookup) = &self.batch.members[led.pending.member].lookup {
            lookup.leads.store(false, Ordering::Relaxed);
        }
        led.pending
    }
}
