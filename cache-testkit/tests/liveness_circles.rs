//! Loads that wait for one another in ways that are hard to see: some have stalled, the circle closes while they wait already,
//! it leads over turns with several places, or over leases. None of them waits for the backstop.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use cache_runtime::{Cache, cached, with_cache};
use cache_testkit::{Gate, isolated};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

mod cache_resources {
    cache_runtime::resources! {
        places { ttl = 60 }
        limited { ttl = 60, max_loads = 1 }
        pairs { ttl = 60, max_loads = 2 }
    }
}

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

/// Waits for the ends of calls. Returns how long that took.
async fn until_all_end(calls: impl IntoIterator<Item = JoinHandle<u8>>) -> Duration {
    let began = Instant::now();
    for call in calls {
        timeout(LONG, call).await.expect("the call ends").unwrap();
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
        while cache.stats().queued_loads < 1 {
            tokio::task::yield_now().await;
        }
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
        while cache.stats().queued_loads < 1 {
            tokio::task::yield_now().await;
        }
        let left = spawn(&cache, visit(LEFT, waits_for_a_place()));
        while cache.stats().queued_loads < 2 {
            tokio::task::yield_now().await;
        }
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
