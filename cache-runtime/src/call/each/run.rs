//! The third stage of a call of several ids: one run of the body, and what becomes of what it returns.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Ids, Missing, SplitEach,
    call::Member,
    load::{EachLoad, Led},
    work::EachWork,
};
use crate::{
    call::{
        load::Turn,
        terms::{LoadTerms, ValueOf},
    },
    loads::{self, Landing, Leader, Load, Slot},
    near::tier::Tier,
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
    /// Runs the body for these, and fills.
    ///
    /// # Errors
    ///
    /// What the body returned, if it was an error, and there is no old value for one of these.
    pub(super) async fn run(&mut self, load: &Arc<Load>, mut led: Vec<Led>) -> Result<(), R> {
        if led.is_empty() {
            return Ok(());
        }
        let slot = slot(&self.members, load, &led).await;
        let waited = slot.as_ref().is_some_and(|slot| slot.waited);
        led = self.look_again(led, waited).await;
        if led.is_empty() {
            return Ok(());
        }
        // As the caller has named them.
        led.sort_by_key(|led| led.pending.member);
        let ids: Vec<C::Id> = led.iter().map(|led| self.id(&led.pending)).collect();
        if let Some(engine) = self.engine() {
            engine.counters.loads.add(1);
        }
        let began = Instant::now();
        let body = Box::pin(self.work.begin(Missing::new(ids.clone())));
        let returned = loads::inside(load, body).await;
        let load_duration = began.elapsed();
        // The fill is no load.
        drop(slot);
        match S::apart(returned, &ids) {
            Ok(Some(values)) => {
                self.fill(led, values, load_duration).await;
                Ok(())
            }
            Ok(None) => {
                self.leave(led);
                Ok(())
            }
            Err(failed) => self.fail(&led, failed),
        }
    }

    /// Asks the store once more for those that another load may have filled since; for all of them, if this one has `waited`.
    /// Returns those that are to be loaded.
    async fn look_again(&mut self, led: Vec<Led>, waited: bool) -> Vec<Led> {
        let may_be_there = |led: &Led| waited || led.leader.as_ref().is_some_and(Leader::follows);
        let entry = |led: &Led| {
            let lookup = self.members[led.pending.member].lookup.as_ref()?;
            let entry = lookup.entry.as_ref().filter(|_| !lookup.is_anew())?;
            may_be_there(led).then_some((&entry.address, entry.identity))
        };
        let entries: Vec<_> = led.iter().filter_map(entry).collect();
        let asked: Vec<bool> = led.iter().map(|led| entry(led).is_some()).collect();
        let mut readings = match self.engine() {
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
    fn look_at(&mut self, mut led: Led, reading: Option<Reading>) -> Option<Led> {
        let Some(lookup) = &self.members[led.pending.member].lookup else {
            return Some(led);
        };
        let Some(entry) = lookup.entry.as_ref().filter(|_| reading.is_some()) else {
            return Some(led);
        };
        let answer = entry.answer(reading);
        match answer.envelope {
            Some(envelope) => {
                let shared = lookup.share_entry::<Option<S::Value>, T, N>(&envelope, led.leader.as_ref());
                if let ControlFlow::Break(Turn::Shared(value)) = shared {
                    self.answer(led.pending.member, value);
                    return None;
                }
            }
            // The load begins after this read, so it may be stored under what was read.
            None => led.pending.ticket = answer.ticket,
        }
        Some(led)
    }

    /// What was loaded is handed on to those who waited for it, kept, and stored: all of it in one round trip.
    async fn fill(&mut self, led: Vec<Led>, values: Vec<Option<S::Value>>, load_duration: Duration) {
        // Held until the fill is done: callers whose read came before it are given what was loaded.
        let mut leaders = Vec::with_capacity(led.len());
        let mut fillings = Vec::with_capacity(led.len());
        for (Led { pending, leader }, value) in led.into_iter().zip(values) {
            if let Some(lookup) = &self.members[pending.member].lookup {
                let disposition = self.work.terms().judge(&value);
                let (leader, may_fill) = (leader.as_ref(), pending.ticket.is_some());
                let result = lookup.prepare::<Option<S::Value>, T, N>(leader, may_fill, &value, disposition);
                let filling = lookup.land(leader, pending.ticket, result, load_duration);
                fillings.extend(filling.map(|filling| (pending.member, filling)));
            }
            leaders.extend(leader);
            self.answer(pending.member, value);
        }
        let entries: Vec<_> = fillings
            .iter()
            .map(|(_, filling)| (&filling.ticket, filling.meta, &filling.value))
            .collect();
        let filled = match self.engine() {
            Some(engine) if !entries.is_empty() => engine.fill_many(&entries).await,
            _ => return,
        };
        for ((member, filling), filled) in fillings.into_iter().zip(filled) {
            if let Some(lookup) = &self.members[member].lookup {
                lookup.end_filling(filling, filled);
            }
        }
    }

    /// Answers with the old values, if there is one for each of these: else with the error.
    fn fail(&mut self, led: &[Led], failed: R) -> Result<(), R> {
        let members: Vec<usize> = led.iter().map(|led| led.pending.member).collect();
        for Led { leader, .. } in led {
            if let Some(leader) = leader {
                leader.land(Landing::Failed);
            }
        }
        let all_hidden = members
            .iter()
            .all(|member| self.stale[*member].as_ref().is_some_and(|stale| stale.may_hide_error));
        if !all_hidden {
            return Err(failed);
        }
        for member in members {
            if let Some(stale) = self.take_stale(member) {
                self.answer_stale(member, stale);
            }
        }
        Ok(())
    }

    /// What was returned cannot be told apart by the ids: there is a value for none of them, here or for those who waited.
    fn leave(&mut self, led: Vec<Led>) {
        self.site.warn_of_wrong_count();
        for Led { pending, leader } in led {
            if let Some(leader) = leader {
                leader.land(Landing::Failed);
            }
            self.answer(pending.member, None);
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
