//! The second stage of a call of several ids: those that nobody loads are loaded, and the others waited for.
//!
//! No two calls can wait for each other for ever, whichever ids they share and in which order they name them. A call *leads* the
//! flights of all ids that nobody leads, without waiting for anything; it loads them, by one run of the body, and has *landed* every
//! one of them before it waits for the first flight that another call leads. So who is waited for here waits for no flight itself,
//! and whoever waits holds none. If a wait ends without a value, it is given up for all ids, those that are to be loaded are led and
//! loaded, and then the rest is waited for again: each round answers at least one id. What a body waits for, or its turn, is
//! another matter, and that of [`loads`](crate::loads): all flights of a call are led by one [`Load`].

use std::{marker::PhantomData, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::runtime::Handle;

use super::{
    Ids, SplitEach,
    call::{Begun, IdAnswer, Member},
    ids::Asked,
    refresh::Refreshes,
    work::EachWork,
};
use crate::{
    cache::{Cache, Engine, Outcome},
    call::{
        load::Loaded,
        lookup::StaleValue,
        mode::Mode,
        site::Site,
        terms::{LoadTerms, ValueOf},
    },
    entry::Ticket,
    loads::{Caller, Landing, Leader, Load, Role, TendedFuture, load_around},
    near::tier::Tier,
};

/// A call of several ids, once the near cache has been asked.
pub(super) struct EachLoad<R, S, C, T, N, F, W>
where
    C: Ids + ?Sized,
    S: SplitEach<R, C::Id>,
{
    pub(super) asked: Asked<C::Id>,
    pub(super) site: &'static Site,
    pub(super) cache: Option<Cache>,
    mode: Option<Mode>,
    pub(super) members: Vec<Member>,
    /// Of each id.
    answers: Vec<IdAnswer<S::Value>>,
    /// The old value of each member that has one, until it is answered.
    pub(super) stale: Vec<Option<OldValue<S::Value>>>,
    /// Those of which an old value is returned, and a new one is to be loaded meanwhile.
    pub(super) refreshes: Refreshes,
    pub(super) work: W,
    of: PhantomData<Types<R, T, N, F>>,
}

/// The types that a call is made of, and has no value of.
type Types<R, T, N, F> = fn() -> (R, T, N, F);

/// The old value of an id.
pub(super) type OldValue<V> = StaleValue<Option<V>>;

/// A member that is to be loaded.
pub(super) struct Pending {
    pub(super) member: usize,
    /// The right to fill.
    pub(super) ticket: Option<Ticket>,
    /// It is loaded for this call only.
    is_alone: bool,
}

impl Pending {
    pub(super) fn new(member: usize, ticket: Option<Ticket>) -> Self {
        Self {
            member,
            ticket,
            is_alone: false,
        }
    }

    /// One that is not stored, either.
    pub(super) fn alone(member: usize) -> Self {
        Self {
            member,
            ticket: None,
            is_alone: true,
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
    T: LoadTerms<Option<S::Value>>,
    N: Tier<ValueOf<Option<S::Value>, T>>,
    F: Future<Output = R>,
    W: EachWork<R, S, C, T, F>,
{
    pub(super) fn new(asked: Asked<C::Id>, begun: Begun<S::Value>, work: W) -> Self {
        let Begun {
            site,
            cache,
            mode,
            members,
            answers,
        } = begun;
        Self {
            asked,
            site,
            cache,
            mode,
            stale: members.iter().map(|_| None).collect(),
            members,
            answers,
            refreshes: Refreshes::default(),
            work,
            of: PhantomData,
        }
    }

    /// The engine, to be held over a wait: what is loaded need not be `Sync`, so nothing of this is borrowed then but the members.
    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        self.cache.as_ref().map(|cache| Arc::clone(&cache.engine))
    }

    /// The id of a member.
    pub(super) fn id(&self, pending: &Pending) -> C::Id {
        self.asked.ids[self.members[pending.member].place].clone()
    }

    /// A member is answered.
    pub(super) fn answer(&mut self, member: usize, value: Option<S::Value>) {
        if self.stale[member].take().is_some()
            && let Some(lookup) = &self.members[member].lookup
        {
            lookup.report(Outcome::Miss);
        }
        self.answers[self.members[member].place] = IdAnswer::Known(value);
    }

    /// The old value of a member is its answer: its load has failed.
    pub(super) fn answer_stale(&mut self, member: usize, stale: OldValue<S::Value>) {
        if let Some(lookup) = &self.members[member].lookup {
            let value = lookup.settle(Loaded::OtherFailed, stale);
            self.answer(member, value);
        }
    }

    /// Takes the old value of a member, if it may be returned in the place of an error.
    pub(super) fn take_stale(&mut self, member: usize) -> Option<OldValue<S::Value>> {
        self.stale[member].take_if(|stale| stale.may_hide_error)
    }

    /// What the call returns, when all ids are answered.
    pub(super) fn into_return(self) -> R {
        S::together(self.asked, self.answers.into_iter().map(IdAnswer::into_value).collect())
    }

    /// Loads these.
    ///
    /// # Errors
    ///
    /// What the body returned, if it was an error.
    pub(super) async fn load(&mut self, missing: Vec<Pending>) -> Result<(), R> {
        if missing.is_empty() {
            return Ok(());
        }
        Mode::before_load(self.mode.as_ref()).await;
        let load = Load::new(self.site.resource(), load_around());
        // Boxed: who is answered by the cache has no room for it. Others may wait for this call, and look whether it is polled.
        TendedFuture::new(&load, Box::pin(self.load_all(&load, missing))).await
    }

    async fn load_all(&mut self, load: &Arc<Load>, mut missing: Vec<Pending>) -> Result<(), R> {
        let mut led = Vec::new();
        loop {
            let mut others = Vec::new();
            for pending in missing {
                match self.lead(load, pending).await {
                    Ok(leads) => led.push(leads),
                    Err(pending) => others.push(pending),
                }
            }
            self.run(load, std::mem::take(&mut led)).await?;
            if others.is_empty() {
                return Ok(());
            }
            (led, missing) = self.wait(load, others).await;
        }
    }

    /// Leads the flight of a member, unless somebody else does. Waits for nobody.
    async fn lead(&mut self, load: &Arc<Load>, pending: Pending) -> Result<Led, Pending> {
        let lookup = self.members[pending.member].lookup.as_ref();
        // Without tokio nobody waits for others: `Lookup::join`.
        let Some(lookup) = lookup.filter(|_| !pending.is_alone && Handle::try_current().is_ok()) else {
            return Ok(Led { pending, leader: None });
        };
        if lookup.is_anew() {
            // In the place of whoever leads it.
            return Ok(match lookup.join(Caller::Load(load), pending.ticket.as_ref()).await {
                Role::Leader(leader) => Led {
                    pending,
                    leader: Some(leader),
                },
                Role::Waiter(_) | Role::Circle => Led {
                    pending: Pending::alone(pending.member),
                    leader: None,
                },
            });
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
            let lookup = self.members[pending.member].lookup.as_ref()?;
            Some(async move { (i, lookup.join(Caller::Load(load), pending.ticket.as_ref()).await) })
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
    fn end_wait(&mut self, pending: Pending, role: Role) -> Option<Led> {
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
        let lookup = self.members[member].lookup.as_ref()?;
        if let Some(value) = lookup.share::<Option<S::Value>, T, N>(landed) {
            self.answer(member, value);
        } else if let Some(stale) = self.take_stale(member) {
            self.answer_stale(member, stale);
        } else {
            return Some(Led { pending, leader: None });
        }
        None
    }
}
