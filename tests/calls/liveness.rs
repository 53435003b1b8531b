//! No call waits for ever, whatever the other callers' futures do: they are kept and not polled, they reach their own key,
//! they wait for one another.

use std::{
    collections::HashSet,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit, Miss},
    cached,
    store::StoreErrorKind,
    with_cache,
};
use cache_testkit::{
    Gate, LoadCounter, RedisServer, assert_loads, expect_outcomes, isolated, isolated_in, isolated_on,
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, join, join_all},
    stream,
};
use support::spy;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// What a load takes.
const LOAD: Duration = Duration::from_millis(100);

/// What whoever waits for a stalled load may take more than a load of its own, from the moment when the stalled one could have
/// gone on.
const STALLED: Duration = Duration::from_millis(100);

/// How long a call may take at the most that comes when a load has begun already and stalls: the rest of that load, until it
/// is seen, and one of its own. The clock has a resolution of a millisecond.
const BOUND: Duration = Duration::from_millis(100 + 100 + 100 + 5);

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(10);

#[cached(resource = "plain")]
async fn report(id: u32) -> u32 {
    sleep(LOAD).await;
    id
}

#[cached(resource = "limited")]
async fn limited(id: u32) -> u32 {
    sleep(LOAD).await;
    id
}

#[cached(resource = "leased", lease = "30s")]
async fn leased(id: u32) -> u32 {
    sleep(LOAD).await;
    id
}

/// Polls a future once, and leaves it.
async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| Poll::Ready(future.poll_unpin(cx))).await.into_option()
}

trait IntoOption<T> {
    fn into_option(self) -> Option<T>;
}

impl<T> IntoOption<T> for Poll<T> {
    fn into_option(self) -> Option<T> {
        match self {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}

/// Runs a call while a load of the same key is alive and is not polled. Returns how long it took.
async fn beside_a_stalled_load<T>(load: impl Future<Output = T>, call: impl Future<Output = T>) -> Duration {
    let mut stalled = pin!(load);
    assert!(timeout(Duration::from_millis(20), &mut stalled).await.is_err());
    let began = Instant::now();
    timeout(LONG, call).await.expect("the call ends");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_on_when_the_one_that_loads_is_kept_after_a_timeout_and_not_polled() {
    isolated(async |cache| {
        let took = beside_a_stalled_load(report(1), report(1)).await;
        assert!(took <= BOUND, "{took:?}");
        assert_eq!(cache.stats().taken_over_loads, 1);
        expect_outcomes(&[Hit], report(1)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_asks_again_after_a_timeout_is_answered() {
    async fn page() -> u32 {
        let mut slow = pin!(report(1));
        match timeout(Duration::from_millis(20), &mut slow).await {
            Ok(report) => report,
            Err(_) => report(1).await,
        }
    }
    isolated(async |_| assert_eq!(timeout(LONG, page()).await, Ok(1))).await;
}

#[tokio::test(start_paused = true)]
async fn every_other_task_goes_on_beside_a_stalled_load_and_all_share_one_more() {
    isolated(async |cache| {
        let mut stalled = pin!(report(1));
        assert!(poll_once(stalled.as_mut()).await.is_none());
        let began = Instant::now();
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            calls.spawn(with_cache(cache.clone(), report(1)));
        }
        assert_eq!(timeout(LONG, calls.join_all()).await, Ok(vec![1; 100]));
        assert!(began.elapsed() <= BOUND, "{:?}", began.elapsed());
        assert_eq!(cache.stats().loads, 2);
        // Who was left alone finds its way, too.
        assert_eq!(stalled.await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_in_a_select_loop_is_asked_for_by_the_loop_itself() {
    isolated(async |_| {
        let mut job = pin!(report(1));
        let mut ticks = 0;
        let answer = loop {
            tokio::select! {
                answer = &mut job => break answer,
                () = sleep(Duration::from_millis(30)) => {
                    ticks += 1;
                    if ticks == 2 {
                        break timeout(LONG, report(1)).await.expect("the call ends");
                    }
                }
            }
        };
        assert_eq!(answer, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_consumer_of_a_buffered_stream_may_ask_for_what_the_stream_loads() {
    for ordered in [true, false] {
        isolated(async |_| {
            let reports = stream::iter([0_u32, 1, 2]).map(async |id| if id == 0 { 0 } else { report(id).await });
            let reports: Pin<Box<dyn stream::Stream<Item = u32>>> = if ordered {
                Box::pin(reports.buffered(3))
            } else {
                Box::pin(reports.buffer_unordered(3))
            };
            let consumed: HashSet<u32> = reports
                .then(async |_| timeout(LONG, report(2)).await.expect("the call ends"))
                .collect()
                .await;
            assert_eq!(consumed, HashSet::from([2]));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_kept_in_a_struct_and_forgotten_holds_nobody_up() {
    struct Kept {
        _future: BoxFuture<'static, u32>,
    }
    isolated(async |_| {
        let mut future = report(1).boxed();
        assert!(poll_once(future.as_mut()).await.is_none());
        let kept = Kept { _future: future };
        assert_eq!(timeout(LONG, report(1)).await, Ok(1));
        drop(kept);
        let mut leaked = Box::pin(report(2));
        assert!(poll_once(leaked.as_mut()).await.is_none());
        std::mem::forget(leaked);
        assert_eq!(timeout(LONG, report(2)).await, Ok(2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_may_be_left_alone_too() {
    isolated(async |_| {
        let mut calls: Vec<_> = (0..5).map(|_| report(1).boxed()).collect();
        for call in &mut calls {
            assert!(poll_once(call.as_mut()).await.is_none());
        }
        assert_eq!(timeout(LONG, report(1)).await, Ok(1));
        assert_eq!(timeout(LONG, join_all(calls)).await, Ok(vec![1; 5]));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_who_takes_over_and_is_left_alone_is_taken_over_from() {
    isolated(async |cache| {
        let mut first = report(1).boxed();
        assert!(poll_once(first.as_mut()).await.is_none());
        let second = timeout(LOAD + STALLED * 3 / 2, report(1).boxed());
        let mut second = pin!(second);
        // It waits, takes over, and is dropped in the middle of its load: nobody but the first is left.
        let _ = second.as_mut().await;
        assert_eq!(timeout(LONG, report(1)).await, Ok(1));
        assert!(cache.stats().taken_over_loads >= 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_load_does_not_keep_its_slot_from_other_keys() {
    isolated(async |cache| {
        let mut stalled = pin!(limited(1));
        assert!(poll_once(stalled.as_mut()).await.is_none());
        let began = Instant::now();
        assert_eq!(timeout(LONG, limited(2)).await, Ok(2));
        assert!(began.elapsed() <= BOUND, "{:?}", began.elapsed());
        assert_eq!(cache.stats().queued_loads, 1);
        assert_eq!(stalled.await, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_who_is_left_alone_in_the_queue_does_not_keep_the_slot_that_it_is_given() {
    isolated(async |_| {
        let running = tokio::spawn(with_cache(Cache::disabled(), limited(1)));
        let mut first = limited(1).boxed();
        assert!(poll_once(first.as_mut()).await.is_none());
        let mut queued = limited(2).boxed();
        assert!(poll_once(queued.as_mut()).await.is_none());
        let began = Instant::now();
        assert_eq!(timeout(LONG, limited(3)).await, Ok(3));
        assert!(began.elapsed() <= BOUND + STALLED, "{:?}", began.elapsed());
        assert_eq!(timeout(LONG, join(first, queued)).await, Ok((1, 2)));
        running.await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_from_a_stalled_load_takes_its_slot() {
    isolated(async |cache| {
        let mut stalled = pin!(limited(1));
        assert!(poll_once(stalled.as_mut()).await.is_none());
        assert_eq!(timeout(LONG, limited(1)).await, Ok(1));
        assert_eq!((cache.stats().taken_over_loads, cache.stats().queued_loads), (1, 0));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_that_is_polled_is_shared_for_as_long_as_it_takes() {
    #[cached(resource = "plain", skip(loads))]
    async fn slow(loads: &LoadCounter) -> u64 {
        let load = loads.record();
        sleep(Duration::from_secs(50)).await;
        load
    }
    isolated(async |cache| {
        let loads = LoadCounter::new();
        let mut calls = JoinSet::new();
        for _ in 0..20 {
            let loads = loads.clone();
            calls.spawn(with_cache(cache.clone(), async move { slow(&loads).await }));
        }
        assert_eq!(calls.join_all().await, vec![1; 20]);
        assert_loads(&loads, 1);
        assert_eq!(cache.stats().taken_over_loads, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_load_holds_nobody_up_on_redis_and_with_redis_gone() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let took = beside_a_stalled_load(report(1), report(1)).await;
        assert!(took < BOUND * 10, "{took:?}");
        beside_a_stalled_load(limited(1), limited(2)).await;
        beside_a_stalled_load(leased(1), leased(1)).await;
        expect_outcomes(&[Hit, Hit], async {
            report(1).await;
            leased(1).await
        })
        .await;
    })
    .await;
    let spy = spy();
    spy.fail_all(StoreErrorKind::Unavailable);
    isolated_in(Cache::builder().store(spy).build(), async |_| {
        beside_a_stalled_load(report(1), expect_outcomes(&[Bypass], report(1))).await;
        beside_a_stalled_load(limited(1), limited(2)).await;
    })
    .await;
}

/// A reader whose command is on the wire and who is not polled any more.
#[tokio::test]
async fn a_read_that_is_left_alone_does_not_keep_the_connection_from_others() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        report(1).await;
        let mut readers: Vec<_> = (0..20).map(|_| report(1).boxed()).collect();
        for reader in &mut readers {
            let _ = poll_once(reader.as_mut()).await;
        }
        let began = Instant::now();
        for _ in 0..20 {
            expect_outcomes(&[Hit], report(1)).await;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(join_all(readers).await, vec![1; 20]);
    })
    .await;
}

#[cached(resource = "lists", skip(visited))]
async fn reach(node: u32, visited: &mut HashSet<u32>) -> Vec<u32> {
    if !visited.insert(node) {
        return vec![];
    }
    let mut all = vec![node];
    all.extend(Box::pin(reach((node + 1) % 3, visited)).await);
    all
}

#[tokio::test(start_paused = true)]
async fn a_function_that_walks_a_graph_may_meet_itself() {
    isolated(async |_| {
        let began = Instant::now();
        let reached = timeout(LONG, reach(0, &mut HashSet::new())).await;
        assert_eq!(reached, Ok(vec![0, 1, 2]));
        assert_eq!(began.elapsed(), Duration::ZERO);
        // What the inner call has returned is not the answer to the question.
        assert_eq!(expect_outcomes(&[Hit], reach(0, &mut HashSet::new())).await, [0, 1, 2]);
    })
    .await;
}

#[derive(Debug, Default)]
struct Service {
    refreshed: std::sync::atomic::AtomicBool,
}

impl Service {
    /// Refreshes, and calls itself again.
    #[cached(resource = "lists")]
    async fn rates(&self, zone: u32) -> u32 {
        if self.refreshed.swap(true, std::sync::atomic::Ordering::SeqCst) {
            zone
        } else {
            tokio::task::yield_now().await;
            Box::pin(self.rates(zone)).await + 100
        }
    }

    #[cached(resource = "lists", lease)]
    async fn leased_rates(&self, zone: u32) -> u32 {
        if self.refreshed.swap(true, std::sync::atomic::Ordering::SeqCst) {
            zone
        } else {
            let again = async { Box::pin(self.leased_rates(zone)).await };
            join(again, sleep(Duration::from_millis(1))).await.0 + 100
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_that_refreshes_may_call_itself_again_also_with_a_lease_and_inside_of_a_join() {
    isolated(async |_| {
        assert_eq!(timeout(LOAD, Service::default().rates(1)).await, Ok(101));
        assert_eq!(timeout(LOAD, Service::default().leased_rates(2)).await, Ok(102));
    })
    .await;
    let spy = spy();
    spy.fail_all(StoreErrorKind::Unavailable);
    isolated_in(Cache::builder().store(spy).build(), async |_| {
        assert_eq!(timeout(LOAD, Service::default().rates(1)).await, Ok(101));
    })
    .await;
}

/// Meets at a barrier, so that both are loading before either calls the other.
#[cached(resource = "lists", skip(gate))]
async fn ping(depth: u32, gate: &Gate) -> u32 {
    gate.pass().await;
    if depth == 0 {
        0
    } else {
        1 + Box::pin(pong(depth - 1, gate)).await
    }
}

#[cached(resource = "lists", skip(gate))]
async fn pong(depth: u32, gate: &Gate) -> u32 {
    gate.pass().await;
    if depth == 0 {
        0
    } else {
        1 + Box::pin(ping(depth - 1, gate)).await
    }
}

/// Each waits for the other one's flight.
#[cached(resource = "lists", skip(gate), independent(deep))]
async fn left(id: u32, gate: &Gate, deep: bool) -> u32 {
    gate.pass().await;
    if deep {
        Box::pin(right(id, gate, false)).await + 1
    } else {
        id
    }
}

#[cached(resource = "lists", skip(gate), independent(deep))]
async fn right(id: u32, gate: &Gate, deep: bool) -> u32 {
    gate.pass().await;
    if deep {
        Box::pin(left(id, gate, false)).await + 10
    } else {
        id
    }
}

#[tokio::test(start_paused = true)]
async fn functions_that_call_each_other_do_not_wait_for_one_another() {
    isolated(async |cache| {
        let gate = Gate::closed();
        let calls = async {
            let (left, right) = (left(5, &gate, true), right(5, &gate, true));
            join(with_cache(cache.clone(), left), with_cache(cache.clone(), right)).await
        };
        let opening = async {
            gate.until_waiting(2).await;
            gate.open();
        };
        let began = Instant::now();
        let ((left, right), ()) = timeout(LONG, join(calls, opening)).await.expect("both end");
        // One of the two has met the other on its way, and runs the inner body itself.
        assert!(
            (left, right) == (6, 16) || (left, right) == (16, 15) || (left, right) == (6, 15),
            "{left} {right}"
        );
        assert_eq!(began.elapsed(), Duration::ZERO);

        gate.open();
        assert_eq!(timeout(LONG, ping(5, &gate)).await, Ok(5));
        assert_eq!(timeout(LONG, pong(6, &gate)).await, Ok(6));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn functions_that_call_each_other_crossed_in_two_tasks_both_end() {
    isolated(async |cache| {
        let gate = Gate::closed();
        let (one, other) = (gate.clone(), gate.clone());
        let left = tokio::spawn(with_cache(cache.clone(), async move { left(7, &one, true).await }));
        let right = tokio::spawn(with_cache(cache.clone(), async move { right(7, &other, true).await }));
        gate.until_waiting(2).await;
        gate.open();
        let began = Instant::now();
        let both = timeout(LONG, join(left, right)).await.expect("both end");
        let (left, right) = (both.0.unwrap(), both.1.unwrap());
        assert!(left >= 8 && right >= 17, "{left} {right}");
        assert_eq!(began.elapsed(), Duration::ZERO);
    })
    .await;
}

/// Two caches, each with its own flights: a circle over both is seen.
#[tokio::test(start_paused = true)]
async fn a_circle_over_two_caches_is_seen() {
    #[cached(resource = "lists", skip(caches, gate), cache = caches.0)]
    async fn here(id: u32, caches: &(Cache, Cache), gate: &Gate) -> u32 {
        gate.pass().await;
        Box::pin(there(id, caches, gate)).await
    }
    #[cached(resource = "lists", skip(caches, gate), cache = caches.1)]
    async fn there(id: u32, caches: &(Cache, Cache), gate: &Gate) -> u32 {
        gate.pass().await;
        if gate.waiting() == 0 && id > 0 {
            Box::pin(here(id - 1, caches, gate)).await + 1
        } else {
            0
        }
    }
    let caches = (Cache::builder().build(), Cache::builder().build());
    let gate = Gate::closed();
    let calls = join(here(3, &caches, &gate), there(3, &caches, &gate));
    let opening = async {
        gate.until_waiting(2).await;
        gate.open();
    };
    timeout(LONG, join(calls, opening)).await.expect("both end");
}

#[cached(resource = "graphs")]
async fn inner_of(id: u32) -> u32 {
    tokio::task::yield_now().await;
    if id == 0 {
        0
    } else {
        Box::pin(outer_of(id - 1)).await + 1
    }
}

#[cached(resource = "limited")]
async fn outer_of(id: u32) -> u32 {
    tokio::task::yield_now().await;
    if id == 0 {
        0
    } else {
        Box::pin(inner_of(id - 1)).await + 1
    }
}

#[tokio::test(start_paused = true)]
async fn loads_that_hold_the_slots_that_the_other_needs_go_on_at_once() {
    isolated(async |cache| {
        let calls = (0..10).map(|id| {
            let call = async move {
                if id % 2 == 0 {
                    inner_of(11 + id).await
                } else {
                    outer_of(11 + id).await
                }
            };
            with_cache(cache.clone(), call)
        });
        let began = Instant::now();
        let depths = timeout(LONG, join_all(calls)).await.expect("all end");
        assert_eq!(depths, (11..21).collect::<Vec<_>>());
        assert_eq!(began.elapsed(), Duration::ZERO);
    })
    .await;
}

/// Spawns a task that calls the same function with the same arguments, and waits for it: nobody can see that.
#[cached(resource = "lists", skip(cache, loads))]
async fn through_a_task(id: u32, cache: Cache, loads: Arc<LoadCounter>) -> u32 {
    if loads.record() == 1 {
        let inner = again(id, cache.clone(), Arc::clone(&loads));
        tokio::spawn(with_cache(cache, inner))
            .await
            .expect("the inner call ends")
            + 1
    } else {
        id
    }
}

/// Named, so that the compiler need not look into the function that is being compiled.
fn again(id: u32, cache: Cache, loads: Arc<LoadCounter>) -> BoxFuture<'static, u32> {
    Box::pin(through_a_task(id, cache, loads))
}

#[tokio::test(start_paused = true)]
async fn a_circle_that_cannot_be_seen_ends_with_the_backstop() {
    isolated(async |cache| {
        let loads = Arc::new(LoadCounter::new());
        let began = Instant::now();
        let outer = timeout(LONG, through_a_task(1, cache.clone(), Arc::clone(&loads))).await;
        assert_eq!(outer, Ok(2));
        let took = began.elapsed();
        let minute = Duration::from_mins(1);
        assert!(took >= minute && took < minute + STALLED, "{took:?}");
        assert_eq!(cache.stats().taken_over_loads, 1);
    })
    .await;
    let builder = Cache::builder().load_backstop(Duration::from_secs(2));
    isolated_in(builder.build(), async |cache| {
        let began = Instant::now();
        let loads = Arc::new(LoadCounter::new());
        assert_eq!(timeout(LONG, through_a_task(1, cache.clone(), loads)).await, Ok(2));
        assert!(began.elapsed() < Duration::from_secs(2) + STALLED);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_load_beyond_the_backstop_is_joined_by_one_more_at_a_time_and_everybody_is_given_what_comes_first() {
    #[cached(resource = "plain", skip(loads))]
    async fn very_slow(loads: &LoadCounter) -> u64 {
        let load = loads.record();
        sleep(Duration::from_secs(150)).await;
        load
    }
    isolated(async |cache| {
        let loads = LoadCounter::new();
        let mut calls = JoinSet::new();
        for _ in 0..10 {
            let loads = loads.clone();
            calls.spawn(with_cache(cache.clone(), async move { very_slow(&loads).await }));
        }
        let began = Instant::now();
        let mut values = Vec::new();
        while let Some(value) = calls.join_next().await {
            values.push((value.unwrap(), began.elapsed().as_secs()));
        }
        // After one minute and after two, one of those who wait loads as well; the first load answers all who still wait.
        assert_loads(&loads, 3);
        assert_eq!(
            values.iter().filter(|value| **value == (1, 150)).count(),
            8,
            "{values:?}"
        );
    })
    .await;
}

/// A load that has landed, and whose future is not polled any more in the middle of its fill.
#[tokio::test(start_paused = true)]
async fn what_a_load_has_brought_that_stalls_in_its_fill_is_not_given_to_callers_for_ever() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        let fill = spy.hold_answer(cache_testkit::OperationKind::Fill);
        let mut stalled = report(1).boxed();
        let landed = async {
            fill.until_waiting(1).await;
        };
        tokio::select! {
            _ = &mut stalled => panic!("its fill is held up"),
            () = landed => {}
        }
        // As if what it stores were gone: nothing but the flight has the value.
        spy.hold_answer(cache_testkit::OperationKind::Fill).open();
        sleep(Duration::from_secs(61)).await;
        let loads = cache.stats().loads;
        expect_outcomes(&[Miss], report(1)).await;
        assert_eq!(cache.stats().loads, loads + 1);
        drop(stalled);
    })
    .await;
}
