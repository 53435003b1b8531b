//! The second stage of a call of several ids: those that nobody loads are loaded, and the others waited for.
//!
//! No two calls can wait for each other for ever, whichever ids they share and in which order they name them. A call *leads* the
//! flights of all ids that nobody leads, without waiting for anything; it loads them, by one run of the body, and has *landed* every
//! one of them before it waits for the first flight that another call leads. So who is waited for here waits for no flight itself,
//! and whoever waits holds none. If a wait ends without a value, it is given up for all ids, those that are to be loaded are led and
//! loaded, and then the rest is waited for again: each round answers at least one id. What a body waits for, or its turn, is
//! another matter, and that of [`loads`](crate::loads): all flights of a call are led by one [`Load`].
//!
//! Nor can two processes, with `lease`: see [`lease`](super::lease). A call that leads a flight may wait for the lease of another
//! process, which waits for nothing as long as it has one.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tracing::Instrument as _;

use super::{
    Ids, SplitEach,
    batch::Batch,
    returns::{IdReturn, Late},
    work::EachWork,
};
use crate::{
    call::{
        load::load_span,
        mode::Mode,
        terms::{LoadTerms, LoadTimeout, ValueOf},
    },
    entry::Ticket,
    loads::{Caller, Landing, Leader, Load, Role, TendedFuture, load_around},
    near::tier::Tier,
};

/// What loads the ids of a call that are missing.
pub(super) struct EachLoad<R, S, C, T, N, F, W>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
{
    pub(super) batch: Arc<Batch<C::Id, S::Value, S::IdError>>,
    /// What is returned after the hard timeout.
    pub(super) late: Option<Late<R>>,
    pub(super) work: W,
    of: PhantomData<Types<T, N, F>>,
}

/// The types that a load is made of, and has no value of.
type Types<T, N, F> = fn() -> (T, N, F);

/// An error that is what the call returns.
pub(super) struct Failure<R> {
    pub(super) returned: R,
    /// Whether it has taken the place of what was stored.
    pub(super) is_stored: bool,
}

impl<R> Failure<R> {
    /// One that leaves what is stored.
    pub(super) const fn new(returned: R) -> Self {
        Self {
            returned,
            is_stored: false,
        }
    }
}

/// A member that is to be loaded.
pub(super) struct Pending {
    pub(super) member: usize,
    /// The right to fill.
    pub(super) ticket: Option<Ticket>,
    /// Since when another process has the lease of its load.
    pub(super) leased_since: Option<Instant>,
    /// It is loaded for this call only.
    pub(super) is_alone: bool,
}

impl Pending {
    pub(super) fn new(member: usize, ticket: Option<Ticket>) -> Self {
        Self {
            member,
            ticket,
            leased_since: None,
            is_alone: false,
        }
    }

    /// One that is not stored, either.
    pub(super) fn alone(member: usize) -> Self {
        Self {
            is_alone: true,
            ..Self::new(member, None)
        }
    }
}

/// A member that this call loads.
pub(super) struct Led {
    pub(super) pending: Pending,
    /// The flight that others wait for; `None` if it is loaded for this call only.
    pub(super) leader: Option<Leader>,
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
    pub(super) fn new(batch: Arc<Batch<C::Id, S::Value, S::IdError>>, late: Option<Late<R>>, work: W) -> Self {
        Self {
            batch,
            late,
            work,
            of: PhantomData,
        }
    }

    /// What the call returns, when it has loaded.
    pub(super) fn into_return(self, loaded: Result<(), Failure<R>>) -> R {
        let progress = Batch::end(self.batch);
        match loaded {
            Ok(()) => progress.into_return::<R, S>(),
            Err(failure) => failure.returned,
        }
    }

    /// Loads these, within the hard timeout, if the function has one. Not if an error is the answer of one of the others: then that is
    /// what the call returns.
    ///
    /// # Errors
    ///
    /// What the body returned, if it was an error, or what is returned in its place after the timeout.
    pub(super) async fn load(&mut self, missing: Vec<Pending>) -> Result<(), Failure<R>> {
        if missing.is_empty() || self.batch.has_failed() {
            return Ok(());
        }
        Mode::before_load(self.batch.mode.as_ref()).await;
        let bound = self.hard_timeout(&missing);
        let resource = self.batch.site.resource();
        let span = load_span(resource);
        let load = span.in_scope(|| Load::new(resource, load_around()));
        // Boxed: who is answered by the cache has no room for it. Others may wait for this call, and look whether it is polled.
        let loading = TendedFuture::new(&load, Box::pin(self.load_all(&load, missing).instrument(span)));
        let Some((after, late)) = bound else {
            return loading.await;
        };
        if let Ok(loaded) = timeout(after, loading).await {
            return loaded;
        }
        self.batch.count(|figures| figures.timed_out_loads.add(1));
        let open = self.batch.open();
        self.fail(&open, late(LoadTimeout::new(self.batch.site.resource(), after)))
    }

    /// How long the load of these may take, if that is bounded: what the cache has nothing to do with is not.
    fn hard_timeout(&self, missing: &[Pending]) -> Option<(Duration, Late<R>)> {
        let members = &self.batch.members;
        let is_looked_up = missing.iter().any(|pending| members[pending.member].lookup.is_some());
        let after = self.batch.site.policy().hard_timeout().filter(|_| is_looked_up);
        after.zip(self.late)
    }

    /// These are answered with their old values, if there is one for each of them that may be: else the error is that of the call.
    pub(super) fn fail(&self, members: &[usize], failed: R) -> Result<(), Failure<R>> {
        if !self.batch.may_hide_error(members) {
            return Err(Failure::new(failed));
        }
        for member in members {
            self.batch.answer_old(*member);
        }
        Ok(())
    }

    async fn load_all(&mut self, load: &Arc<Load>, mut missing: Vec<Pending>) -> Result<(), Failure<R>> {
        let (mut led, mut others) = (Vec::new(), Vec::new());
        loop {
            for pending in missing {
                match self.lead(load, pending).await {
                    Ok(leads) => led.push(leads),
                    Err(pending) => others.push(pending),
                }
            }
            missing = self.run(load, std::mem::take(&mut led)).await?;
            if self.batch.has_failed() {
                return Ok(());
            }
            if !missing.is_empty() {
                continue;
            }
            // Whose caller has been answered meanwhile leaves them to those who load them.
            others.retain(|pending| self.batch.is_open(pending.member));
            if others.is_empty() {
                return Ok(());
            }
            (led, missing) = self.wait(load, std::mem::take(&mut others)).await;
        }
    }

    /// Leads the flight of a member, unless somebody else does. Waits for nobody.
    async fn lead(&mut self, load: &Arc<Load>, pending: Pending) -> Result<Led, Pending> {
        let lookup = self.batch.members[pending.member].lookup.as_ref();
        // Without tokio nobody waits for others: `Lookup::join`.
        let Some(lookup) = lookup.filter(|_| !pending.is_alone && Handle::try_current().is_ok()) else {
            return Ok(Led { pending, leader: None });
        };
        if lookup.is_anew() {
            // In the place of whoever leads it.
            return Ok(
                match lookup.join_as(Caller::Load(load), pending.ticket.as_ref()).await {
                    Role::Leader(leader) => Led {
                        pending,
                        leader: Some(leader),
                    },
                    Role::Waiter(_) | Role::Circle => Led {
                        pending: Pending::alone(pending.member),
                        leader: None,
                    },
                },
            );
        }
        match lookup.lead(load, pending.ticket.as_ref()) {
            Some(leader) => Ok(Led {
                pending,
                leader: Some(leader),
            }),
            None => Err(pending),
        }
    }

    /// Waits for what others load, until all is there, or some of it has to be loaded: then it is returned, with what nobody has
    /// loaded yet.
    async fn wait(&mut self, load: &Arc<Load>, others: Vec<Pending>) -> (Vec<Led>, Vec<Pending>) {
        let mut ended: Vec<Option<Role>> = others.iter().map(|_| None).collect();
        let waits = others.iter().enumerate().filter_map(|(i, pending)| {
            let lookup = self.batch.members[pending.member].lookup.as_ref()?;
            Some(async move { (i, lookup.join_as(Caller::Load(load), pending.ticket.as_ref()).await) })
        });
        let mut waits: FuturesUnordered<_> = waits.collect();
        while let Some((i, role)) = waits.next().await {
            let has_value = matches!(role, Role::Waiter(Landing::Value(_) | Landing::Absent(_)));
            ended[i] = Some(role);
            if !has_value {
                // The other waits are not polled again: one that began now, with a flight led, would look like a part of a circle.
                // What has ended with this one is led in the next round, and loaded with it.
                break;
            }
        }
        drop(waits);
        let (mut led, mut rest) = (Vec::new(), Vec::new());
        for (pending, role) in others.into_iter().zip(ended) {
            match role {
                None => rest.push(pending),
                Some(role) => led.extend(self.end_wait(pending, role)),
            }
        }
        (led, rest)
    }

    /// What a wait has come to: an answer, or a load.
    fn end_wait(&self, pending: Pending, role: Role) -> Option<Led> {
        let member = pending.member;
        let landed = match role {
            Role::Leader(leader) => {
                let leader = Some(leader);
                return Some(Led { pending, leader });
            }
            Role::Waiter(landed) => landed,
            // Nobody else is given it: what the body returns may be part of a larger result yet.
            Role::Circle => {
                let pending = Pending::alone(member);
                return Some(Led { pending, leader: None });
            }
        };
        let lookup = self.batch.members[member].lookup.as_ref()?;
        if let Some(shared) = lookup.share::<IdReturn<S::Value, S::IdError>, T, N>(landed) {
            self.batch.answer(member, shared);
            return None;
        }
        let is_answered = self.batch.answer_old(member);
        (!is_answered).then_some(Led { pending, leader: None })
    }
}
