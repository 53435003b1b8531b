//! The second stage of a call: it waits for the load of another one, or loads itself, when it is its turn.

use std::{
    ops::ControlFlow,
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tracing::{Instrument as _, Span};

use super::{
    entry_ref::EntryRef,
    lease::{self, Lease, LeaseOutcome},
    lookup::{Fallback, Lookup},
    terms::{Disposition, LoadTerms, LoadTimeout, ValueOf},
};
use crate::{
    entry::{Envelope, Split, Ticket},
    loads::{
        self, Caller, Landing, Leader, Load, LoadKey, LoadedValue, Role, Slot, Takeover, TendedFuture, load_around,
    },
    near::tier::Tier,
};

/// The span of a call that loads, or waits for a load: it follows from that of the load that it is given.
pub(super) fn load_span(resource: &'static str) -> Span {
    tracing::debug_span!("cache.load", resource)
}

/// What a load came to.
pub(super) enum Loaded<R> {
    /// What the call returns.
    Returned(R),
    /// An error that the call returns, unless there is something better.
    Failed(R),
    /// The load of another call, which this one has waited for, has failed; only where there is something better.
    OtherFailed,
}

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

impl Lookup {
    /// Loads, or is given what another call loads; within the hard timeout, if the function has one.
    pub(super) async fn load<R, T, N, F>(
        &self,
        terms: T,
        ticket: Option<Ticket>,
        fallback: Fallback,
        body: Pin<&mut F>,
    ) -> Loaded<R>
    where
        T: LoadTerms<R>,
        N: Tier<ValueOf<R, T>>,
        F: Future<Output = R>,
    {
        let bound = self.policies().hard_timeout().zip(terms.late());
        let loading = self.load_or_share::<R, T, N, F>(terms, ticket, fallback, body);
        let loading = pin!(loading.instrument(load_span(self.call.site.resource())));
        let Some((after, late)) = bound else {
            return loading.await;
        };
        // Boxed: most functions have no such timeout, and all have room for this.
        Box::pin(timeout(after, loading)).await.unwrap_or_else(|_| {
            self.figures().timed_out_loads.add(1);
            Loaded::Failed(late(LoadTimeout::new(self.call.site.resource(), after)))
        })
    }

    async fn load_or_share<R, T, N, F>(
        &self,
        terms: T,
        ticket: Option<Ticket>,
        fallback: Fallback,
        body: Pin<&mut F>,
    ) -> Loaded<R>
    where
        T: LoadTerms<R>,
        N: Tier<ValueOf<R, T>>,
        F: Future<Output = R>,
    {
        let around = load_around();
        let leader = match self.join_from(around.as_ref(), ticket.as_ref()).await {
            Role::Leader(leader) => Some(leader),
            Role::Waiter(landed) => match self.share::<R, T, N>(landed) {
                Some(shared) => return Loaded::Returned(shared),
                None if fallback == Fallback::OldValue => return Loaded::OtherFailed,
                None => None,
            },
            // What the body returns may be part of a larger result yet, as where a function walks a graph that leads back to where
            // it began: nobody else is given it.
            Role::Circle => {
                self.figures().loads.add(1);
                return Loaded::Returned(body.await);
            }
        };
        let load = match &leader {
            Some(leader) => Arc::clone(leader.load()),
            None => Load::new(self.call.site.resource(), around),
        };
        self.leads.store(true, Ordering::Relaxed);
        let loading = async {
            match self.turn::<R, T, N>(&load, leader, ticket).await {
                Turn::Shared(shared) => Loaded::Returned(shared),
                Turn::Load(permit) => self.run::<R, T, N, F>(&load, permit, terms, body).await,
            }
        };
        // Boxed: ten thousand who wait for one load do not each hold room for what that one needs. From here on others may wait for
        // this call, and look whether it is polled.
        TendedFuture::new(&load, Box::pin(loading)).await
    }

    /// Joins the flight of the call: waits for the load of another call in this process, or is the one that loads. `around` is
    /// the load whose body has made the call.
    async fn join_from(&self, around: Option<&Arc<Load>>, ticket: Option<&Ticket>) -> Role {
        self.join(around.map_or(Caller::Outside, Caller::Inside), ticket).await
    }

    pub(super) async fn join(&self, caller: Caller<'_>, ticket: Option<&Ticket>) -> Role {
        // Without tokio there is nobody to see to it that a wait for others ends.
        if Handle::try_current().is_err() {
            return Role::Waiter(Landing::Failed);
        }
        let (engine, key) = (self.engine(), self.load_key(ticket));
        let (resource, backstop) = (self.call.site.resource(), engine.settings.load_backstop);
        if self.is_anew() {
            return engine.flights.replace(key, resource, caller);
        }
        loads::join(&engine.flights, key, resource, self.began, caller, backstop).await
    }

    /// Leads the flight of the call, unless somebody else does: waits for nobody.
    pub(super) fn lead(&self, load: &Arc<Load>, ticket: Option<&Ticket>) -> Option<Leader> {
        self.engine().flights.lead(&self.load_key(ticket), self.began, load)
    }

    fn load_key(&self, ticket: Option<&Ticket>) -> LoadKey {
        let known = &self.known;
        match self.entry.as_ref().zip(ticket) {
            Some((entry, ticket)) => LoadKey::stamped(entry.identity, ticket),
            None => LoadKey::unstamped(self.function, &known.address, known.fingerprint),
        }
    }

    /// Waits for the turn to load in this process and, with `lease`, for the load of another process.
    async fn turn<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        load: &Arc<Load>,
        leader: Option<Leader>,
        ticket: Option<Ticket>,
    ) -> Turn<R> {
        let mut again = (leader, ticket);
        loop {
            match self.try_turn::<R, T, N>(load, again).await {
                ControlFlow::Break(turn) => return turn,
                ControlFlow::Continue(overtaken) => again = overtaken,
            }
        }
    }

    async fn try_turn<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        load: &Arc<Load>,
        (leader, mut ticket): Again,
    ) -> ControlFlow<Turn<R>, Again> {
        let slot = self.slot(load, leader.as_ref()).await;
        let may_be_filled = slot.waited || leader.as_ref().is_some_and(Leader::follows);
        if may_be_filled && !self.is_anew() {
            ticket = self.look_again::<R, T, N>(leader.as_ref(), ticket).await?;
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
                self.share_entry::<R, T, N>(&envelope, permit.leader.as_ref())?;
            }
            LeaseOutcome::Overtaken(current) => {
                drop(permit);
                return self.join_again::<R, T, N>(load, current).await;
            }
        }
        ControlFlow::Break(Turn::Load(permit))
    }

    /// Waits until this load may run beside the others of its resource.
    pub(super) async fn slot(&self, load: &Arc<Load>, leader: Option<&Leader>) -> Slot {
        let (engine, site) = (self.engine(), self.call.site);
        let takeover = leader.and_then(Leader::takeover);
        if let Some(takeover) = takeover {
            self.figures().taken_over_loads.add(1);
            site.warn_of_takeover(takeover, engine.settings.load_backstop);
        }
        let on_wait = || self.figures().queued_loads.add(1);
        engine.limiter.take(site.declared(), load, takeover, on_wait).await
    }

    /// Asks the store once more: another load may have filled since. Returns the ticket to load on.
    async fn look_again<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        leader: Option<&Leader>,
        ticket: Option<Ticket>,
    ) -> ControlFlow<Turn<R>, Option<Ticket>> {
        let Some(entry) = &self.entry else {
            return ControlFlow::Continue(ticket);
        };
        let answer = entry.read(self.engine()).await;
        match answer.envelope {
            Some(envelope) => {
                self.share_entry::<R, T, N>(&envelope, leader)?;
                ControlFlow::Continue(ticket)
            }
            // The load begins after this read, so it may be stored under what was read.
            None if answer.is_known => ControlFlow::Continue(answer.ticket),
            None => ControlFlow::Continue(ticket),
        }
    }

    /// The lease of the load, if the function wants one and there is a ticket to fill with.
    async fn lease(&self, load: &Arc<Load>, leader: Option<&Leader>, ticket: Option<Ticket>) -> LeaseOutcome {
        match (self.wanted_lease(leader), ticket) {
            (Some((entry, lasting)), Some(ticket)) => {
                lease::acquire(&self.call.cache.engine, entry, ticket, lasting, load).await
            }
            (_, ticket) => LeaseOutcome::Nothing(ticket),
        }
    }

    /// Of what the leader of this flight wants a lease, and how long that lasts.
    pub(super) fn wanted_lease(&self, leader: Option<&Leader>) -> Option<(&EntryRef, Duration)> {
        // Who loads because somebody else waits for it, or seems to, does not wait for the lease of that one; nor who shares no load that
        // began before.
        let may_wait = |leader: &Leader| {
            !self.is_anew() && !matches!(leader.takeover(), Some(Takeover::Circle | Takeover::Overdue))
        };
        let lasting = self.call.site.lease_lasts().filter(|_| leader.is_some_and(may_wait));
        self.entry.as_ref().zip(lasting)
    }

    /// The stamps are others than they were: so is the flight.
    async fn join_again<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        load: &Arc<Load>,
        current: Ticket,
    ) -> ControlFlow<Turn<R>, Again> {
        let leader = match self.join(Caller::Load(load), Some(&current)).await {
            Role::Leader(leader) => Some(leader),
            Role::Waiter(landed) => match self.share::<R, T, N>(landed) {
                Some(shared) => return ControlFlow::Break(Turn::Shared(shared)),
                None => None,
            },
            Role::Circle => None,
        };
        ControlFlow::Continue((leader, Some(current)))
    }

    /// Runs the body, and fills.
    async fn run<R, T, N, F>(&self, load: &Arc<Load>, permit: Permit, terms: T, body: Pin<&mut F>) -> Loaded<R>
    where
        T: LoadTerms<R>,
        N: Tier<ValueOf<R, T>>,
        F: Future<Output = R>,
    {
        let Permit {
            ticket,
            leader,
            lease,
            slot,
        } = permit;
        self.figures().loads.add(1);
        let began = Instant::now();
        let body = loads::inside(load, body);
        let returned = lease::during(lease.as_slice(), body).await;
        let load_duration = began.elapsed();
        // The fill is no load.
        drop(slot);
        let disposition = terms.judge(&returned);
        let has_failed = matches!(disposition, Disposition::Failed);
        self.figures().loaded(load_duration, disposition.is_error());
        // All that is needed of what was returned, before the next wait: it need not be `Sync`.
        let result = self.prepare::<R, T, N>(leader.as_ref(), ticket.is_some(), &returned, disposition);
        self.fill::<ValueOf<R, T>, N>(leader, ticket, result, load_duration)
            .await;
        lease::give_back(lease).await;
        if has_failed {
            Loaded::Failed(returned)
        } else {
            Loaded::Returned(returned)
        }
    }

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

    /// What an entry stands for that another one has filled while this call waited; told to those who wait for this call. Goes
    /// on if it cannot be decoded.
    pub(super) fn share_entry<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        envelope: &Envelope,
        leader: Option<&Leader>,
    ) -> ControlFlow<Turn<R>> {
        let restore = |entry: &EntryRef| self.restore::<R, T, N>(entry, envelope);
        let Some(shared) = self.entry.as_ref().and_then(restore) else {
            return ControlFlow::Continue(());
        };
        if let Some((leader, encoded)) = leader.zip(envelope.encoded().ok()) {
            let landed = T::Split::with_value(&shared, |value| LoadedValue::new::<_, N>(value, encoded));
            leader.land(match (landed, T::Split::absence(&shared)) {
                (Some(loaded), _) => Landing::Value(loaded),
                (None, Some(depth)) => Landing::Absent(depth),
                (None, None) => Landing::Failed,
            });
        }
        self.note_shared();
        ControlFlow::Break(Turn::Shared(shared))
    }
}
