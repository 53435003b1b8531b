//! Callers that start calls, poll them, leave them alone, drop them, come back to them and nest them, at random: whoever polls a
//! call to its end comes to one.

use std::{cell::Cell, collections::HashMap, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use cache_runtime::{Cache, CacheBuilder, cached, store::StoreErrorKind, with_cache};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};
use support::spy;
use tokio::time::{Instant, sleep, timeout};

/// Worlds that are tried of each kind. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` try others.
const CASES: u32 = 300;

/// So few that calls meet.
const PLACES: u8 = 3;

/// How long after a stalled load could have gone on whoever waits for it does; and the look that sees what comes of that.
const STALLED: Duration = Duration::from_millis(100 + 25);

/// Where circles cannot be seen.
const BACKSTOP: Duration = Duration::from_secs(2);

/// Longer than any bound.
const LONG: Duration = Duration::from_hours(1);

/// A call of a cached function, and what its body does if it runs.
#[derive(Debug, Clone)]
struct Visit {
    kind: Kind,
    place: u8,
    body: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Never stored: nobody has a hit.
    Shared,
    Stored,
    /// One load at once.
    Limited,
    /// Two loads at once.
    Pairs,
    /// With a lease. Calls no other one.
    Leased,
    /// The same of this place and the next one, each with a lease of its own.
    LeasedTwo,
}

#[derive(Debug, Clone)]
enum Step {
    Sleep(u8),
    Visit(Visit),
    /// All of them at once.
    Join(Vec<Visit>),
    /// On a task of its own, which is waited for, and of which nobody else knows.
    Task(Visit),
}

/// What is done with calls.
#[derive(Debug, Clone)]
enum Action {
    /// Polled by a task of its own, to its end.
    Spawn(Visit),
    /// Polled once, and kept.
    Start(Visit),
    /// One that is kept is polled once more.
    Poll(usize),
    /// One that is kept is dropped.
    Drop(usize),
    /// One that is kept is polled to its end.
    Finish(usize),
    Sleep(u8),
}

impl Visit {
    /// How many visits it may make, and how long their bodies sleep.
    fn extent(&self) -> (u32, Duration) {
        let (visits, sleeps) = self.extent_of_body();
        // The body of two places may run for one of them after the other.
        let runs = if self.kind == Kind::LeasedTwo { 2 } else { 1 };
        (visits * runs, sleeps * runs)
    }

    fn extent_of_body(&self) -> (u32, Duration) {
        self.body.iter().fold((1, Duration::ZERO), |sum, step| {
            let (visits, sleeps) = match step {
                Step::Sleep(millis) => (0, Duration::from_millis((*millis).into())),
                Step::Visit(visit) | Step::Task(visit) => visit.extent(),
                Step::Join(visits) => extent(visits),
            };
            (sum.0 + visits, sum.1 + sleeps)
        })
    }

    fn call(self, cache: &Cache) -> BoxFuture<'static, ()> {
        let Self { kind, place, body } = self;
        let body = Body {
            steps: body.into(),
            cache: cache.clone(),
        };
        async move {
            match kind {
                Kind::Shared => shared(place, body).await,
                Kind::Stored => stored(place, body).await,
                Kind::Limited => limited(place, body).await,
                Kind::Pairs => pairs(place, body).await,
                Kind::Leased => leased(place, body).await,
                // As likely in the one order as in the other.
                Kind::LeasedTwo => {
                    let places = [place, (place + 1) % PLACES];
                    leased_two(&places, body).await[&place]
                }
            };
        }
        .boxed()
    }
}

fn extent<'a>(visits: impl IntoIterator<Item = &'a Visit>) -> (u32, Duration) {
    visits
        .into_iter()
        .map(Visit::extent)
        .fold((0, Duration::ZERO), |sum, visit| (sum.0 + visit.0, sum.1 + visit.1))
}

#[derive(Debug, Clone)]
struct Body {
    steps: Arc<[Step]>,
    cache: Cache,
}

impl Body {
    async fn run(self, place: u8) -> u8 {
        let Self { steps, cache } = self;
        for step in &*steps {
            match step.clone() {
                Step::Sleep(millis) => sleep(Duration::from_millis(millis.into())).await,
                Step::Visit(visit) => visit.call(&cache).await,
                Step::Join(visits) => drop(join_all(visits.into_iter().map(|visit| visit.call(&cache))).await),
                Step::Task(visit) => {
                    let call = with_cache(cache.clone(), visit.call(&cache));
                    tokio::spawn(call).await.expect("no call panics");
                }
            }
        }
        place
    }
}

#[cached(resource = "shared", independent(body), unless = |_| true)]
async fn shared(place: u8, body: Body) -> u8 {
    body.run(place).await
}

#[cached(resource = "stored", independent(body))]
async fn stored(place: u8, body: Body) -> u8 {
    body.run(place).await
}

#[cached(resource = "limited", independent(body), unless = |_| true)]
async fn limited(place: u8, body: Body) -> u8 {
    body.run(place).await
}

#[cached(resource = "pairs", independent(body), unless = |_| true)]
async fn pairs(place: u8, body: Body) -> u8 {
    body.run(place).await
}

#[cached(resource = "leased", lease = "30s", independent(body), unless = |_| true)]
async fn leased(place: u8, body: Body) -> u8 {
    body.run(place).await
}

#[cached(resource = "leased_many", each = places, lease = "30s", independent(body), unless = |_| true)]
async fn leased_two(places: &[u8], body: Body) -> HashMap<u8, u8> {
    body.run(0).await;
    places.iter().map(|place| (*place, *place)).collect()
}

/// Whether circles can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circles {
    Seen,
    ThroughTasks,
}

fn visits(circles: Circles) -> BoxedStrategy<Visit> {
    let place = 0..PLACES;
    let sleeps = || vec((1..60_u8).prop_map(Step::Sleep), 0..3);
    let kinds = prop_oneof![
        3 => Just(Kind::Shared),
        1 => Just(Kind::Stored),
        2 => Just(Kind::Limited),
        2 => Just(Kind::Pairs),
    ];
    let any_kind = prop_oneof![4 => kinds.clone(), 1 => Just(Kind::Leased), 1 => Just(Kind::LeasedTwo)];
    let leaf = (any_kind, place.clone(), sleeps()).prop_map(|(kind, place, body)| Visit { kind, place, body });
    leaf.prop_recursive(3, 10, 3, move |inner| {
        let tasks = u32::from(circles == Circles::ThroughTasks);
        let step = prop_oneof![
            3 => (1..60_u8).prop_map(Step::Sleep),
            4 => inner.clone().prop_map(Step::Visit),
            1 => vec(inner.clone(), 1..3).prop_map(Step::Join),
            2 * tasks => inner.prop_map(Step::Task),
        ];
        (kinds.clone(), place.clone(), vec(step, 1..4)).prop_map(|(kind, place, body)| Visit { kind, place, body })
    })
    .boxed()
}

fn actions(circles: Circles) -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        4 => visits(circles).prop_map(Action::Spawn),
        4 => visits(circles).prop_map(Action::Start),
        2 => any::<usize>().prop_map(Action::Poll),
        1 => any::<usize>().prop_map(Action::Drop),
        2 => any::<usize>().prop_map(Action::Finish),
        3 => any::<u8>().prop_map(Action::Sleep),
    ];
    vec(action, 1..12)
}

/// What the longest way to the end of a call can be. Whoever waits waits for a load that sleeps, and each body sleeps once; or for
/// one that has stalled, and each is waited for once; or for what cannot be seen, and each time somebody is let go.
fn bound(actions: &[Action], circles: Circles) -> Duration {
    let (visits, sleeps) = extent(actions.iter().filter_map(|action| match action {
        Action::Spawn(visit) | Action::Start(visit) => Some(visit),
        _ => None,
    }));
    let unseen = match circles {
        Circles::Seen => Duration::ZERO,
        Circles::ThroughTasks => BACKSTOP,
    };
    sleeps + visits * (STALLED + unseen)
}

/// Does all of that, through these caches in turn. Returns an error if a call that is polled to its end takes longer than the bound.
async fn live(caches: &[Cache], actions: Vec<Action>, bound: Duration) -> Result<(), TestCaseError> {
    let mut kept: Vec<BoxFuture<'static, ()>> = Vec::new();
    let mut spawned = Vec::new();
    let in_bound = async |call: BoxFuture<'static, ()>| {
        let began = Instant::now();
        prop_assert!(timeout(LONG, call).await.is_ok(), "a call hangs");
        let took = began.elapsed();
        prop_assert!(took <= bound, "a call took {took:?} of {bound:?}");
        Ok(())
    };
    for (action, cache) in actions.into_iter().zip(caches.iter().cycle()) {
        match action {
            Action::Spawn(visit) => {
                let call = with_cache(cache.clone(), visit.call(cache));
                spawned.push(tokio::spawn(call));
            }
            Action::Start(visit) => {
                let call = with_cache(cache.clone(), visit.call(cache)).boxed();
                kept.push(call);
                poll_once(&mut kept, usize::MAX).await;
            }
            Action::Poll(at) => poll_once(&mut kept, at).await,
            Action::Drop(at) if !kept.is_empty() => drop(kept.remove(at % kept.len())),
            Action::Finish(at) if !kept.is_empty() => in_bound(kept.remove(at % kept.len())).await?,
            Action::Drop(_) | Action::Finish(_) => {}
            Action::Sleep(millis) => sleep(Duration::from_millis(millis.into())).await,
        }
    }
    // Those that are kept are not polled any more.
    let all = async {
        for call in spawned {
            call.await.expect("no call panics");
        }
    };
    in_bound(all.boxed()).await
}

/// Polls one of those that are kept, the last one for the largest number. It goes when it has ended.
async fn poll_once(kept: &mut Vec<BoxFuture<'static, ()>>, at: usize) {
    if kept.is_empty() {
        return;
    }
    let at = if at == usize::MAX {
        kept.len() - 1
    } else {
        at % kept.len()
    };
    if poll_fn(|cx| Poll::Ready(kept[at].poll_unpin(cx).is_ready())).await {
        drop(kept.remove(at));
    }
}

/// Tries random worlds, the same in each run, on caches that `builders` begin.
fn try_worlds<const CACHES: usize>(circles: Circles, builders: impl Fn() -> [CacheBuilder; CACHES]) {
    let mut config = Config::with_cases(CASES.max(Config::default().cases));
    config.failure_persistence = None;
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let (queued, taken_over) = (Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new(config).run(&actions(circles), |actions| {
        // With I/O: without it the cache is not carried, and bodies just run.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let caches = builders().map(|builder| builder.load_backstop(backstop(circles)).build());
        let bound = bound(&actions, circles);
        let lived = runtime.block_on(live(&caches, actions, bound));
        for stats in caches.iter().map(Cache::stats) {
            queued.update(|count| count + stats.queued_loads);
            taken_over.update(|count| count + stats.taken_over_loads);
        }
        lived
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let (queued, taken_over) = (queued.get(), taken_over.get());
    println!("{queued} queued, {taken_over} taken over");
    assert!(queued > 0 && taken_over > 0, "nobody has waited");
}

fn backstop(circles: Circles) -> Duration {
    match circles {
        // So late that whoever waits for it is far beyond its bound.
        Circles::Seen => LONG / 2,
        Circles::ThroughTasks => BACKSTOP,
    }
}

#[test]
fn every_call_that_is_polled_to_its_end_ends_over_the_store_in_memory() {
    try_worlds(Circles::Seen, || [Cache::builder()]);
}

#[test]
fn every_call_that_is_polled_to_its_end_ends_over_a_store_that_is_gone() {
    try_worlds(Circles::Seen, || {
        let spy = spy();
        spy.fail_all(StoreErrorKind::Unavailable);
        [Cache::builder().store(spy)]
    });
}

/// As of two processes: what the one loads the other one waits for by its leases alone.
#[test]
fn every_call_that_is_polled_to_its_end_ends_over_two_caches_on_one_store() {
    try_worlds(Circles::Seen, || {
        let spy = spy();
        // Whether a store answers in time is not what is looked at.
        [(); 2].map(|()| Cache::builder().store(spy.clone()).read_timeout(LONG))
    });
}

#[test]
fn every_call_that_is_polled_to_its_end_ends_where_circles_lead_through_tasks() {
    try_worlds(Circles::ThroughTasks, || [Cache::builder()]);
}
