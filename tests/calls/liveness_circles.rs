//! Loads that wait for one another in ways that are hard to see: some have stalled, the circle closes while they wait already,
//! it leads over turns with several places, or over leases. None of them waits for the backstop.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use cache_runtime::{Cache, cached, store::Store as _, with_cache};
use cache_testkit::{Gate, OperationKind, SpyStore, isolated, isolated_in, until};
use futures_util::{FutureExt, future::BoxFuture};
use support::spy;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// What a load takes.
const LOAD: Duration = Duration::from_millis(100);

/// How long after a stalled load could have gone on whoever waits for it does.
const STALLED: Duration = Duration::from_millis(100);

/// Between two looks. A load that was seen to have stalled is seen so at the next one.
const LOOK: Duration = Duration::from_millis(25);

/// The clock has a resolution of a millisecond.
const TICK: Duration = Duration::from_millis(5);

/// Longer than anything here takes, and less than the backstop.
const LONG: Duration = Duration::from_secs(50);

/// What a load does, one after the other.
#[derive(Debug, Clone)]
enum Step {
    Load,
    Pass(Gate),
    /// Calls the function for this place; if that runs its body, it does this.
    Visit(u8, Program),
    /// As `Visit`, where two loads run at once.
    VisitPair(u8, Program),
}

type Program = Arc<[Step]>;

const LEFT: u8 = 1;
const RIGHT: u8 = 2;

fn program(steps: impl IntoIterator<Item = Step>) -> Program {
    steps.into_iter().collect()
}

/// Loads, and visits the next place, and so on.
fn walk(places: &[u8]) -> Program {
    match places {
        [] => program([Step::Load]),
        [next, rest @ ..] => program([Step::Load, Step::Visit(*next, walk(rest))]),
    }
}

fn run(program: Program) -> BoxFuture<'static, ()> {
    async move {
        for step in &*program {
            match step.clone() {
                Step::Load => sleep(LOAD).await,
                Step::Pass(gate) => gate.pass().await,
                Step::Visit(place, program) => drop(visit(place, program).await),
                Step::VisitPair(place, program) => drop(visit_pair(place, program).await),
            }
        }
    }
    .boxed()
}

#[cached(resource = "places", independent(program))]
async fn visit(place: u8, program: Program) -> u8 {
    run(program).await;
    place
}

#[cached(resource = "limited", independent(program))]
async fn visit_limited(place: u8, program: Program) -> u8 {
    run(program).await;
    place
}

#[cached(resource = "pairs", independent(program))]
async fn visit_pair(place: u8, program: Program) -> u8 {
    run(program).await;
    place
}

/// Polls a call once, which does not end thereby.
async fn poll_once<T>(call: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) {
    assert!(poll_fn(|cx| Poll::Ready(call.poll_unpin(cx).is_pending())).await);
}

fn spawn(cache: &Cache, call: impl Future<Output = u8> + Send + 'static) -> JoinHandle<u8> {
    tokio::spawn(with_cache(cache.clone(), call))
}

async fn until_queued(cache: &Cache, count: u64) {
    until("so many loads wait for a place", async || {
        cache.stats().queued_loads >= count
    })
    .await;
}

/// Waits for the ends of calls. Returns how long that took.
async fn until_all_end(calls: impl IntoIterator<Item = JoinHandle<u8>>) -> Duration {
    let began = Instant::now();
    for call in calls {
        timeout(LONG, call)
            .await
            .expect("the call ends")
            .expect("the call does not panic");
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_walk_around_a_circle_that_a_stalled_load_is_part_of_ends() {
    isolated(async |cache| {
        let mut left = visit(LEFT, walk(&[RIGHT, LEFT])).boxed();
        poll_once(&mut left).await;
        // It takes over, and meets itself on its way: in the flight that the stalled load leads, too.
        let right = spawn(&cache, visit(RIGHT, walk(&[LEFT, RIGHT, LEFT])));
        let took = until_all_end([right]).await;
        assert!(took <= LOAD + STALLED + 3 * LOAD + TICK, "{took:?}");
        assert_eq!(cache.stats().taken_over_loads, 1);
        assert_eq!(timeout(LONG, left).await, Ok(LEFT));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_walk_around_a_circle_of_three_of_which_two_have_stalled_ends() {
    isolated(async |cache| {
        let mut first = visit(1, walk(&[2, 3, 1])).boxed();
        let mut second = visit(2, walk(&[3, 1, 2])).boxed();
        poll_once(&mut first).await;
        poll_once(&mut second).await;
        let third = spawn(&cache, visit(3, walk(&[1, 2, 3, 1, 2])));
        let took = until_all_end([third]).await;
        assert!(took <= 6 * LOAD + 2 * STALLED + TICK, "{took:?}");
        assert_eq!(cache.stats().taken_over_loads, 2);
        assert_eq!(timeout(LONG, first).await, Ok(1));
        assert_eq!(timeout(LONG, second).await, Ok(2));
    })
    .await;
}

/// Has the flight of `LEFT` led by a first load, which waits at a gate, and by a second one, which waits for that flight: as
/// long as the first one goes on. `change` is what becomes of the first. Others may wait for the flight, too.
async fn a_circle_but_for_one_leader(
    others: impl AsyncFnOnce(&Cache) -> Vec<JoinHandle<u8>>,
    change: impl AsyncFnOnce(BoxFuture<'static, u8>, Gate),
) -> Cache {
    isolated(async |cache| {
        let gate = Gate::closed();
        let mut first = visit(LEFT, program([Step::Load, Step::Pass(gate.clone())])).boxed();
        poll_once(&mut first).await;
        // In the loads that it makes, it asks for the one that it is inside of.
        let second = program([Step::Load, Step::Visit(RIGHT, program([Step::Visit(LEFT, walk(&[]))]))]);
        let right = spawn(&cache, visit(RIGHT, program([Step::Load, Step::Visit(LEFT, second)])));
        sleep(LOAD + STALLED + LOAD / 2).await;
        assert_eq!(cache.stats().taken_over_loads, 1);
        poll_once(&mut first).await;
        assert_eq!(gate.waiting(), 1);
        let mut calls = others(&cache).await;
        calls.push(right);
        // A healthy load is waited for, however long it takes.
        sleep(LOAD * 100).await;
        assert!(!calls.iter().any(JoinHandle::is_finished));
        change(first, gate).await;
        let took = until_all_end(calls).await;
        assert!(took <= STALLED + 2 * LOAD + TICK, "{took:?}");
        cache
    })
    .await
}

async fn nobody_else(_cache: &Cache) -> Vec<JoinHandle<u8>> {
    Vec::new()
}

#[tokio::test(start_paused = true)]
async fn a_circle_that_closes_when_a_leader_stalls_is_seen() {
    let kept = std::sync::Mutex::new(None);
    a_circle_but_for_one_leader(nobody_else, async |first, gate| {
        gate.open();
        *kept.lock().unwrap() = Some(first);
    })
    .await;
    assert_eq!(
        kept.into_inner().unwrap().map(FutureExt::now_or_never),
        Some(Some(LEFT))
    );
}

#[tokio::test(start_paused = true)]
async fn a_circle_that_closes_when_a_leader_leaves_is_seen() {
    a_circle_but_for_one_leader(nobody_else, async |first, _gate| drop(first)).await;
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_a_circle_and_is_no_part_of_it_may_load_in_its_place() {
    let outsider = async |cache: &Cache| {
        let outsider = spawn(cache, visit(LEFT, walk(&[RIGHT])));
        // It waits before the one in the circle does, so it is the first to be let go.
        tokio::task::yield_now().await;
        vec![outsider]
    };
    let cache = a_circle_but_for_one_leader(outsider, async |first, _gate| drop(first)).await;
    assert_eq!(cache.stats().taken_over_loads, 2);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_leader_of_what_would_be_a_circle_without_it_is_waited_for() {
    a_circle_but_for_one_leader(nobody_else, async |first, gate| {
        gate.open();
        assert_eq!(first.await, LEFT);
    })
    .await;
}

/// Loads that have both places, and wait for one that waits for a place.
#[tokio::test(start_paused = true)]
async fn a_circle_over_two_places_closes_with_the_second() {
    isolated(async |cache| {
        let gates = [Gate::closed(), Gate::closed()];
        let waits_for_a_place = || program([Step::VisitPair(9, program([]))]);
        let asks = |gate: &Gate| program([Step::Pass(gate.clone()), Step::Visit(LEFT, waits_for_a_place())]);
        let first = spawn(&cache, visit_pair(1, asks(&gates[0])));
        let second = spawn(&cache, visit_pair(2, asks(&gates[1])));
        for gate in &gates {
            gate.until_waiting(1).await;
        }
        let left = spawn(&cache, visit(LEFT, waits_for_a_place()));
        until_queued(&cache, 1).await;
        gates[0].open();
        sleep(LOAD).await;
        assert!(
            !first.is_finished() && !left.is_finished(),
            "the second place may become free yet"
        );
        gates[1].open();
        assert_eq!(until_all_end([second, first, left]).await, Duration::ZERO);
    })
    .await;
}

/// The second place is free again, and is given to one that waits for it in front of the one that all wait for.
#[tokio::test(start_paused = true)]
async fn a_circle_closes_when_the_second_of_two_places_is_taken_by_one_that_waits_for_the_next_in_the_queue() {
    isolated(async |cache| {
        let gates = [Gate::closed(), Gate::closed()];
        let waits_for_a_place = || program([Step::VisitPair(9, program([]))]);
        let asks = || Step::Visit(LEFT, waits_for_a_place());
        let first = spawn(&cache, visit_pair(1, program([Step::Pass(gates[0].clone()), asks()])));
        let healthy = spawn(&cache, visit_pair(2, program([Step::Pass(gates[1].clone())])));
        for gate in &gates {
            gate.until_waiting(1).await;
        }
        let next = spawn(&cache, visit_pair(3, program([asks()])));
        until_queued(&cache, 1).await;
        let left = spawn(&cache, visit(LEFT, waits_for_a_place()));
        until_queued(&cache, 2).await;
        gates[0].open();
        sleep(LOAD).await;
        gates[1].open();
        assert_eq!(until_all_end([healthy, next, first, left]).await, Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_that_was_seen_to_have_stalled_is_seen_so_by_others_at_their_first_look() {
    isolated(async |cache| {
        let mut stalled = visit_limited(1, walk(&[])).boxed();
        poll_once(&mut stalled).await;
        // It is looked at for its slot.
        until_all_end([spawn(&cache, visit_limited(2, walk(&[])))]).await;
        // It is looked at for its flight.
        let took = until_all_end([spawn(&cache, visit_limited(1, walk(&[])))]).await;
        assert!(took <= LOOK + LOAD + TICK, "{took:?}");
        assert_eq!(timeout(LONG, stalled).await, Ok(1));
    })
    .await;
}

/// Loads under a lease that is longer than anybody wants to wait.
#[cached(resource = "leased", lease = "30s", independent(program))]
async fn leased(place: u8, program: Program) -> Result<u8, ()> {
    run(program).await;
    Ok(place)
}

/// As `leased`, and its load fails.
#[cached(resource = "leased", lease = "30s")]
async fn leased_in_vain(place: u8) -> Result<u8, u8> {
    sleep(LOAD).await;
    Err(place)
}

/// Starts a call, and has the store answer that it has the lease, which nobody hears yet.
async fn asking_for_the_lease(spy: &SpyStore) -> (BoxFuture<'static, Result<u8, u8>>, Gate) {
    let answered = spy.hold_answer(OperationKind::AcquireLease);
    let mut call = leased_in_vain(1).boxed();
    tokio::select! {
        _ = &mut call => panic!("it has no answer yet"),
        () = answered.until_waiting(1) => {}
    }
    (call, answered)
}

/// A cache of its own, on a store that it shares with others: as of another process. Its deadlines are not what is looked at.
fn cache_on(spy: &SpyStore) -> Cache {
    Cache::builder().store(spy.clone()).read_timeout(LONG).build()
}

/// Polls a call until it has the lease, and is in the middle of its body.
async fn poll_until_it_loads<T>(call: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) {
    assert!(timeout(LOAD / 2, call.as_mut()).await.is_err());
}

/// How long a call takes.
async fn time<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let answer = timeout(LONG, call).await.expect("the call ends");
    (answer, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_load_that_an_invalidation_has_made_begin_anew_is_watched_like_any_other() {
    let spy = spy();
    let (here, elsewhere) = (cache_on(&spy), cache_on(&spy));
    let gate = Gate::closed();
    let other = program([Step::Pass(gate.clone())]);
    let holder = tokio::spawn(with_cache(elsewhere.clone(), leased(1, other)));
    gate.until_waiting(1).await;
    isolated_in(here, async |here| {
        let mut call = leased(1, walk(&[])).boxed();
        assert!(timeout(LOAD, call.as_mut()).await.is_err(), "it waits for the lease");
        elsewhere.invalidate("leased").await.unwrap();
        poll_until_it_loads(&mut call).await;
        assert_eq!(here.stats().loads, 1, "it loads what is there now");
        let (answer, took) = time(leased(1, walk(&[]))).await;
        assert_eq!(answer, Ok(1));
        assert!(took <= 2 * LOAD + STALLED + TICK, "{took:?}");
        assert_eq!(timeout(LONG, call).await, Ok(Ok(1)));
    })
    .await;
    gate.open();
    assert_eq!(holder.await.unwrap(), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_stalled_load_is_taken_over_and_given_back() {
    let spy = spy();
    isolated_in(cache_on(&spy), async |cache| {
        let mut stalled = leased_in_vain(1).boxed();
        poll_until_it_loads(&mut stalled).await;
        let (answer, took) = time(leased_in_vain(1)).await;
        assert_eq!(answer, Err(1));
        assert!(took <= 2 * LOAD + STALLED + TICK, "{took:?}");
        assert_eq!(cache.stats().taken_over_loads, 1);
        // It has stored nothing, and nobody has the lease any more.
        let (_, took) = time(leased_in_vain(1)).await;
        assert_eq!(took, LOAD);
        // Who has lost it gives nothing back.
        let given_back = spy.count(OperationKind::DropLease);
        assert_eq!(timeout(LONG, stalled).await, Ok(Err(1)));
        assert_eq!(spy.count(OperationKind::DropLease), given_back);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_over_is_extended_for_as_long_as_the_load_runs() {
    let spy = spy();
    isolated_in(cache_on(&spy), async |cache| {
        let mut stalled = leased(1, walk(&[])).boxed();
        poll_until_it_loads(&mut stalled).await;
        let gate = Gate::closed();
        let slow = leased(1, program([Step::Pass(gate.clone())]));
        let slow = tokio::spawn(with_cache(cache.clone(), slow));
        gate.until_waiting(1).await;
        // What it was given at first has run out by then.
        sleep(Duration::from_secs(45)).await;
        let elsewhere = cache_on(&spy);
        let waiting = tokio::spawn(with_cache(elsewhere.clone(), leased(1, walk(&[]))));
        sleep(LOAD).await;
        assert_eq!(elsewhere.stats().loads, 0);
        gate.open();
        assert_eq!((slow.await.unwrap(), waiting.await.unwrap()), (Ok(1), Ok(1)));
        drop(stalled);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_does_not_wait_for_the_lease_of_one_that_has_stalled_in_another_flight() {
    let spy = spy();
    let (here, elsewhere) = (cache_on(&spy), cache_on(&spy));
    let mut stalled = with_cache(elsewhere, leased(1, walk(&[]))).boxed();
    poll_until_it_loads(&mut stalled).await;
    isolated_in(here, async |_| {
        let (answer, took) = time(leased(1, walk(&[]))).await;
        assert_eq!(answer, Ok(1));
        assert!(took <= 2 * LOAD + STALLED + TICK, "{took:?}");
    })
    .await;
    assert_eq!(timeout(LONG, stalled).await, Ok(Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn a_load_waits_for_the_lease_of_one_that_goes_on_in_another_flight() {
    let spy = spy();
    let (here, elsewhere) = (cache_on(&spy), cache_on(&spy));
    let slow = program(vec![Step::Load; 100]);
    let slow = tokio::spawn(with_cache(elsewhere, leased(1, slow)));
    sleep(LOAD).await;
    isolated_in(here, async |here| {
        let (answer, took) = time(leased(1, walk(&[]))).await;
        assert_eq!(answer, Ok(1));
        assert!((99 * LOAD..101 * LOAD).contains(&took), "{took:?}");
        assert_eq!(here.stats().loads, 0);
    })
    .await;
    assert_eq!(slow.await.unwrap(), Ok(1));
}

#[cached(resource = "leased", lease = "30s", cache = caches.0, skip(caches), independent(program))]
async fn leased_here(place: u8, caches: &(Cache, Cache), program: &[u8]) -> u8 {
    sleep(LOAD).await;
    match program {
        [] => place,
        [next, rest @ ..] => Box::pin(leased_there(*next, caches, rest)).await + 10,
    }
}

#[cached(resource = "leased", lease = "30s", cache = caches.1, skip(caches), independent(program))]
async fn leased_there(place: u8, caches: &(Cache, Cache), program: &[u8]) -> u8 {
    sleep(LOAD).await;
    match program {
        [] => place,
        [next, rest @ ..] => Box::pin(leased_here(*next, caches, rest)).await + 10,
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_inside_of_the_one_that_has_the_lease_does_not_wait_for_it() {
    let spy = spy();
    let caches = (cache_on(&spy), cache_on(&spy));
    // Two functions of one resource have one key, so one lease.
    assert_eq!(time(leased_here(1, &caches, &[1])).await, (11, 2 * LOAD));
}

#[tokio::test(start_paused = true)]
async fn loads_that_have_the_leases_that_the_other_needs_go_on() {
    let spy = spy();
    let caches = (cache_on(&spy), cache_on(&spy));
    let calls = async { tokio::join!(leased_here(1, &caches, &[2]), leased_here(2, &caches, &[1])) };
    let (answers, took) = time(calls).await;
    assert_eq!(answers, (12, 11));
    assert!(took <= 3 * LOAD + TICK, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_to_a_caller_who_has_gone_is_given_back() {
    let spy = spy();
    isolated_in(cache_on(&spy), async |_| {
        let (call, answered) = asking_for_the_lease(&spy).await;
        drop(call);
        answered.open();
        spy.until_ended(OperationKind::DropLease, 1).await;
        assert_eq!(time(leased_in_vain(1)).await, (Err(1), LOAD));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_too_late_is_given_back() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        let answered = spy.hold_answer(OperationKind::AcquireLease);
        // It does without.
        let (_, took) = time(leased_in_vain(1)).await;
        assert!(took < 2 * LOAD, "{took:?}");
        answered.open();
        spy.until_ended(OperationKind::DropLease, 1).await;
        assert_eq!(time(leased_in_vain(1)).await, (Err(1), LOAD));
    })
    .await;
}

/// Not given back, as it may still come for it, but taken over.
#[tokio::test(start_paused = true)]
async fn a_lease_that_was_given_to_a_caller_who_is_left_alone_is_taken_over() {
    let spy = spy();
    isolated_in(cache_on(&spy), async |_| {
        let (call, answered) = asking_for_the_lease(&spy).await;
        answered.open();
        let (answer, took) = time(leased_in_vain(1)).await;
        assert_eq!(answer, Err(1));
        assert!(took <= LOAD + STALLED + TICK, "{took:?}");
        assert_eq!(time(leased_in_vain(1)).await, (Err(1), LOAD));
        drop(call);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_process_has_got_meanwhile_is_not_taken_over() {
    let spy = spy();
    isolated_in(cache_on(&spy), async |cache| {
        let mut stalled = leased(1, walk(&[])).boxed();
        poll_until_it_loads(&mut stalled).await;
        // It has run out, and another process has it.
        let lease = spy
            .operations()
            .iter()
            .find(|operation| operation.kind == OperationKind::AcquireLease)
            .map(|operation| operation.keys[0].clone());
        let lease = lease.expect("it has asked for the lease");
        spy.drop_lease(&lease).await.unwrap();
        assert!(spy.acquire_lease(&lease, 7, Duration::from_secs(20)).await.unwrap());
        let (answer, took) = time(leased(1, walk(&[]))).await;
        assert_eq!(answer, Ok(1));
        assert!(took >= Duration::from_secs(20), "{took:?}");
        assert_eq!(cache.stats().loads, 2);
        drop(stalled);
    })
    .await;
}
