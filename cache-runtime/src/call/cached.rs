//! The way of a call: lookup, load, fill.

use std::pin::Pin;

use super::{
    answer::Answer,
    loading::Loading,
    lookup::{Lookup, LookupStart},
    mode::Mode,
    plan::Plan,
    recognition::Recognition,
    refresh::{load_within_soft_timeout, refresh},
    site::Site,
    start::Call,
    terms::{LoadTerms, Terms, ValueOf},
    value::CacheValue,
};
use crate::{
    cache::{Cache, Freshness, Outcome, note_absent, report_unasked},
    entry::{Function, LoadTime, Split},
    near::{Held, NearEntry, tier::Tier},
};

/// Answers from the cache, or runs `body` and fills.
pub fn cached<R, S, U, N, F>(call: Call, split: S, unless: U, tier: N, body: Pin<&mut F>) -> impl Future<Output = R>
where
    S: Split<R>,
    S::Value: CacheValue<U>,
    U: FnOnce(&S::Value) -> bool,
    N: Tier<S::Value>,
    F: Future<Output = R>,
{
    cached_with(call, Terms::new(split, unless), tier, body)
}

/// As [`cached`], with more to say of the results than which are not stored.
pub async fn cached_with<R, T, N, F>(call: Call, terms: T, _tier: N, body: Pin<&mut F>) -> R
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
    F: Future<Output = R>,
{
    let function = call.function::<F>();
    let (lookup, plan) = match look_up::<R, T, N>(call, function).await {
        LookedUp::Answer(answer) => return answer,
        LookedUp::Nowhere => return body.await,
        LookedUp::Undecided(lookup, answer) => match Plan::of(&lookup, *answer) {
            Ok(plan) => (lookup, plan),
            Err(answer) => return answer,
        },
    };
    let mut loading = Loading::<R, T, N, _>::new(lookup, terms, plan.ticket(), plan.fallback(), body);
    let loaded = (&mut loading).await;
    plan.end::<T>(loading.lookup(), loaded)
}

/// As [`cached_with`], of a function whose body may run when its caller has gone. `prepare` makes the body, and is called only if it
/// is to run: what it has of the call is its own.
pub async fn cached_owned<R, T, N, P, F>(call: Call, _tier: N, prepare: P) -> R
where
    R: Send + 'static,
    T: LoadTerms<R> + Send + 'static,
    ValueOf<R, T>: Send,
    N: Tier<ValueOf<R, T>, Held: Send> + 'static,
    P: FnOnce() -> (T, F),
    F: Future<Output = R> + Send + 'static,
{
    let function = call.function::<F>();
    let (mut lookup, answer) = match look_up::<R, T, N>(call, function).await {
        LookedUp::Answer(answer) => return answer,
        LookedUp::Nowhere => {
            let (_, body) = prepare();
            return body.await;
        }
        LookedUp::Undecided(lookup, answer) => (lookup, *answer),
    };
    let mut place = None;
    let answer = match answer {
        Answer::Early(answer, ticket, stored_at) => {
            lookup.report(Outcome::Hit);
            lookup.replace(stored_at);
            // Boxed: most hits have no room for this.
            let ticket = Box::pin(lookup.ticket_of_hit(ticket)).await;
            let replacement = lookup.replacement(ticket.as_ref(), &mut place);
            refresh::<R, T, N, F>(lookup, replacement, place, ticket.as_ref(), prepare);
            return answer;
        }
        Answer::Stale(stale, ticket) => match lookup.replacement_of(&stale, ticket.as_ref(), &mut place) {
            Some(replacement) => {
                lookup.report(Outcome::StaleHit);
                refresh::<R, T, N, F>(lookup, replacement, place, ticket.as_ref(), prepare);
                return stale.value;
            }
            None => Answer::Stale(stale, ticket),
        },
        other => other,
    };
    let plan = match Plan::of(&lookup, answer) {
        Ok(plan) => plan,
        Err(answer) => return answer,
    };
    let (terms, body) = prepare();
    let (ticket, fallback) = (plan.ticket(), plan.fallback());
    // Boxed: who is answered by the cache has no room for it.
    let loading = Loading::<R, T, N, _>::new(lookup, terms, ticket, fallback, Box::pin(body));
    Box::pin(load_within_soft_timeout(loading, plan)).await
}

/// What a lookup has come to.
enum LookedUp<R> {
    Answer(R),
    /// The cache has nothing to do with the call: its body runs.
    Nowhere,
    /// An answer that is not all. Boxed: most calls have no room for it.
    Undecided(Box<Lookup>, Box<Answer<R>>),
}

/// Looks a call up. All that it knows of the function is what that returns.
async fn look_up<R, T, N>(call: Call, function: Function) -> LookedUp<R>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    if let Some(answer) = near_answer::<R, T, N>(&call) {
        return LookedUp::Answer(answer);
    }
    let mut lookup = match begin::<R, T>(call, function) {
        Ok(lookup) => lookup,
        Err(uncached) => {
            uncached.before_load().await;
            return LookedUp::Nowhere;
        }
    };
    loop {
        let found = lookup.find().await;
        match lookup.answer::<R, T, N>(found) {
            None => {}
            Some(Answer::Hit(answer, outcome)) => {
                lookup.report(outcome);
                return LookedUp::Answer(answer);
            }
            Some(answer) => return LookedUp::Undecided(Box::new(lookup), Box::new(answer)),
        }
    }
}

/// A call whose body runs, unless the task only looks what is there.
struct UncachedCall {
    cache: Option<Cache>,
    site: &'static Site,
    mode: Option<Mode>,
}

impl UncachedCall {
    async fn before_load(self) {
        let figures = self.cache.as_ref().map(|cache| self.site.figures(&cache.engine));
        report_unasked(figures, self.site.resource(), Outcome::Bypass, LoadTime::ZERO);
        if let Some(cache) = &self.cache {
            cache.engine.ensure_published();
        }
        Mode::before_load(self.mode.as_ref()).await;
        if let Some(figures) = figures {
            figures.loads.add(1);
        }
    }
}

/// What the near cache answers. Apart, and looked at first: it is all that most calls of such a function need.
#[inline]
fn near_answer<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(call: &Call) -> Option<R> {
    near_return::<R, T::Split, N>(call, call.near_entry()?)
}

/// What a value in the near cache answers; told, if it does.
#[inline]
pub(super) fn near_return<R, S: Split<R>, N: Tier<S::Value>>(call: &Call, entry: &NearEntry) -> Option<R> {
    let answer = Held::of::<N>(entry)?.into_return::<R, S>()?;
    let (site, spared) = (call.site(), entry.load_time());
    let figures = call.engine().map(|engine| site.figures(engine));
    let record = report_unasked(figures, site.resource(), Outcome::NearHit, spared);
    // The clock is looked at for who asks.
    if let Some(record) = record
        && let Some(engine) = call.engine()
    {
        record.is_fresh(Freshness::Fresh(entry.remaining(&engine.near)));
    }
    Some(answer)
}

/// A call that the near cache does not answer, if it is to be cached.
fn begin<R, T: LoadTerms<R>>(call: Call, function: Function) -> Result<Lookup, UncachedCall> {
    let site = call.site();
    let uncached = |cache, mode| UncachedCall { cache, site, mode };
    let (call, known, near) = match call.into_cacheable() {
        (Ok(call), Recognition::Known(known, near)) => (call, known, near),
        (Ok(call), _) => return Err(uncached(Some(call.cache), call.mode)),
        (Err((cache, mode)), _) => {
            if cache.is_none() {
                note_absent();
            }
            return Err(uncached(cache, mode));
        }
    };
    match LookupStart::of::<ValueOf<R, T>>(call, function) {
        Ok(start) => Ok(start.lookup(known, near)),
        Err(call) => Err(uncached(Some(call.cache), call.mode)),
    }
}

/// The `unless` of an attribute without one.
pub fn never<T: ?Sized>(_value: &T) -> bool {
    false
}
