//! The way of a call: lookup, load, fill.

use std::pin::Pin;

use futures_util::future::Either;

use super::{
    load::Loaded,
    lookup::{Answer, Fallback, Lookup, LookupStart},
    mode::Mode,
    recognition::Recognition,
    site::Site,
    start::Call,
    terms::{LoadTerms, Terms, ValueOf},
    value::CacheValue,
};
use crate::{
    cache::{Cache, Outcome, note_absent, report_unasked},
    entry::{Function, LoadTime, Split, Ticket},
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
    if let Some(answer) = near_answer::<R, T, N>(&call) {
        return answer;
    }
    // Nothing is awaited inside of these matches: what is matched would have room in every call.
    let mut lookup = 'lookup: {
        let uncached = match begin::<R, T, N, F>(call) {
            Ok(lookup) => break 'lookup lookup,
            Err(uncached) => uncached,
        };
        uncached.before_load().await;
        return body.await;
    };
    let ticket = 'load: {
        let loading = match lookup.answer::<R, T, N>().await {
            Answer::Hit(answer, outcome) => {
                lookup.report(outcome);
                return answer;
            }
            // There is nobody to load it again but the caller, who need not wait.
            Answer::Early(answer, ..) => {
                lookup.report(Outcome::Hit);
                return answer;
            }
            Answer::Stale(stale, ticket) => {
                Either::Left(Box::pin(lookup.load_or_stale::<R, T, N, F>(terms, ticket, stale, body)))
            }
            Answer::Verify(hit, outcome, ticket) => Either::Right(Box::pin(lookup.verify::<R, T, N, F>(
                terms,
                (hit, outcome, ticket),
                body,
            ))),
            Answer::Load(ticket, outcome) => {
                lookup.report(outcome);
                break 'load ticket;
            }
        };
        return loading.await;
    };
    Mode::before_load(lookup.call.mode.as_ref()).await;
    lookup.load_alone::<R, T, N, F>(terms, ticket, body).await
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
    if let Some(answer) = near_answer::<R, T, N>(&call) {
        return answer;
    }
    let mut lookup = match begin::<R, T, N, F>(call) {
        Ok(lookup) => lookup,
        Err(uncached) => {
            uncached.before_load().await;
            let (_, body) = prepare();
            return body.await;
        }
    };
    let ticket = match lookup.answer::<R, T, N>().await {
        Answer::Hit(answer, outcome) => {
            lookup.report(outcome);
            return answer;
        }
        Answer::Early(answer, ticket, stored_at) => {
            lookup.report(Outcome::Hit);
            lookup.replace(stored_at);
            // Boxed: most hits have no room for this.
            let ticket = Box::pin(lookup.ticket_of_hit(ticket)).await;
            let mut place = None;
            let replacement = lookup.replacement(ticket.as_ref(), &mut place);
            lookup.refresh::<R, T, N, F>(replacement, place, ticket, prepare);
            return answer;
        }
        Answer::Stale(stale, ticket) => {
            let mut place = None;
            if let Some(replacement) = lookup.replacement_of(&stale, ticket.as_ref(), &mut place) {
                lookup.report(Outcome::StaleHit);
                lookup.refresh::<R, T, N, F>(replacement, place, ticket, prepare);
                return stale.value;
            }
            let (terms, body) = prepare();
            let loading = lookup.load_within_soft_timeout::<R, T, N, F>(terms, ticket, stale, body);
            return Box::pin(loading).await;
        }
        Answer::Verify(hit, outcome, ticket) => {
            let (terms, body) = prepare();
            let mut body = Box::pin(body);
            let verifying = lookup.verify::<R, T, N, F>(terms, (hit, outcome, ticket), body.as_mut());
            return Box::pin(verifying).await;
        }
        Answer::Load(ticket, outcome) => {
            lookup.report(outcome);
            Mode::before_load(lookup.call.mode.as_ref()).await;
            ticket
        }
    };
    let (terms, body) = prepare();
    // Boxed: who is answered by the cache has no room for it.
    let mut body = Box::pin(body);
    lookup.load_alone::<R, T, N, F>(terms, ticket, body.as_mut()).await
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
    call.note_near_hit(entry);
    Some(answer)
}

/// A call that the near cache does not answer, if it is to be cached.
fn begin<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>, F>(call: Call) -> Result<Lookup, UncachedCall> {
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
    let function = Function::of::<F>(call.site.item());
    match LookupStart::of::<ValueOf<R, T>>(call, function) {
        Ok(start) => Ok(start.lookup(known, near)),
        Err(call) => Err(uncached(Some(call.cache), call.mode)),
    }
}

impl Lookup {
    /// Loads, where there is nothing else to return.
    async fn load_alone<R, T, N, F>(&self, terms: T, ticket: Option<Ticket>, mut body: Pin<&mut F>) -> R
    where
        T: LoadTerms<R>,
        N: Tier<ValueOf<R, T>>,
        F: Future<Output = R>,
    {
        let loading = self.load::<R, T, N, F>(terms, ticket, Fallback::None, body.as_mut());
        match loading.await {
            Loaded::Returned(returned) | Loaded::Failed(returned) => returned,
            // With nothing to fall back on every call loads for itself.
            Loaded::OtherFailed => body.await,
        }
    }
}

/// The `unless` of an attribute without one.
pub fn never<T: ?Sized>(_value: &T) -> bool {
    false
}
