//! What `#[cached]` expands to: the store is asked, then the body runs, if it must, and what it returned is stored.

use std::{any::type_name, pin::Pin, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{
    Cache,
    call::{Call, Keyed, Located},
    context,
    envelope::{Meta, Rejection},
    flight::{FlightKey, Joined, Landed, Leader},
    observe::Outcome,
    protocol::Reading,
    returns::Shape,
    stamp::Ticket,
};

/// What can be stored.
#[diagnostic::on_unimplemented(
    message = "a result of type `{Self}` cannot be cached: it does not implement both `serde::Serialize` and `serde::de::DeserializeOwned`",
    label = "not storable",
    note = "derive `Serialize` and `Deserialize` for it, and return owned data"
)]
pub trait CacheValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> CacheValue for T {}

/// Answers from the cache, or runs `body` and fills.
pub async fn cached<R, S, U, F>(call: Call, _shape: S, unless: U, body: Pin<&mut F>) -> R
where
    S: Shape<R>,
    S::Value: CacheValue,
    U: FnOnce(&S::Value) -> bool,
    F: Future<Output = R>,
{
    let resource = call.resource();
    let started = Instant::now();
    let (cache, keyed) = call.finish();
    let Some(keyed) = keyed else {
        report(cache.as_ref(), resource, None, Outcome::Bypass, started);
        count_load(cache.as_ref());
        return body.await;
    };
    let inner = &keyed.cache.inner;
    let began = inner.flights.now();
    // With the store out of reach nobody needs to know where the entry would stand.
    let located = inner.may_read().then(|| keyed.locate::<S::Value>(type_name::<F>()));
    let answer = match &located {
        Some(located) => ask::<S::Value>(&keyed, located).await,
        None => Answer::Load(None, Outcome::Bypass),
    };
    let outcome = match &answer {
        Answer::Hit(_) => Outcome::Hit,
        Answer::Load(_, outcome) => *outcome,
    };
    report(
        cache.as_ref(),
        resource,
        Some(&keyed.arguments.tenant),
        outcome,
        started,
    );
    let ticket = match answer {
        Answer::Hit(value) => return S::restore(value),
        Answer::Load(ticket, _) => ticket,
    };

    let flight = match located.as_ref().zip(ticket.as_ref()) {
        Some((located, ticket)) => FlightKey::stamped(located, ticket),
        None => FlightKey::unstamped(type_name::<F>(), resource, &keyed.arguments),
    };
    let leader = match inner.flights.join(flight, began).await {
        Joined::Leader(leader) => Some(leader),
        Joined::Waiter(landed) => {
            if let Some(shared) = share::<R, S>(landed) {
                inner.counters.shared_loads.add(1);
                return shared;
            }
            None
        }
    };
    count_load(cache.as_ref());
    let load_began = Instant::now();
    let returned = body.await;
    let store = S::value(&returned).is_some_and(|value| !unless(value));
    let filling = located.zip(ticket).filter(|_| store);
    land::<R, S>(&keyed, leader, filling, &returned, load_began.elapsed()).await;
    returned
}

/// What the store's answer makes of the call.
enum Answer<T> {
    Hit(T),
    Load(Option<Ticket>, Outcome),
}

async fn ask<T: CacheValue>(keyed: &Keyed, located: &Located) -> Answer<T> {
    let inner = &keyed.cache.inner;
    match inner.read(&located.address, &located.identity).await {
        Some(Reading::Hit { envelope, ticket }) => {
            if let Ok(value) = serde_json::from_slice(&envelope.payload()) {
                return Answer::Hit(value);
            }
            inner.note_rejection(&located.address, Rejection::Decode);
            Answer::Load(Some(ticket), Outcome::Rejected)
        }
        Some(Reading::Miss { ticket, rejected: None }) => Answer::Load(ticket, Outcome::Miss),
        Some(Reading::Miss {
            ticket,
            rejected: Some(_),
        }) => Answer::Load(ticket, Outcome::Rejected),
        None => Answer::Load(None, Outcome::Bypass),
    }
}

fn report(cache: Option<&Cache>, resource: &'static str, tenant: Option<&str>, outcome: Outcome, started: Instant) {
    if let Some(cache) = cache {
        cache.inner.counters.count(outcome);
    }
    if let Some(observer) = context::observer() {
        observer.note(resource, outcome);
    }
    tracing::debug!(resource, tenant, outcome = outcome.as_str(), elapsed = ?started.elapsed(), "cache read");
}

fn count_load(cache: Option<&Cache>) {
    if let Some(cache) = cache {
        cache.inner.counters.loads.add(1);
    }
}

/// What a waiter returns; `None` if it must load for itself.
fn share<R, S: Shape<R>>(landed: Landed) -> Option<R>
where
    S::Value: CacheValue,
{
    match landed {
        Landed::Value(payload) => serde_json::from_slice(&payload).ok().map(S::restore),
        Landed::Absent => S::absent(),
        Landed::Failed => None,
    }
}

/// Tells the waiters and fills. Encodes only if there is somebody to encode for.
async fn land<R, S: Shape<R>>(
    keyed: &Keyed,
    leader: Option<Leader>,
    filling: Option<(Located, Ticket)>,
    returned: &R,
    load_duration: Duration,
) where
    S::Value: CacheValue,
{
    let waited_for = leader.as_ref().is_some_and(Leader::has_waiters);
    let payload = match S::value(returned) {
        Some(value) if waited_for || filling.is_some() => serde_json::to_vec(value).ok().map(Bytes::from),
        _ => None,
    };
    if let Some(leader) = &leader {
        leader.land(match (&payload, S::value(returned)) {
            (Some(payload), _) => Landed::Value(payload.clone()),
            (None, None) if S::succeeded(returned) => Landed::Absent,
            (None, _) => Landed::Failed,
        });
    }
    let overtaken = leader.as_ref().is_some_and(Leader::is_detached);
    if let (Some((located, ticket)), Some(payload), false) = (filling, payload, overtaken) {
        let meta = Meta {
            identity: located.identity,
            ttl: keyed.ttl,
            load_duration,
        };
        keyed.cache.inner.fill(&ticket, meta, &payload).await;
    }
}

/// The `unless` of an attribute without one.
pub fn never<T: ?Sized>(_value: &T) -> bool {
    false
}
