//! The way of a call: lookup, load, fill.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    answer::Answer,
    cacheable::CacheableCall,
    load::{Joined, LoadEnd},
    loading::{Loading, TypedCall, Values},
    lookup::{Lookup, LookupStart},
    mode::Mode,
    plan::Plan,
    recognition::Recognition,
    refresh::{load_within_soft_timeout, refresh},
    requests::Driver,
    site::Site,
    start::Call,
    terms::{LoadTerms, Terms, ValueOf},
    value::CacheValue,
};
use crate::{
    cache::{Cache, Outcome, note_absent, report_unasked},
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
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would have room for the call twice, in every task that waits"
)]
pub fn cached_with<R, T, N, F>(call: Call, terms: T, _tier: N, body: Pin<&mut F>) -> impl Future<Output = R>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
    F: Future<Output = R>,
{
    async move {
        // First, and before there is a future that is larger: it is all that most calls of such a function need.
        if let Some(answer) = near_answer::<R, T, N>(&call) {
            return answer;
        }
        let function = call.function::<F>();
        CachedFuture {
            stage: Stage::LookUp {
                look_up: look_up::<R, T, N>(begin(call, function, LookupStart::of::<ValueOf<R, T>>)),
            },
            call: TypedCall::<R, T, N, _>::new(terms, body),
        }
        .await
    }
}

pin_project! {
    /// A call that the near cache has not answered, until it is. By hand, because each function has one of its own: what is compiled with each is to be little.
    struct CachedFuture<L, R, T, N, B>
    where
        T: LoadTerms<R>,
        N: Tier<ValueOf<R, T>>,
    {
        // Before the call, and so dropped before it.
        #[pin]
        stage: Stage<L, R>,
        call: TypedCall<R, T, N, B>,
    }
}

pin_project! {
    /// What a call is at. One thing after the other: there is room for the larger.
    #[project = StageProjection]
    enum Stage<L, R> {
        LookUp {
            #[pin]
            look_up: L,
        },
        Load { load: PlannedLoad<R> },
        // The cache has nothing to do with it.
        Body,
    }
}

impl<L, R, T, N, B> Future for CachedFuture<L, R, T, N, B>
where
    L: Future<Output = LookedUp<R>>,
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
    B: Future<Output = R> + Unpin,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut this = self.project();
        if let StageProjection::LookUp { look_up } = this.stage.as_mut().project() {
            let next = match ready!(look_up.poll(cx)).plan() {
                Planned::Answer(answer) => return Poll::Ready(answer),
                Planned::Nowhere => Stage::Body,
                Planned::Load(lookup, plan, joined) => Stage::Load {
                    load: PlannedLoad::new(lookup, plan, joined, &this.call.values),
                },
            };
            this.stage.set(next);
        }
        match this.stage.project() {
            StageProjection::Load { load } => {
                let end = ready!(load.driver.poll(this.call, cx));
                Poll::Ready(load.end(end, &mut this.call.values))
            }
            StageProjection::LookUp { .. } | StageProjection::Body => Pin::new(&mut this.call.body).poll(cx),
        }
    }
}

/// A load under way, and what is made of it.
struct PlannedLoad<R> {
    driver: Driver,
    /// Until it has ended.
    plan: Option<Plan<R>>,
}

impl<R> PlannedLoad<R> {
    fn new<T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        lookup: Box<Lookup>,
        mut plan: Plan<R>,
        joined: Option<Box<Joined>>,
        values: &Values<R, T, N>,
    ) -> Self {
        let (ticket, fallback) = (plan.take_ticket(), plan.fallback());
        let driver = Driver::new(lookup, ticket, joined, fallback, values.is_bounded());
        Self {
            driver,
            plan: Some(plan),
        }
    }

    /// What the call returns.
    fn end<T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(&mut self, end: LoadEnd, values: &mut Values<R, T, N>) -> R {
        let (lookup, plan) = (self.driver.lookup(), self.plan.take());
        let loaded = values.end(end, lookup);
        plan.expect("a load ends once").end::<T>(lookup, loaded)
    }
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
    if let Some(answer) = near_answer::<R, T, N>(&call) {
        return answer;
    }
    let (mut lookup, answer, joined) =
        match look_up::<R, T, N>(begin(call, function, LookupStart::of::<ValueOf<R, T>>)).await {
            LookedUp::Answer(answer) => return answer,
            LookedUp::Nowhere => {
                let (_, body) = prepare();
                return body.await;
            }
            LookedUp::Undecided(lookup, answer, joined) => (lookup, answer, joined),
        };
    let mut place = None;
    let answer = match answer {
        Answer::Early(answer, ticket, stored_at) => {
            lookup.report(Outcome::Hit);
            lookup.replace(stored_at);
            // Boxed: most hits have no room for this.
            let ticket = Box::pin(lookup.ticket_of_hit(ticket)).await;
            let replacement = lookup.replacement(ticket.as_ref(), &mut place);
            refresh::<R, T, N, F>(lookup, replacement, place, ticket, prepare);
            return answer;
        }
        Answer::Stale(stale, ticket) => match lookup.replacement_of(&stale, ticket.as_ref(), &mut place) {
            Some(replacement) => {
                lookup.report(Outcome::StaleHit);
                refresh::<R, T, N, F>(lookup, replacement, place, ticket, prepare);
                return stale.value;
            }
            None => Answer::Stale(stale, ticket),
        },
        other => other,
    };
    let mut plan = match Plan::of(&lookup, answer) {
        Ok(plan) => plan,
        Err(answer) => return answer,
    };
    let (terms, body) = prepare();
    let (ticket, fallback) = (plan.take_ticket(), plan.fallback());
    // Boxed: who is answered by the cache has no room for it.
    let loading = Loading::<R, T, N, _>::new(lookup, (terms, Box::pin(body)), ticket, joined, fallback);
    Box::pin(load_within_soft_timeout(loading, plan)).await
}

/// What a lookup has come to.
enum LookedUp<R> {
    Answer(R),
    /// The cache has nothing to do with the call: its body runs.
    Nowhere,
    /// An answer that is not all. What has to load has joined its flight already, if it may wait there.
    Undecided(Box<Lookup>, Answer<R>, Option<Box<Joined>>),
}

/// What is to be done when a call has been looked up.
enum Planned<R> {
    Answer(R),
    Nowhere,
    Load(Box<Lookup>, Plan<R>, Option<Box<Joined>>),
}

impl<R> LookedUp<R> {
    fn undecided(begun: Result<Lookup, UncachedCall>, answer: Answer<R>, joined: Option<Box<Joined>>) -> Self {
        begun.map_or(Self::Nowhere, |lookup| {
            Self::Undecided(Box::new(lookup), answer, joined)
        })
    }

    fn plan(self) -> Planned<R> {
        match self {
            Self::Answer(answer) => Planned::Answer(answer),
            Self::Nowhere => Planned::Nowhere,
            Self::Undecided(lookup, answer, joined) => match Plan::of(&lookup, answer) {
                Ok(plan) => Planned::Load(lookup, plan, joined),
                Err(answer) => Planned::Answer(answer),
            },
        }
    }
}

/// Looks a call up that the near cache has not answered. All that it knows of the function is what that returns.
#[expect(
    clippy::manual_async_fn,
    reason = "what has begun stays where it is; an async function would have room for it twice"
)]
fn look_up<R, T, N>(mut begun: Result<Lookup, UncachedCall>) -> impl Future<Output = LookedUp<R>>
where
    T: LoadTerms<R>,
    N: Tier<ValueOf<R, T>>,
{
    async move {
        let lookup = match &mut begun {
            Ok(lookup) => lookup,
            Err(uncached) => {
                uncached.before_load().await;
                return LookedUp::Nowhere;
            }
        };
        let (ticket, outcome) = loop {
            let found = lookup.find().await;
            match lookup.answer::<R, T, N>(found) {
                None => {}
                Some(Answer::Hit(answer, outcome)) => {
                    lookup.report(outcome);
                    return LookedUp::Answer(answer);
                }
                Some(Answer::Load(ticket, outcome)) => {
                    lookup.report(outcome);
                    break (ticket, outcome);
                }
                Some(answer) => return LookedUp::undecided(begun, answer, None),
            }
        };
        let joined = match lookup.join_early(ticket.as_ref()).await {
            Ok(joined) => joined,
            Err((landed, span)) => match lookup.share::<R, T, N>(landed) {
                Some(shared) => return LookedUp::Answer(shared),
                None => Some(Box::new(Joined::in_vain(span))),
            },
        };
        LookedUp::undecided(begun, Answer::Load(ticket, outcome), joined)
    }
}

/// A call whose body runs, unless the task only looks what is there.
struct UncachedCall {
    cache: Option<Cache>,
    site: &'static Site,
    mode: Option<Mode>,
}

impl UncachedCall {
    async fn before_load(&self) {
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

/// A call that the near cache does not answer, if it is to be cached. `start` is that of what the function returns.
fn begin(
    call: Call,
    function: Function,
    start: fn(CacheableCall, Function) -> Result<LookupStart, CacheableCall>,
) -> Result<Lookup, UncachedCall> {
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
    match start(call, function) {
        Ok(start) => Ok(start.lookup(known, near)),
        Err(call) => Err(uncached(Some(call.cache), call.mode)),
    }
}

/// The `unless` of an attribute without one.
pub fn never<T: ?Sized>(_value: &T) -> bool {
    false
}
