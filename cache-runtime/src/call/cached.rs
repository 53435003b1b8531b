//! The way of a call: lookup, load, fill.

use std::{pin::Pin, sync::Arc};

use tokio::time::Instant;

use super::{
    load::Turn,
    lookup::{Answer, Lookup},
    mode::Mode,
    start::Call,
    value::CacheValue,
};
use crate::{
    cache::{Engine, Outcome, note_absent, report},
    entry::{Function, Split},
    loads::{Load, Role, TendedFuture, load_around},
    near::tier::Tier,
};

/// Answers from the cache, or runs `body` and fills.
pub async fn cached<R, S, U, N, F>(mut call: Call, _split: S, unless: U, _tier: N, body: Pin<&mut F>) -> R
where
    S: Split<R>,
    S::Value: CacheValue<U>,
    U: FnOnce(&S::Value) -> bool,
    N: Tier<S::Value>,
    F: Future<Output = R>,
{
    let resource = call.resource();
    if let Some(value) = call.near_entry().and_then(|entry| N::restore(entry.value())) {
        report(call.engine(), resource, None, Outcome::NearHit, None);
        return S::restore(value);
    }
    let mode = call.take_mode();
    let mut call = match call.into_cacheable() {
        Ok(call) => call,
        Err(cache) => {
            if cache.is_none() {
                note_absent();
            }
            let engine = cache.as_ref().map(|cache| &*cache.engine);
            return uncached(engine, resource, mode.as_ref(), body).await;
        }
    };
    let function = Function::of::<F>(call.site.item());
    let near = call.near.take();
    let engine = &call.cache.engine;
    let results = call.site.results.get::<S::Value>(function, call.site.version());
    if results.is_given_up() {
        return uncached(Some(engine), resource, mode.as_ref(), body).await;
    }
    let started = Instant::now();
    let mut lookup = Lookup {
        call: &call,
        function,
        results,
        near,
        entry: None,
        began: engine.flights.now(),
        anew: matches!(mode, Some(Mode::Refresh)),
    };
    let answer = lookup.answer::<S::Value, N>().await;
    let outcome = match &answer {
        Answer::Hit(_, outcome) | Answer::Load(_, outcome) => *outcome,
    };
    report(Some(engine), resource, Some(&call.known.tenant), outcome, Some(started));
    let ticket = match answer {
        Answer::Hit(value, _) => return S::restore(value),
        Answer::Load(ticket, _) => ticket,
    };
    Mode::before_load(mode.as_ref()).await;
    let around = load_around();
    let leader = match lookup.join_from(around.as_ref(), ticket.as_ref()).await {
        Role::Leader(leader) => Some(leader),
        Role::Waiter(landed) => match lookup.share::<R, S, N>(landed) {
            Some(shared) => return shared,
            None => None,
        },
        // What the body returns may be part of a larger result yet, as where a function walks a graph that leads back to where
        // it began: nobody else is given it.
        Role::Circle => {
            engine.counters.loads.add(1);
            return body.await;
        }
    };
    let load = match &leader {
        Some(leader) => Arc::clone(leader.load()),
        None => Load::new(resource, around),
    };
    let loading = async {
        match lookup.turn::<R, S, N>(&load, leader, ticket).await {
            Turn::Shared(shared) => shared,
            Turn::Load(permit) => lookup.load::<R, S, U, N, F>(&load, permit, unless, body).await,
        }
    };
    // Boxed: ten thousand who wait for one load do not each hold room for what that one needs. From here on others may wait for
    // this call, and look whether it is polled.
    TendedFuture::new(&load, Box::pin(loading)).await
}

/// Runs the body of a call that the cache has nothing to do with.
async fn uncached<R, F: Future<Output = R>>(
    engine: Option<&Engine>,
    resource: &'static str,
    mode: Option<&Mode>,
    body: Pin<&mut F>,
) -> R {
    report(engine, resource, None, Outcome::Bypass, None);
    Mode::before_load(mode).await;
    if let Some(engine) = engine {
        engine.counters.loads.add(1);
    }
    body.await
}

/// The `unless` of an attribute without one.
pub fn never<T: ?Sized>(_value: &T) -> bool {
    false
}
