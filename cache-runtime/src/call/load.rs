//! The second stage of a call: it waits for the load of another one, or loads itself, when it is its turn.

use std::{ops::ControlFlow, pin::Pin, sync::Arc};

use tokio::{runtime::Handle, time::Instant};

use super::{
    entry_ref::EntryRef,
    lease::{self, Lease, LeaseOutcome},
    lookup::Lookup,
    value::Value,
};
use crate::{
    entry::{Envelope, Split, Ticket},
    loads::{self, Caller, Landing, Leader, Load, LoadKey, LoadedValue, Role, Slot, Takeover},
    near::tier::Tier,
};

/// What the turn of a call that has to load makes of it.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Turn<R> {
    Load(Permit),
    /// Another call has loaded.
    Shared(R),
}

/// What a call loads on.
pub(super) struct Permit {
    ticket: Option<Ticket>,
    /// The flight that others wait for; `None` if the call loads for itself alone.
    leader: Option<Leader>,
    lease: Option<Lease>,
    slot: Slot,
}

/// What a call tries to get its turn with, once more.
type Again = (Option<Leader>, Option<Ticket>);

impl Lookup<'_> {
    /// Joins the flight of the call: waits for the load of another call in this process, or is the one that loads. `around` is
    /// the load whose body has made the call.
    pub(super) async fn join_from(&self, around: Option<&Arc<Load>>, ticket: Option<&Ticket>) -> Role {
        self.join(around.map_or(Caller::Outside, Caller::Inside), ticket).await
    }

    async fn join(&self, caller: Caller<'_>, ticket: Option<&Ticket>) -> Role {
        // Without tokio there is nobody to see to it that a wait for others ends.
        if Handle::try_current().is_err() {
            return Role::Waiter(Landing::Failed);
        }
        let engine = self.engine();
        let known = &self.call.known;
        let key = match self.entry.as_ref().zip(ticket) {
            Some((entry, ticket)) => LoadKey::stamped(entry.identity, ticket),
            None => LoadKey::unstamped(self.function, &known.address, known.fingerprint),
        };
        let (resource, backstop) = (self.call.site.resource(), engine.settings.load_backstop);
        if self.anew {
            return engine.flights.replace(key, resource, caller);
        }
        loads::join(&engine.flights, key, resource, self.began, caller, backstop).await
    }

    /// Waits for the turn to load in this process and, with `lease`, for the load of another process.
    pub(super) async fn turn<R, S: Split<R>, N: Tier<S::Value>>(
        &self,
        load: &Arc<Load>,
        leader: Option<Leader>,
        ticket: Option<Ticket>,
    ) -> Turn<R>
    where
        S::Value: Value,
    {
        let mut again = (leader, ticket);
        loop {
            match self.try_turn::<R, S, N>(load, again).await {
                ControlFlow::Break(turn) => return turn,
                ControlFlow::Continue(overtaken) => again = overtaken,
            }
        }
    }

    async fn try_turn<R, S: Split<R>, N: Tier<S::Value>>(
        &self,
        load: &Arc<Load>,
        (leader, mut ticket): Again,
    ) -> ControlFlow<Turn<R>, Again>
    where
        S::Value: Value,
    {
        let slot = self.slot(load, leader.as_ref()).await;
        let may_be_filled = slot.waited || leader.as_ref().is_some_and(Leader::follows);
        if may_be_filled && !self.anew {
            ticket = self.look_again::<R, S, N>(leader.as_ref(), ticket).await?;
        }
        let mut permit = Permit {
            ticket: None,
            leader,
            lease: None,
            slot,
        };
        match self.lease(load, permit.leader.as_ref(), ticket).await {
            LeaseOutcome::Lease(lease, ticket) => (permit.ticket, permit.lease) = (Some(ticket), Some(lease)),
            LeaseOutcome::Nothing(ticket) => permit.ticket = ticket,
            LeaseOutcome::Filled(envelope) => {
                self.share_entry::<R, S, N>(&envelope, permit.leader.as_ref())?;
            }
            LeaseOutcome::Overtaken(current) => {
                drop(permit);
                return self.join_again::<R, S, N>(load, current).await;
            }
        }
        ControlFlow::Break(Turn::Load(permit))
    }

    /// Waits until this load may run beside the others of its resource.
    async fn slot(&self, load: &Arc<Load>, leader: Option<&Leader>) -> Slot {
        let (engine, site) = (self.engine(), self.call.site);
        let takeover = leader.and_then(Leader::takeover);
        if let Some(takeover) = takeover {
            engine.counters.taken_over_loads.add(1);
            site.warn_of_takeover(takeover, engine.settings.load_backstop);
        }
        let on_wait = || engine.counters.queued_loads.add(1);
        engine.limiter.take(site.declared(), load, takeover, on_wait).await
    }

    /// Asks the store once more: another load may have filled since. Returns the ticket to load on.
    async fn look_again<R, S: Split<R>, N: Tier<S::Value>>(
        &self,
        leader: Option<&Leader>,
        ticket: Option<Ticket>,
    ) -> ControlFlow<Turn<R>, Option<Ticket>>
    where
        S::Value: Value,
    {
        let Some(entry) = &self.entry else {
            return ControlFlow::Continue(ticket);
        };
        let answer = entry.read(self.engine()).await;
        match answer.envelope {
            Some(envelope) => {
                self.share_entry::<R, S, N>(&envelope, leader)?;
                ControlFlow::Continue(ticket)
            }
            // The load begins after this read, so it may be stored under what was read.
            None if answer.is_known => ControlFlow::Continue(answer.ticket),
            None => ControlFlow::Continue(ticket),
        }
    }

    /// The lease of the load, if the function wants one and there is a ticket to fill with.
    async fn lease(&self, load: &Arc<Load>, leader: Option<&Leader>, ticket: Option<Ticket>) -> LeaseOutcome {
        // Who loads because somebody else waits for it, or seems to, does not wait for the lease of that one.
        let may_wait = |leader: &Leader| !matches!(leader.takeover(), Some(Takeover::Circle | Takeover::Overdue));
        let lasting = self
            .call
            .site
            .lease_lasts()
            .filter(|_| leader.is_some_and(may_wait) && !self.anew);
        match (self.entry.as_ref().zip(lasting), ticket) {
            (Some((entry, lasting)), Some(ticket)) => {
                lease::acquire(&self.call.cache.engine, entry, ticket, lasting, load).await
            }
            (_, ticket) => LeaseOutcome::Nothing(ticket),
        }
    }

    /// The stamps are others than they were: so is the flight.
    async fn join_again<R, S: Split<R>, N: Tier<S::Value>>(
        &self,
        load: &Arc<Load>,
        current: Ticket,
    ) -> ControlFlow<Turn<R>, Again>
    where
        S::Value: Value,
    {
        let leader = match self.join(Caller::Load(load), Some(&current)).await {
            Role::Leader(leader) => Some(leader),
            Role::Waiter(landed) => match self.share::<R, S, N>(landed) {
                Some(shared) => return ControlFlow::Break(Turn::Shared(shared)),
                None => None,
            },
            Role::Circle => None,
        };
        ControlFlow::Continue((leader, Some(current)))
    }

    /// Runs the body, and fills.
    pub(super) async fn load<R, S, U, N, F>(&self, load: &Arc<Load>, permit: Permit, unless: U, body: Pin<&mut F>) -> R
    where
        S: Split<R>,
        S::Value: Value,
        U: FnOnce(&S::Value) -> bool,
        N: Tier<S::Value>,
        F: Future<Output = R>,
    {
        let Permit {
            ticket,
            leader,
            lease,
            slot,
        } = permit;
        self.engine().counters.loads.add(1);
        let began = Instant::now();
        let body = loads::inside(load, body);
        let returned = match &lease {
            Some(lease) => lease.during(body).await,
            None => body.await,
        };
        let load_duration = began.elapsed();
        // The fill is no load.
        drop(slot);
        let store = S::with_value(&returned, |value| !unless(value)).unwrap_or(false);
        let ticket = ticket.filter(|_| store);
        // All that is needed of what was returned, before the next wait: it need not be `Sync`.
        let loaded = self.prepare::<R, S, N>(leader.as_ref(), ticket.as_ref(), &returned);
        self.fill::<S::Value, N>(leader, ticket, loaded, load_duration).await;
        if let Some(lease) = lease {
            lease.end().await;
        }
        returned
    }

    /// What a call returns that waited for the load of another one; `None` if it must load for itself.
    pub(super) fn share<R, S: Split<R>, N: Tier<S::Value>>(&self, landed: Landing) -> Option<R>
    where
        S::Value: Value,
    {
        let shared = match landed {
            Landing::Value(loaded) => loaded.value::<S::Value, N>().map(S::restore),
            Landing::Absent(depth) => S::absent(depth),
            Landing::Failed => None,
        };
        shared.inspect(|_| self.engine().counters.shared_loads.add(1))
    }

    /// What an entry stands for that another one has filled while this call waited; told to those who wait for this call. Goes
    /// on if it cannot be decoded.
    fn share_entry<R, S: Split<R>, N: Tier<S::Value>>(
        &self,
        envelope: &Envelope,
        leader: Option<&Leader>,
    ) -> ControlFlow<Turn<R>>
    where
        S::Value: Value,
    {
        let decode = |entry: &EntryRef| self.decode::<S::Value, N>(entry, envelope);
        let Some(value) = self.entry.as_ref().and_then(decode) else {
            return ControlFlow::Continue(());
        };
        if let Some((leader, encoded)) = leader.zip(envelope.encoded().ok()) {
            leader.land(Landing::Value(LoadedValue::new::<_, N>(&value, encoded)));
        }
        self.engine().counters.shared_loads.add(1);
        ControlFlow::Break(Turn::Shared(S::restore(value)))
    }
}
