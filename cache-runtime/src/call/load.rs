//! The second stage of a call: it waits for the load of another one, or loads itself, when it is its turn.
//!
//! None of it knows the types of the function: it is compiled once. What depends on them it asks its call for
//! ([`requests`](super::requests)).

use std::{
    future::{self, Future},
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::Either;
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tracing::{Instrument as _, Span};

use super::{
    answer::Fallback,
    entry_ref::EntryRef,
    lease::{self, Lease, LeaseOutcome},
    lookup::Lookup,
    mode::Mode,
    requests::{BodyRun, Requests},
};
use crate::{
    entry::{Envelope, Ticket},
    loads::{self, Caller, Landing, Leader, Load, LoadKey, Role, Slot, Takeover, TendedFuture, load_around},
};

/// The span of a call that loads, or waits for a load: it follows from that of the load that it is given.
pub(super) fn load_span(resource: &'static str) -> Span {
    tracing::debug_span!("cache.load", resource)
}

/// How a load has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoadEnd {
    /// There is what the call returns.
    Returned,
    /// There is an error that the call returns, unless there is something better.
    Failed,
    /// The load of another call, which this one has waited for, has failed; only where there is something better.
    OtherFailed,
    /// The hard timeout is over.
    TimedOut(Duration),
}

/// What the turn of a call that has to load makes of it.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Turn {
    Load(Permit),
    /// Another call has loaded.
    Shared,
}

/// What a call loads on.
struct Permit {
    ticket: Option<Ticket>,
    /// The flight that others wait for; `None` if the call loads for itself alone.
    leader: Option<Leader>,
    lease: Option<Lease>,
    slot: Slot,
}

/// What a call tries to get its turn with, once more.
type Again = (Option<Leader>, Option<Ticket>);

/// One call that has to load.
pub(super) struct Loader {
    pub(super) lookup: Box<Lookup>,
    pub(super) requests: Requests,
}

/// What a call loads on, at first, and how.
pub(super) struct Start {
    pub(super) ticket: Option<Ticket>,
    pub(super) fallback: Fallback,
    /// That of the function, if it says what is returned after it.
    pub(super) hard_timeout: Option<Duration>,
    /// `None` if it has not joined its flight yet.
    pub(super) joined: Option<Box<Joined>>,
}

/// A call that has joined its flight, and has to load itself.
pub(super) struct Joined {
    part: Part,
    /// The one in which it has.
    span: Span,
}

/// What a call is in its flight that has to load itself.
enum Part {
    Leader(Leader),
    /// It loads for itself.
    Alone,
    /// It would wait for itself.
    Circle,
}

impl Joined {
    /// What it has waited for does not serve it.
    pub(super) fn in_vain(span: Span) -> Self {
        let part = Part::Alone;
        Self { part, span }
    }
}

impl Loader {
    /// Loads, or is given what another call loads; within the hard timeout, if the function has one.
    pub(super) async fn load(self: Arc<Self>, start: Start) -> LoadEnd {
        let lookup = &self.lookup;
        let Start {
            ticket,
            fallback,
            hard_timeout,
            joined,
        } = start;
        let (part, span) = if let Some(joined) = joined {
            (Some(joined.part), joined.span)
        } else {
            Mode::before_load(lookup.call.mode.as_ref()).await;
            (None, load_span(lookup.call.site.resource()))
        };
        let loading = self
            .load_or_share(ticket, part, fallback, &span)
            .instrument(span.clone());
        let Some(after) = hard_timeout else {
            return loading.await;
        };
        // Boxed: most functions have no such timeout, and all have room for this.
        Box::pin(timeout(after, loading)).await.unwrap_or_else(|_| {
            lookup.figures().timed_out_loads.add(1);
            LoadEnd::TimedOut(after)
        })
    }

    async fn load_or_share(
        &self,
        ticket: Option<Ticket>,
        part: Option<Part>,
        fallback: Fallback,
        span: &Span,
    ) -> LoadEnd {
        let lookup = &self.lookup;
        let part = match part {
            Some(part) => part,
            None => match lookup.join(ticket.as_ref()).await {
                Ok(part) => part,
                Err(landed) => {
                    if self.share(landed).await {
                        return LoadEnd::Returned;
                    }
                    if fallback == Fallback::OldValue {
                        return LoadEnd::OtherFailed;
                    }
                    Part::Alone
                }
            },
        };
        let leader = match part {
            Part::Leader(leader) => Some(leader),
            Part::Alone => None,
            // What the body returns may be part of a larger result yet, as where a function walks a graph that leads back to where
            // it began: nobody else is given it.
            Part::Circle => {
                lookup.figures().loads.add(1);
                self.requests.body(BodyRun::alone(span)).await;
                return LoadEnd::Returned;
            }
        };
        let load = match &leader {
            Some(leader) => Arc::clone(leader.load()),
            None => Load::new(lookup.call.site.resource(), load_around()),
        };
        lookup.leads.store(true, Ordering::Relaxed);
        // Boxed: ten thousand who wait for one load do not each hold room for what that one needs. From here on others may wait for
        // this call, and look whether it is polled.
        TendedFuture::new(&load, Box::pin(self.load_in_turn(&load, (leader, ticket), span))).await
    }

    async fn load_in_turn(&self, load: &Arc<Load>, again: Again, span: &Span) -> LoadEnd {
        match self.turn(load, again).await {
            Turn::Shared => LoadEnd::Returned,
            Turn::Load(permit) => self.run(load, permit, span).await,
        }
    }

    /// Waits for the turn to load in this process and, with `lease`, for the load of another process.
    async fn turn(&self, load: &Arc<Load>, mut again: Again) -> Turn {
        loop {
            match self.try_turn(load, again).await {
                ControlFlow::Break(turn) => return turn,
                ControlFlow::Continue(overtaken) => again = overtaken,
            }
        }
    }

    async fn try_turn(&self, load: &Arc<Load>, (leader, mut ticket): Again) -> ControlFlow<Turn, Again> {
        let lookup = &self.lookup;
        let slot = lookup.slot(load, leader.as_ref()).await;
        let may_be_filled = slot.waited || leader.as_ref().is_some_and(Leader::follows);
        if may_be_filled && !lookup.is_anew() {
            ticket = self.look_again(leader.as_ref(), ticket).await?;
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
                self.share_entry(envelope, permit.leader.as_ref()).await?;
            }
            LeaseOutcome::Overtaken(current) => {
                drop(permit);
                return self.join_again(load, current).await;
            }
        }
        ControlFlow::Break(Turn::Load(permit))
    }

    /// Asks the store once more: another load may have filled since. Returns the ticket to load on.
    async fn look_again(&self, leader: Option<&Leader>, ticket: Option<Ticket>) -> ControlFlow<Turn, Option<Ticket>> {
        let Some(entry) = &self.lookup.entry else {
            return ControlFlow::Continue(ticket);
        };
        let answer = entry.read(self.lookup.engine()).await;
        match answer.envelope {
            Some(envelope) => {
                self.share_entry(envelope, leader).await?;
                ControlFlow::Continue(ticket)
            }
            // The load begins after this read, so it may be stored under what was read.
            None if answer.is_known => ControlFlow::Continue(answer.ticket),
            None => ControlFlow::Continue(ticket),
        }
    }

    /// The lease of the load, if the function wants one and there is a ticket to fill with.
    async fn lease(&self, load: &Arc<Load>, leader: Option<&Leader>, ticket: Option<Ticket>) -> LeaseOutcome {
        match (self.lookup.wanted_lease(leader), ticket) {
            (Some((entry, lasting)), Some(ticket)) => {
                lease::acquire(self.lookup.engine(), entry, ticket, lasting, load).await
            }
            (_, ticket) => LeaseOutcome::Nothing(ticket),
        }
    }

    /// The stamps are others than they were: so is the flight.
    async fn join_again(&self, load: &Arc<Load>, current: Ticket) -> ControlFlow<Turn, Again> {
        let leader = match self.lookup.join_as(Caller::Load(load), Some(&current)).await {
            Role::Leader(leader) => Some(leader),
            Role::Waiter(landed) => {
                if self.share(landed).await {
                    return ControlFlow::Break(Turn::Shared);
                }
                None
            }
            Role::Circle => None,
        };
        ControlFlow::Continue((leader, Some(current)))
    }

    /// Runs the body, and fills.
    async fn run(&self, load: &Arc<Load>, permit: Permit, span: &Span) -> LoadEnd {
        let Permit {
            ticket,
            leader,
            lease,
            slot,
        } = permit;
        let lookup = &self.lookup;
        lookup.figures().loads.add(1);
        let began = Instant::now();
        let body = self.requests.body(BodyRun::inside(load, span));
        lease::during(lease.as_slice(), body).await;
        let load_duration = began.elapsed();
        // The fill is no load.
        drop(slot);
        let waited_for = leader.as_ref().is_some_and(Leader::has_waiters);
        let may_fill = ticket.is_some();
        let judged = self
            .requests
            .ask(move |values, lookup| values.judge(lookup, waited_for, may_fill));
        let judged = judged.await;
        lookup.figures().loaded(load_duration, judged.is_error);
        let filling = lookup.fill(leader.as_ref(), ticket, judged.result, load_duration);
        if let Some(stored) = filling.await {
            self.requests
                .ask(move |values, lookup| values.keep(lookup, stored))
                .await;
        }
        // Not before: callers whose read came before the fill are given what was loaded.
        drop(leader);
        lease::give_back(lease).await;
        if judged.has_failed {
            LoadEnd::Failed
        } else {
            LoadEnd::Returned
        }
    }

    /// Whether what another call has loaded is what the call returns; otherwise it must load for itself.
    async fn share(&self, landed: Landing) -> bool {
        let shared = self.requests.ask(move |values, lookup| values.share(lookup, landed));
        shared.await
    }

    /// What an entry stands for that another one has filled while this call waited, is told to those who wait for this call. Goes
    /// on if it cannot be decoded.
    async fn share_entry(&self, envelope: Envelope, leader: Option<&Leader>) -> ControlFlow<Turn> {
        let shared = self
            .requests
            .ask(move |values, lookup| values.share_entry(lookup, &envelope));
        let Some(landing) = shared.await else {
            return ControlFlow::Continue(());
        };
        if let Some(leader) = leader {
            leader.land(landing);
        }
        ControlFlow::Break(Turn::Shared)
    }
}

impl Lookup {
    /// Joins the flight of the call before anything is made ready for a load: most of those who wait for another one need nothing of
    /// it. Not of a function with a hard timeout, which is for the wait, too.
    ///
    /// # Errors
    ///
    /// What it has waited for, and the span in which it has.
    pub(super) async fn join_early(&self, ticket: Option<&Ticket>) -> Result<Option<Box<Joined>>, (Landing, Span)> {
        if self.policies().hard_timeout().is_some() {
            return Ok(None);
        }
        Mode::before_load(self.call.mode.as_ref()).await;
        let span = load_span(self.call.site.resource());
        let joined = if span.is_disabled() {
            self.join(ticket).await
        } else {
            // Boxed: where nobody listens it has no room.
            Box::pin(self.join(ticket).instrument(span.clone())).await
        };
        match joined {
            Ok(part) => Ok(Some(Box::new(Joined { part, span }))),
            Err(landed) => Err((landed, span)),
        }
    }

    /// Joins the flight of the call.
    ///
    /// # Errors
    ///
    /// What the load of another call has come to, if it has waited for one.
    async fn join(&self, ticket: Option<&Ticket>) -> Result<Part, Landing> {
        let around = load_around();
        // `around` is the load whose body has made the call.
        let caller = around.as_ref().map_or(Caller::Outside, Caller::Inside);
        match self.join_as(caller, ticket).await {
            Role::Leader(leader) => Ok(Part::Leader(leader)),
            Role::Waiter(landed) => Err(landed),
            Role::Circle => Ok(Part::Circle),
        }
    }

    /// Joins the flight of the call: waits for the load of another call in this process, or is the one that loads.
    pub(super) fn join_as<'a>(
        &'a self,
        caller: Caller<'a>,
        ticket: Option<&Ticket>,
    ) -> impl Future<Output = Role> + use<'a> {
        // Without tokio there is nobody to see to it that a wait for others ends.
        if Handle::try_current().is_err() {
            return Either::Left(future::ready(Role::Waiter(Landing::Failed)));
        }
        let (engine, key) = (self.engine(), self.load_key(ticket));
        let (resource, backstop) = (self.call.site.resource(), engine.settings.load_backstop);
        if self.is_anew() {
            return Either::Left(future::ready(engine.flights.replace(key, resource, caller)));
        }
        let joining = loads::join(&engine.flights, key, resource, self.began, caller, backstop);
        Either::Right(joining)
    }

    /// Leads the flight of the call, unless somebody else does: waits for nobody.
    pub(super) fn lead(&self, load: &Arc<Load>, ticket: Option<&Ticket>) -> Option<Leader> {
        self.engine().flights.lead(self.load_key(ticket), self.began, load)
    }

    fn load_key(&self, ticket: Option<&Ticket>) -> LoadKey {
        let known = &self.known;
        match self.entry.as_ref().zip(ticket) {
            Some((entry, ticket)) => LoadKey::stamped(entry.identity, ticket),
            None => LoadKey::unstamped(self.function, &known.address, known.fingerprint),
        }
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
}
