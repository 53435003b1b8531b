//! What `#[cached]` expands to: the near cache and the store are asked, then the body runs, if it must, and what it returned
//! is stored.

use std::{pin::Pin, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{runtime::Handle, time::Instant};

use crate::{
    absent,
    cache::Inner,
    call::{Call, Keyed, Located},
    codec::{Encoded, NotEncoded},
    context,
    envelope::{Envelope, Meta, Rejection},
    flight::{self, Caller, FlightKey, Joined, Landed, Leader, Load, Loaded, Moment, Takeover, Tended},
    identity::Function,
    lease::{self, Acquired, Lease},
    near::{NearCall, Origin, tier::Tier},
    observe::Outcome,
    protocol::Reading,
    returns::Shape,
    slots::Slot,
    stamp::Ticket,
};

/// What can be stored.
///
/// `U` says nothing: it is the type of `unless`, a function's or a closure's, which has no name. So the compiler does not offer this bound
/// for a type parameter, where the user could not write it.
#[diagnostic::on_unimplemented(
    message = "a result of type `{Self}` cannot be cached: it does not implement both `serde::Serialize` and `serde::de::DeserializeOwned`",
    label = "not storable",
    note = "derive `Serialize` and `Deserialize` for it, and return owned data; write `T: serde::Serialize + serde::de::DeserializeOwned` of a type parameter",
    note = "a response (`Json<T>`) is made by the handler: cache the function below it, which returns the `T`"
)]
pub trait CacheValue<U>: Value {}

#[diagnostic::do_not_recommend]
impl<T: Value, U> CacheValue<U> for T {}

/// The same, inside.
pub trait Value: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Value for T {}

/// Answers from the cache, or runs `body` and fills.
pub async fn cached<R, S, U, N, F>(call: Call, _shape: S, unless: U, _tier: N, body: Pin<&mut F>) -> R
where
    S: Shape<R>,
    S::Value: CacheValue<U>,
    U: FnOnce(&S::Value) -> bool,
    N: Tier<S::Value>,
    F: Future<Output = R>,
{
    let resource = call.resource();
    if let Some(value) = call.kept().and_then(|kept| N::restore(kept.value())) {
        report(call.inner(), resource, None, Outcome::NearHit, None);
        return S::restore(value);
    }
    let mut keyed = match call.into_keyed().and_then(Keyed::carried) {
        Ok(keyed) => keyed,
        Err(cache) => {
            let inner = cache.as_ref().map(|cache| &*cache.inner);
            if inner.is_none() {
                absent::note();
            }
            report(inner, resource, None, Outcome::Bypass, None);
            count_load(inner);
            return body.await;
        }
    };
    let started = Instant::now();
    let inner = &keyed.cache.inner;
    let began = inner.flights.now();
    let function = Function::of::<F>(keyed.site);
    let near = keyed.near.take();
    if keyed.stored::<S::Value>(function).is_given_up() {
        report(Some(inner), resource, None, Outcome::Bypass, None);
        count_load(Some(inner));
        return body.await;
    }
    let mut asking = Asking {
        keyed: &keyed,
        function,
        near,
        located: None,
    };
    let answer = asking.answer::<S::Value, N>().await;
    let outcome = match &answer {
        Answer::Hit(_, outcome) | Answer::Load(_, outcome) => *outcome,
    };
    let tenant = Some(&*keyed.known.tenant);
    report(Some(inner), resource, tenant, outcome, Some(started));
    let ticket = match answer {
        Answer::Hit(value, _) => return S::restore(value),
        Answer::Load(ticket, _) => ticket,
    };
    let inside = context::load();
    let caller = inside.as_ref().map_or(Caller::Outside, Caller::Inside);
    let leader = match asking.join(ticket.as_ref(), began, caller).await {
        Joined::Leader(leader) => Some(leader),
        Joined::Waiter(landed) => match share::<R, S, N>(landed) {
            Some(shared) => {
                inner.counters.shared_loads.add(1);
                return shared;
            }
            None => None,
        },
        // What the body returns may be part of a larger result yet, as where a function walks a graph that leads back to where
        // it began: nobody else is given it.
        Joined::Circle => {
            count_load(Some(inner));
            return body.await;
        }
    };
    let load = match &leader {
        Some(leader) => Arc::clone(leader.load()),
        None => Load::new(resource, inside),
    };
    // Boxed: ten thousand who wait for one load do not each hold room for what that one needs.
    let loading = Box::pin(asking.load::<R, S, U, N, F>(&load, leader, ticket, began, unless, body));
    // From here on others may wait for this call, and look whether it is polled.
    Tended::new(&load, loading).await
}

/// What is known of the entry makes of the call.
enum Answer<T> {
    Hit(T, Outcome),
    Load(Option<Ticket>, Outcome),
}

/// What the turn of a call that has to load makes of it.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Turn<R> {
    Load(Permit),
    /// Another call has loaded.
    Shared(R),
}

/// What a call loads on.
struct Permit {
    ticket: Option<Ticket>,
    /// The flight that others wait for; `None` if the call loads for itself alone.
    leader: Option<Leader>,
    lease: Option<Lease>,
    slot: Slot,
}

/// What a load has returned, as it is stored, kept and given to those who waited for it.
struct Returned<N: Tier<T>, T> {
    encoded: Option<Encoded>,
    /// For the near cache.
    held: Option<N::Held>,
    landed: Landed,
}

/// One call while it asks, loads and fills.
struct Asking<'a> {
    keyed: &'a Keyed,
    function: Function,
    near: Option<Box<NearCall>>,
    /// `None` as long as nobody needs to know where the entry stands: with the store out of reach, for a near hit.
    located: Option<Located>,
}

impl Asking<'_> {
    async fn answer<T: Value, N: Tier<T>>(&mut self) -> Answer<T> {
        let inner = &self.keyed.cache.inner;
        if !inner.may_read() {
            return Answer::Load(None, Outcome::Bypass);
        }
        let located = self.keyed.locate::<T>(self.function);
        let answer = self.ask::<T, N>(&located).await;
        self.located = Some(located);
        answer
    }

    async fn ask<T: Value, N: Tier<T>>(&mut self, located: &Located) -> Answer<T> {
        let inner = &self.keyed.cache.inner;
        if let Some(near) = &mut self.near {
            near.mark(&located.address);
            if near.has_unchecked() {
                let Some(stamps) = inner.read_stamps(&located.address).await else {
                    return Answer::Load(None, Outcome::Bypass);
                };
                if let Some(value) = near.checked::<T, N>(&stamps) {
                    return Answer::Hit(value, Outcome::NearHit);
                }
            }
        }
        match inner.read(&located.address, &located.identity).await {
            Some(Reading::Hit { envelope, ticket }) => {
                // A hit has not looked at the holds.
                let ticket = Some(ticket).filter(|_| !located.address.has_holds());
                match self.decode::<T, N>(located, &envelope) {
                    Some(value) => Answer::Hit(value, Outcome::Hit),
                    None => Answer::Load(ticket, Outcome::Rejected),
                }
            }
            Some(Reading::Miss { ticket, rejected: None }) => Answer::Load(ticket, Outcome::Miss),
            Some(Reading::Miss {
                ticket,
                rejected: Some(cause),
            }) => {
                if cause == Rejection::Function {
                    self.keyed.site.note_shared_key(located.address.entry());
                }
                Answer::Load(ticket, Outcome::Rejected)
            }
            None => Answer::Load(None, Outcome::Bypass),
        }
    }

    /// The value of an entry; it is kept in the process, if the function wants that.
    fn decode<T: Value, N: Tier<T>>(&self, located: &Located, envelope: &Envelope) -> Option<T> {
        let stored = self.keyed.stored::<T>(self.function);
        let encoded = envelope.encoded().ok();
        let decoded = encoded.and_then(|encoded| Some((encoded.decode().ok()?, encoded.len())));
        let Some((value, len)) = decoded else {
            let inner = &self.keyed.cache.inner;
            inner.note_rejection(&located.address, Rejection::Decode);
            stored.note_unfaithful(self.keyed.site.path(), "an entry of it could not be decoded");
            return None;
        };
        stored.note_faithful();
        if let Some((near, held)) = self.near.as_ref().zip(N::hold(&value)) {
            near.keep::<T, N>(Origin::Read, held, envelope.stamps(), envelope.remaining(), len);
        }
        Some(value)
    }

    /// Waits for the load of another call in this process, or is the one that loads.
    async fn join(&self, ticket: Option<&Ticket>, began: Moment, caller: Caller<'_>) -> Joined {
        // Without tokio there is nobody to see to it that a wait for others ends.
        if Handle::try_current().is_err() {
            return Joined::Waiter(Landed::Failed);
        }
        let Keyed { cache, site, known, .. } = self.keyed;
        let stamped = self.located.as_ref().zip(ticket);
        let key = match stamped {
            Some((located, ticket)) => FlightKey::stamped(located, ticket),
            None => FlightKey::unstamped(self.function, known),
        };
        let backstop = cache.inner.settings.load_backstop;
        flight::join(&cache.inner.flights, key, site.resource(), began, caller, backstop).await
    }

    /// Loads when it is this call's turn, and fills; unless another one has loaded meanwhile.
    async fn load<R, S, U, N, F>(
        &self,
        load: &Arc<Load>,
        leader: Option<Leader>,
        ticket: Option<Ticket>,
        began: Moment,
        unless: U,
        body: Pin<&mut F>,
    ) -> R
    where
        S: Shape<R>,
        S::Value: Value,
        U: FnOnce(&S::Value) -> bool,
        N: Tier<S::Value>,
        F: Future<Output = R>,
    {
        let inner = &self.keyed.cache.inner;
        let turn = self.turn::<R, S, N>(load, leader, ticket, began).await;
        let Permit {
            ticket,
            leader,
            lease,
            slot,
        } = match turn {
            Turn::Load(permit) => permit,
            Turn::Shared(shared) => {
                inner.counters.shared_loads.add(1);
                return shared;
            }
        };
        count_load(Some(inner));
        let load_began = Instant::now();
        let body = context::scope(body, |context| context.load = Some(Arc::clone(load)));
        let returned = match &lease {
            Some(lease) => lease.during(body).await,
            None => body.await,
        };
        let load_duration = load_began.elapsed();
        // The fill is no load.
        drop(slot);
        let store = S::with_value(&returned, |value| !unless(value)).unwrap_or(false);
        let ticket = ticket.filter(|_| store);
        // All that is needed of what was returned, before the next wait: it need not be `Sync`.
        let prepared = self.prepare::<R, S, N>(leader.as_ref(), ticket.as_ref(), &returned);
        self.land::<S::Value, N>(leader, ticket, prepared, load_duration).await;
        if let Some(lease) = lease {
            lease.end().await;
        }
        returned
    }

    /// Waits for the turn to load in this process and, with `lease`, for the load of another process.
    async fn turn<R, S: Shape<R>, N: Tier<S::Value>>(
        &self,
        load: &Arc<Load>,
        mut leader: Option<Leader>,
        mut ticket: Option<Ticket>,
        began: Moment,
    ) -> Turn<R>
    where
        S::Value: Value,
    {
        let Keyed { cache, site, .. } = self.keyed;
        let inner = &cache.inner;
        loop {
            let takeover = leader.as_ref().and_then(Leader::takeover);
            if let Some(takeover) = takeover {
                inner.counters.taken_over_loads.add(1);
                site.warn_of_takeover(takeover, inner.settings.load_backstop);
            }
            let queued = &inner.counters.queued_loads;
            let slot = inner.slots.take(site.declared(), load, takeover, queued).await;
            let follows = slot.waited || leader.as_ref().is_some_and(Leader::follows);
            if let Some(located) = self.located.as_ref().filter(|_| follows) {
                match inner.read(&located.address, &located.identity).await {
                    Some(Reading::Hit { envelope, .. }) => {
                        if let Some(shared) = self.share_entry::<R, S, N>(located, &envelope, leader.as_ref()) {
                            return Turn::Shared(shared);
                        }
                    }
                    // The load begins after this read, so it may be stored under what was read.
                    Some(Reading::Miss { ticket: current, .. }) => ticket = current,
                    None => {}
                }
            }
            // Who loads because somebody else waits for it, or seems to, does not wait for the lease of that one.
            let leases = leader
                .as_ref()
                .is_some_and(|leader| !matches!(leader.takeover(), Some(Takeover::Circle | Takeover::Overdue)));
            let mut permit = Permit {
                ticket: None,
                leader,
                lease: None,
                slot,
            };
            let stamped = self.located.as_ref().zip(ticket.as_ref());
            let (Some((located, asked)), Some(lasting), true) = (stamped, site.lease_lasts(), leases) else {
                permit.ticket = ticket;
                return Turn::Load(permit);
            };
            match lease::acquire(inner, located, asked, lasting, load).await {
                Acquired::Lease(lease) => (permit.ticket, permit.lease) = (ticket, Some(lease)),
                Acquired::Nothing(current) => permit.ticket = current,
                // The stamps are others: so is the flight.
                Acquired::Overtaken(current) => {
                    drop(permit);
                    ticket = Some(current);
                    leader = match self.join(ticket.as_ref(), began, Caller::Load(load)).await {
                        Joined::Leader(leader) => Some(leader),
                        Joined::Waiter(landed) => match share::<R, S, N>(landed) {
                            Some(shared) => return Turn::Shared(shared),
                            None => None,
                        },
                        Joined::Circle => None,
                    };
                    continue;
                }
                Acquired::Filled(envelope) => {
                    if let Some(shared) = self.share_entry::<R, S, N>(located, &envelope, permit.leader.as_ref()) {
                        return Turn::Shared(shared);
                    }
                }
            }
            return Turn::Load(permit);
        }
    }

    /// What an entry stands for that another one has filled while this call waited; told to those who wait for this call.
    fn share_entry<R, S: Shape<R>, N: Tier<S::Value>>(
        &self,
        located: &Located,
        envelope: &Envelope,
        leader: Option<&Leader>,
    ) -> Option<R>
    where
        S::Value: Value,
    {
        let value = self.decode::<S::Value, N>(located, envelope)?;
        if let Some((leader, encoded)) = leader.zip(envelope.encoded().ok()) {
            leader.land(Landed::Value(Loaded::new::<_, N>(&value, encoded)));
        }
        Some(S::restore(value))
    }

    /// What a load has returned, in the forms that are needed. Encodes only if there is somebody to encode for.
    fn prepare<R, S: Shape<R>, N: Tier<S::Value>>(
        &self,
        leader: Option<&Leader>,
        ticket: Option<&Ticket>,
        returned: &R,
    ) -> Returned<N, S::Value>
    where
        S::Value: Value,
    {
        let filling = self.located.is_some() && ticket.is_some();
        let waited_for = leader.is_some_and(Leader::has_waiters);
        let (encoded, landed, held) = S::with_value(returned, |value| {
            let encoded = (waited_for || filling)
                .then(|| self.encode(value, waited_for))
                .flatten();
            let landed = encoded.as_ref().map_or(Landed::Failed, |encoded| {
                Landed::Value(Loaded::new::<_, N>(value, encoded.clone()))
            });
            let held = (filling && encoded.is_some() && self.near.is_some()).then(|| N::hold(value));
            (encoded, landed, held.flatten())
        })
        .unwrap_or_else(|| {
            let landed = S::absence(returned).map_or(Landed::Failed, Landed::Absent);
            (None, landed, None)
        });
        Returned { encoded, held, landed }
    }

    /// The value as it is stored; `None` if it cannot be, of which the function takes note.
    fn encode<T: Value>(&self, value: &T, waited_for: bool) -> Option<Encoded> {
        let site = self.keyed.site;
        let inner = &self.keyed.cache.inner;
        // Who waits is given a value of any size.
        let limit = if waited_for {
            usize::MAX
        } else {
            inner.settings.sealing.max_value_size
        };
        let stored = self.keyed.stored::<T>(self.function);
        let fidelity = stored.fidelity(site.path(), site.coherence().is_some());
        let encoded = inner.encode(value, site.written_in(), limit, fidelity);
        match &encoded {
            Ok(encoded) => {
                site.note_codec(encoded.codec);
                stored.note_faithful();
            }
            Err(NotEncoded::Changed) => stored.note_unfaithful(site.path(), "what would be stored is another value"),
            Err(NotEncoded::TooLarge | NotEncoded::Unwritable) => {}
        }
        encoded.ok()
    }

    /// Tells the waiters and fills, if there is a ticket.
    async fn land<T, N: Tier<T>>(
        &self,
        leader: Option<Leader>,
        ticket: Option<Ticket>,
        returned: Returned<N, T>,
        load_duration: Duration,
    ) {
        let Returned { encoded, held, landed } = returned;
        if let Some(leader) = &leader {
            leader.land(landed);
        }
        let overtaken = leader.as_ref().is_some_and(Leader::is_detached);
        let filling = self.located.as_ref().zip(ticket);
        let (Some((located, ticket)), Some(encoded), false) = (filling, encoded, overtaken) else {
            return;
        };
        let meta = Meta {
            identity: located.identity,
            ttl: self.keyed.ttl,
            load_duration,
        };
        let filled = self.keyed.cache.inner.fill(&ticket, meta, &encoded).await;
        if let (Some(near), Some(held), true) = (&self.near, held, filled) {
            let stamps = ticket.stamps().iter().copied();
            near.keep::<T, N>(Origin::Loaded, held, stamps, self.keyed.ttl, encoded.len());
        }
    }
}

/// Tells what became of a call; `started` is when the store was asked.
fn report(
    cache: Option<&Inner>,
    resource: &'static str,
    tenant: Option<&str>,
    outcome: Outcome,
    started: Option<Instant>,
) {
    if let Some(cache) = cache {
        cache.counters.count(outcome);
    }
    if let Some(observer) = context::observer() {
        observer.note(resource, outcome);
    }
    tracing::debug!(
        resource,
        tenant,
        outcome = outcome.as_str(),
        elapsed = started.map(|started| tracing::field::debug(started.elapsed())),
        "cache read"
    );
}

fn count_load(cache: Option<&Inner>) {
    if let Some(cache) = cache {
        cache.counters.loads.add(1);
    }
}

/// What a waiter returns; `None` if it must load for itself.
fn share<R, S: Shape<R>, N: Tier<S::Value>>(landed: Landed) -> Option<R>
where
    S::Value: Value,
{
    match landed {
        Landed::Value(loaded) => loaded.value::<S::Value, N>().map(S::restore),
        Landed::Absent(depth) => S::absent(depth),
        Landed::Failed => None,
    }
}

/// The `unless` of an attribute without one.
pub fn never<T: ?Sized>(_value: &T) -> bool {
    false
}
