//! The third stage of a call of several ids: one run of the body, and what becomes of what it returns.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    Ids, Missing, SplitEach,
    batch::{Batch, Member},
    lease::Leased,
    load::{EachLoad, Failure, Led, Pending},
    returns::IdReturn,
    work::EachWork,
};
use crate::{
    call::{
        fill::{Filling, fill_span},
        lease,
        terms::{Disposition, LoadTerms, ValueOf},
    },
    entry::Envelope,
    loads::{self, Landing, Leader, Load, Slot},
    near::{Held, tier::Tier},
    protocol::Reading,
};

/// An entry of a member that is to be stored.
struct EachFilling<H> {
    member: usize,
    filling: Filling,
    /// For the near cache.
    held: Option<Held<H>>,
}

type EachFillingOf<N, T, V, E> = EachFilling<<N as Tier<ValueOf<IdReturn<V, E>, T>>>::Held>;

impl<R, S, C, T, N, F, W> EachLoad<R, S, C, T, N, F, W>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
    T: LoadTerms<IdReturn<S::Value, S::IdError>>,
    N: Tier<ValueOf<IdReturn<S::Value, S::IdError>, T>>,
    F: Future<Output = R>,
    W: EachWork<R, S, C, T, F>,
{
    /// Runs the body for these, and fills. Returns those that are to be led anew: other processes have the leases of their loads, or an
    /// invalidation has come.
    ///
    /// # Errors
    ///
    /// What the body returned, if it was an error, and there is no old value for one of these.
    pub(super) async fn run(&mut self, load: &Arc<Load>, mut led: Vec<Led>) -> Result<Vec<Pending>, Failure<R>> {
        if led.is_empty() {
            return Ok(Vec::new());
        }
        for pending in led.iter().map(|led| &led.pending).filter(|pending| !pending.is_alone) {
            if let Some(lookup) = &self.batch.members[pending.member].lookup {
                lookup.leads.store(true, Ordering::Relaxed);
            }
        }
        let slot = slot(&self.batch.members, load, &led).await;
        let waited = slot.as_ref().is_some_and(|slot| slot.waited);
        led = self.look_again(led, waited).await;
        let Leased {
            ready: mut led,
            leases,
            left,
        } = self.lease(load, led).await;
        if led.is_empty() || self.batch.has_failed() {
            return Ok(left);
        }
        // As the caller has named them.
        led.sort_by_key(|led| led.pending.member);
        let members = &self.batch.members;
        let ids: Vec<C::Id> = led
            .iter()
            .map(|led| self.batch.id(members[led.pending.member].place))
            .collect();
        self.batch.count(|figures| figures.loads.add(1));
        let began = Instant::now();
        let body = Box::pin(self.work.begin(Missing::new(ids.clone())));
        let returned = lease::during(&leases, loads::inside(load, body)).await;
        let load_duration = began.elapsed();
        // The fill is no load.
        drop(slot);
        let values = S::apart(returned, &ids);
        self.batch
            .count(|figures| figures.loaded(load_duration, values.is_err()));
        let ended = match values {
            Ok(Some(values)) => {
                self.fill(led, values, load_duration).await;
                Ok(())
            }
            Ok(None) => {
                self.leave(led);
                Ok(())
            }
            Err(failed) => match S::error(failed) {
                Ok(error) => self.fill_error(led, error, load_duration).await,
                Err(failed) => self.abandon(&led, failed),
            },
        };
        lease::give_back(leases).await;
        ended.map(|()| left)
    }

    /// Asks the store once more for those that another load may have filled since; for all of them, if this one has `waited`.
    /// Returns those that are to be loaded.
    async fn look_again(&mut self, led: Vec<Led>, waited: bool) -> Vec<Led> {
        let may_be_there = |led: &Led| waited || led.leader.as_ref().is_some_and(Leader::follows);
        let entry = |led: &Led| {
            let lookup = self.batch.members[led.pending.member].lookup.as_ref()?;
            let entry = lookup.entry.as_ref().filter(|_| !lookup.is_anew())?;
            may_be_there(led).then(|| entry.query())
        };
        let entries: Vec<_> = led.iter().filter_map(entry).collect();
        let asked: Vec<bool> = led.iter().map(|led| entry(led).is_some()).collect();
        let mut readings = match self.batch.engine() {
            Some(engine) if !entries.is_empty() => engine.read_many(&entries).await.into_iter(),
            _ => return led,
        };
        let mut missing = Vec::with_capacity(led.len());
        for (led, asked) in led.into_iter().zip(asked) {
            let reading = if asked { readings.next().flatten() } else { None };
            missing.extend(self.look_at(led, reading));
        }
        missing
    }

    /// What a second look at the store has come to: an answer, or a load.
    fn look_at(&self, mut led: Led, reading: Option<Reading>) -> Option<Led> {
        let Some(lookup) = &self.batch.members[led.pending.member].lookup else {
            return Some(led);
        };
        let Some(entry) = lookup.entry.as_ref().filter(|_| reading.is_some()) else {
            return Some(led);
        };
        let answer = entry.answer(reading);
        if let Some(envelope) = answer.envelope {
            return self.share_entry(led, &envelope);
        }
        // The load begins after this read, so it may be stored under what was read.
        led.pending.ticket = answer.ticket;
        Some(led)
    }

    /// A member is answered with what another load has stored; it is given back if that cannot be decoded.
    pub(super) fn share_entry(&self, led: Led, envelope: &Envelope) -> Option<Led> {
        let lookup = self.batch.members[led.pending.member].lookup.as_ref()?;
        let Some((shared, landing)) = lookup.share_entry::<IdReturn<S::Value, S::IdError>, T, N>(envelope) else {
            return Some(led);
        };
        if let Some(leader) = &led.leader {
            leader.land(landing);
        }
        self.batch.answer(led.pending.member, shared);
        None
    }

    /// What was loaded is handed on to those who waited for it, kept, and stored: all of it in one round trip.
    async fn fill(&mut self, mut led: Vec<Led>, values: Vec<Option<S::Value>>, load_duration: Duration) {
        let mut fillings = Vec::with_capacity(led.len());
        for (led, value) in led.iter_mut().zip(values) {
            let result = Ok(value);
            self.verify(led.pending.member, &result);
            let disposition = self.work.terms().judge(&result);
            fillings.extend(self.land(led, &result, disposition, load_duration));
            self.batch.answer(led.pending.member, result);
        }
        store::<_, _, _, T, N>(&self.batch, fillings).await;
        // Not before: callers whose read came before the fill are given what was loaded.
        drop(led);
    }

    /// Compares what was loaded of a member with what was found of it, if it is verified.
    fn verify(&self, member: usize, loaded: &IdReturn<S::Value, S::IdError>) {
        if let Some(lookup) = &self.batch.members[member].lookup
            && let Some((hit, ticket)) = self.batch.take_hit(member)
        {
            lookup.compare::<_, T>((&hit, ticket), loaded);
        }
    }

    /// As [`fill`](Self::fill), of an error that is that of all of these, if it is to be kept.
    async fn fill_error(
        &mut self,
        mut led: Vec<Led>,
        error: S::IdError,
        load_duration: Duration,
    ) -> Result<(), Failure<R>> {
        let failed = Err(error);
        let disposition = self.work.terms().judge(&failed);
        let is_stored = matches!(disposition, Disposition::StoreError(_));
        let land = |led: &mut Led| self.land(led, &failed, disposition.clone(), load_duration);
        let fillings: Vec<_> = if is_stored {
            led.iter_mut().filter_map(land).collect()
        } else {
            Vec::new()
        };
        let returned = match failed {
            Err(error) => S::fail(error),
            Ok(_) => unreachable!("it was made of an error"),
        };
        if !is_stored {
            return self.abandon(&led, returned);
        }
        store::<_, _, _, T, N>(&self.batch, fillings).await;
        drop(led);
        Err(Failure { returned, is_stored })
    }

    /// The load of these has failed, and what is stored of them stays.
    fn abandon(&self, led: &[Led], failed: R) -> Result<(), Failure<R>> {
        for leader in led.iter().filter_map(|led| led.leader.as_ref()) {
            leader.land(Landing::Failed);
        }
        let members: Vec<usize> = led.iter().map(|led| led.pending.member).collect();
        self.fail(&members, failed)
    }

    /// The result of a member is handed on to those who waited for it. Returns what is to be stored.
    fn land(
        &self,
        Led { pending, leader }: &mut Led,
        result: &IdReturn<S::Value, S::IdError>,
        disposition: Disposition,
        load_duration: Duration,
    ) -> Option<EachFillingOf<N, T, S::Value, S::IdError>> {
        let member = pending.member;
        let lookup = self.batch.members[member].lookup.as_ref()?;
        let (leader, ticket) = (leader.as_ref(), pending.ticket.take());
        let waited_for = leader.is_some_and(Leader::has_waiters);
        let (result, held) = lookup.prepare::<_, T, N>(waited_for, ticket.is_some(), result, disposition);
        let filling = lookup.land(leader, ticket, result, load_duration)?;
        Some(EachFilling { member, filling, held })
    }

    /// What was returned cannot be told apart by the ids: there is a value for none of them, here or for those who waited.
    fn leave(&self, led: Vec<Led>) {
        self.batch.site.warn_of_wrong_count();
        for Led { pending, leader } in led {
            if let Some(leader) = leader {
                leader.land(Landing::Failed);
            }
            self.batch.answer(pending.member, Ok(None));
        }
    }
}

/// Waits until this load may run beside the others of its resource. `None` if the cache has nothing to do with it.
async fn slot(members: &[Member], load: &Arc<Load>, led: &[Led]) -> Option<Slot> {
    let takes_over = |led: &&Led| led.leader.as_ref().is_some_and(|leader| leader.takeover().is_some());
    let first = led.iter().find(takes_over).or(led.first())?;
    let lookup = members[first.pending.member].lookup.as_ref()?;
    Some(lookup.slot(load, first.leader.as_ref()).await)
}

async fn store<I, V, E, T, N>(batch: &Batch<I, V, E>, fillings: Vec<EachFillingOf<N, T, V, E>>)
where
    T: LoadTerms<IdReturn<V, E>>,
    N: Tier<ValueOf<IdReturn<V, E>, T>>,
{
    let fills: Vec<_> = fillings.iter().map(|each| each.filling.fill()).collect();
    let filled = match batch.engine() {
        Some(engine) if !fills.is_empty() => {
            let filling = engine.fill_many(batch.site.figures(&engine), &fills);
            filling.instrument(fill_span(batch.site.resource())).await
        }
        _ => return,
    };
    for (EachFilling { member, filling, held }, filled) in fillings.into_iter().zip(filled) {
        if let Some(lookup) = &batch.members[member].lookup
            && let Some(stored) = lookup.end_filling(filling, filled)
            && let Some(held) = held
        {
            lookup.keep::<ValueOf<IdReturn<V, E>, T>, N>(stored, held);
        }
    }
}
