//! Loads that stall, and loads that wait for one another: nobody waits for ever, and a load that goes on is not doubled.

use std::{
    pin::{Pin, pin},
    task::{Context, Wake, Waker},
};

use shuttle::future;

use crate::{
    in_many_schedules,
    key::StampKey,
    loads::{
        Caller, Flight, FlightKey, Flights, JoinRequest, LOOKS, Landing, Load, Role, Sightings, TendedFuture, Waits,
        queue::Queue,
    },
    sync::{
        Arc, Mutex, Notify,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key(u8);

impl FlightKey for Key {
    type Value = u64;

    fn is_stamped(&self) -> bool {
        true
    }

    fn depends_on(&self, _stamps: &[StampKey]) -> bool {
        false
    }
}

/// The owner of a future that does nothing when it is woken.
struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future once, on behalf of an owner that will not come back.
fn poll_once<F: Future>(future: Pin<&mut F>) {
    let waker = Waker::from(Arc::new(Idle));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
}

/// One process: its flights, what they wait for, and a database that answers when it likes.
#[derive(Debug, Default)]
struct Process {
    flights: Arc<Flights<Key>>,
    waits: Waits,
    watched: Mutex<Vec<Arc<Flight<Key>>>>,
    answers: AtomicBool,
    answered: Answered,
    loads: AtomicUsize,
    circles: AtomicUsize,
}

#[derive(Debug)]
struct Answered(Notify);

impl Default for Answered {
    fn default() -> Self {
        Self(Notify::new())
    }
}

impl Process {
    async fn call(self: Arc<Self>, key: u8, inside: Option<Arc<Load>>, calls: &[u8]) {
        let joining = JoinRequest {
            resource: "r",
            began: self.flights.now(),
            caller: inside.as_ref().map_or(Caller::Outside, Caller::Inside),
            waits: &self.waits,
            watch: |flight: &Arc<Flight<Key>>| self.watched.lock().push(Arc::clone(flight)),
        };
        match self.flights.join(Key(key), joining).await {
            Role::Leader(leader) => {
                let load = Arc::clone(leader.load());
                let body = async {
                    self.loads.fetch_add(1, Ordering::SeqCst);
                    self.answer().await;
                    if let [next, rest @ ..] = calls {
                        Box::pin(Arc::clone(&self).call(*next, Some(Arc::clone(&load)), rest)).await;
                    }
                    leader.land(Landing::Value(u64::from(key)));
                };
                TendedFuture::new(&load, body).await;
            }
            Role::Waiter(Landing::Value(value)) => assert_eq!(value, u64::from(key)),
            Role::Waiter(landed) => panic!("waited for {landed:?}"),
            Role::Circle => {
                self.circles.fetch_add(1, Ordering::SeqCst);
                // Its body runs in the load that has called it.
                if let [next, rest @ ..] = calls {
                    Box::pin(self.call(*next, inside, rest)).await;
                }
            }
        }
    }

    async fn answer(&self) {
        loop {
            let answered = self.answered.0.notified();
            if self.answers.load(Ordering::SeqCst) {
                return;
            }
            answered.await;
        }
    }

    fn answer_now(&self) {
        self.answers.store(true, Ordering::SeqCst);
        self.answered.0.notify_waiters();
    }

    /// Looks at every flight that is waited for, as often as it takes to tell that a load has stalled.
    async fn watch(&self, sightings: &mut Sightings) {
        for _ in 0..=LOOKS {
            let watched = self.watched.lock().clone();
            for flight in watched {
                flight.look(sightings, &self.waits);
            }
            future::yield_now().await;
        }
    }
}

/// What the owner of the first call does after it has polled it once.
#[derive(Clone, Copy)]
enum Owner {
    LooksElsewhere,
    Polls,
}

/// Who sees to those that wait.
#[derive(Clone, Copy)]
enum Watch {
    Awake,
    Asleep,
}

fn callers_beside_one_that_may_stall(owner: Owner, watch: Watch) {
    future::block_on(async move {
        let process = Arc::new(Process::default());
        let mut first = Box::pin(Arc::clone(&process).call(1, None, &[]));
        poll_once(first.as_mut());
        let first = match owner {
            Owner::LooksElsewhere => Err(first),
            Owner::Polls => Ok(future::spawn(first)),
        };
        let mut callers: Vec<_> = (0..2)
            .map(|_| {
                let process = Arc::clone(&process);
                future::spawn(async move { process.call(1, None, &[]).await })
            })
            .collect();
        process.answer_now();
        if let Watch::Awake = watch {
            let mut sightings = Sightings::default();
            let caller = callers.pop().expect("two of them");
            let done = Arc::new(AtomicBool::new(false));
            let ended = Arc::clone(&done);
            let waiting = future::spawn(async move {
                caller.await.expect("a call ends");
                ended.store(true, Ordering::SeqCst);
            });
            while !done.load(Ordering::SeqCst) {
                process.watch(&mut sightings).await;
            }
            waiting.await.expect("a call ends");
            while !callers.is_empty() {
                process.watch(&mut sightings).await;
                callers.pop().expect("one is left").await.expect("a call ends");
            }
        }
        for caller in callers {
            caller.await.expect("a call ends");
        }
        if let Ok(first) = first {
            first.await.expect("a call ends");
        } else {
            // A caller that comes after the second one has landed finds no flight, and loads as well.
            let loads = process.loads.load(Ordering::SeqCst);
            assert!((2..=3).contains(&loads), "one stalled, and one took over: {loads}");
        }
    });
}

#[test]
fn one_of_those_who_wait_takes_over_from_a_load_that_stalls() {
    in_many_schedules(4_000, || {
        callers_beside_one_that_may_stall(Owner::LooksElsewhere, Watch::Awake);
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_load_that_stalls_and_that_nobody_watches_is_caught() {
    in_many_schedules(4_000, || {
        callers_beside_one_that_may_stall(Owner::LooksElsewhere, Watch::Asleep);
    });
}

#[test]
fn a_load_that_is_polled_on_ends_with_and_without_a_watch() {
    in_many_schedules(4_000, || callers_beside_one_that_may_stall(Owner::Polls, Watch::Asleep));
    in_many_schedules(4_000, || callers_beside_one_that_may_stall(Owner::Polls, Watch::Awake));
}

/// Loads that wait for the database, however long, are not woken: no look makes them stall.
#[test]
fn a_load_that_waits_for_its_database_has_not_stalled() {
    in_many_schedules(2_000, || {
        future::block_on(async {
            let process = Arc::new(Process::default());
            let first = future::spawn(Arc::clone(&process).call(1, None, &[]));
            let second = future::spawn(Arc::clone(&process).call(1, None, &[]));
            let mut sightings = Sightings::default();
            for _ in 0..3 {
                process.watch(&mut sightings).await;
            }
            // Polled at least once by now, or not begun: in both cases there is nothing to take over.
            process.answer_now();
            first.await.expect("a call ends");
            second.await.expect("a call ends");
        });
    });
}

/// Three calls, each of which calls the next one's key from its body.
fn a_circle_of_calls() {
    future::block_on(async {
        let process = Arc::new(Process::default());
        process.answer_now();
        let calls: [(u8, &'static [u8]); 3] = [(1, &[2, 3]), (2, &[3, 1]), (3, &[1, 2])];
        let calls: Vec<_> = calls
            .into_iter()
            .map(|(key, then)| future::spawn(Arc::clone(&process).call(key, None, then)))
            .collect();
        for call in calls {
            call.await.expect("a call ends");
        }
        assert_eq!(process.flights.len(), 0, "flights are left in the table");
    });
}

#[test]
fn calls_that_wait_for_one_another_in_a_circle_end() {
    in_many_schedules(6_000, a_circle_of_calls);
}

/// Two calls around a circle, of which one is left alone half-way. The other takes over from it, and meets itself.
fn a_circle_that_a_stalled_load_is_part_of(watch: Watch) {
    future::block_on(async move {
        let process = Arc::new(Process::default());
        let mut left = Box::pin(Arc::clone(&process).call(1, None, &[2, 1]));
        poll_once(left.as_mut());
        let right = future::spawn(Arc::clone(&process).call(2, None, &[1, 2, 1]));
        process.answer_now();
        if let Watch::Awake = watch {
            let mut sightings = Sightings::default();
            while !right.is_finished() {
                process.watch(&mut sightings).await;
            }
        }
        right.await.expect("a call ends");
        assert!(process.circles.load(Ordering::SeqCst) >= 2, "it has not met itself");
        left.await;
        assert_eq!(process.flights.len(), 0, "flights are left in the table");
    });
}

#[test]
fn a_walk_around_a_circle_ends_that_a_stalled_load_is_part_of() {
    in_many_schedules(3_000, || a_circle_that_a_stalled_load_is_part_of(Watch::Awake));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_circle_with_a_stalled_load_that_nobody_watches_is_caught() {
    in_many_schedules(3_000, || a_circle_that_a_stalled_load_is_part_of(Watch::Asleep));
}

/// A wait that is known to nobody.
#[test]
#[should_panic(expected = "deadlock")]
fn waits_that_are_not_told_are_caught() {
    in_many_schedules(6_000, || {
        future::block_on(async {
            let process = Arc::new(Process::default());
            process.answer_now();
            // No load is named, as if each call came from a task of its own.
            let call = |key: u8, then: u8| {
                let process = Arc::clone(&process);
                async move {
                    let waits = Waits::default();
                    let join = async |key: u8| {
                        let joining = JoinRequest {
                            resource: "r",
                            began: process.flights.now(),
                            caller: Caller::Outside,
                            waits: &waits,
                            watch: |_: &Arc<Flight<Key>>| {},
                        };
                        process.flights.join(Key(key), joining).await
                    };
                    if let Role::Leader(leader) = join(key).await {
                        if let Role::Leader(inner) = join(then).await {
                            inner.land(Landing::Value(0));
                        }
                        leader.land(Landing::Value(0));
                    }
                }
            };
            let (one, other) = (future::spawn(call(1, 2)), future::spawn(call(2, 1)));
            one.await.expect("a call ends");
            other.await.expect("a call ends");
        });
    });
}

/// The loads that one who comes now waits for.
fn holders(queue: &Arc<Queue>) -> Vec<Arc<Load>> {
    queue.line_up(&Load::new("r", None)).awaited().loads()
}

/// Loads in a queue with one place; the first has it and stalls, or the one that is given it does.
fn a_queue_with_a_load_that_stalls(in_the_queue: bool) {
    future::block_on(async move {
        let queue = Arc::new(Queue::new(1));
        let stalled = Load::new("r", None);
        let mut holding = pin!(TendedFuture::new(&stalled, async {
            let place = if in_the_queue {
                queue.line_up(&stalled).come(|| {}).await
            } else {
                queue.try_take(&stalled).expect("it is the first")
            };
            future::yield_now().await;
            drop(place);
        }));
        let first = Load::new("r", None);
        let place = in_the_queue.then(|| queue.try_take(&first).expect("it is the first"));
        poll_once(holding.as_mut());
        let running = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (queue, running) = (Arc::clone(&queue), Arc::clone(&running));
                future::spawn(async move {
                    let load = Load::new("r", None);
                    let place = queue.line_up(&load).come(|| {}).await;
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                    future::yield_now().await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                })
            })
            .collect();
        drop(place);
        let ended = Arc::new(AtomicBool::new(false));
        let all = {
            let ended = Arc::clone(&ended);
            future::spawn(async move {
                for other in others {
                    other.await.expect("a load ends");
                }
                ended.store(true, Ordering::SeqCst);
            })
        };
        let mut sightings = Sightings::default();
        while !ended.load(Ordering::SeqCst) {
            queue.look(&mut sightings);
            future::yield_now().await;
        }
        all.await.expect("all end");
        assert!(
            holders(&queue).iter().all(|load| Arc::ptr_eq(load, &stalled)),
            "a place is lost"
        );
        // It finds its way when it is polled again.
        holding.await;
        assert!(holders(&queue).is_empty(), "a place is lost");
    });
}

#[test]
fn a_load_that_stalls_does_not_keep_its_place() {
    in_many_schedules(4_000, || a_queue_with_a_load_that_stalls(false));
}

#[test]
fn a_load_that_stalls_in_the_queue_does_not_keep_the_place_that_it_is_given() {
    in_many_schedules(4_000, || a_queue_with_a_load_that_stalls(true));
}
