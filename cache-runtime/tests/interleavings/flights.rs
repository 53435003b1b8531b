//! The flight table: who waits is served, and nobody is given what was loaded too early.

use shuttle::future;

use crate::{
    STAMP, in_every_schedule, in_many_schedules, joining,
    key::StampKey,
    loads::{FlightKey, Flights, Landing, Leader, Moment, Role, Waits},
    stamp,
    sync::{
        Arc, Deafness,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Stamped,
    Unstamped,
}

impl FlightKey for Key {
    /// Every load lands the version that it has seen.
    type Value = u64;

    fn is_stamped(&self) -> bool {
        *self == Self::Stamped
    }

    fn depends_on(&self, stamps: &[StampKey]) -> bool {
        stamps.iter().any(|stamp| *stamp == STAMP)
    }
}

/// Calls of one function, and the database that it reads.
#[derive(Debug, Default)]
struct Calls {
    flights: Arc<Flights<Key>>,
    /// The version of the database.
    database: AtomicU64,
    /// The newest version that was invalidated for.
    invalidated: AtomicU64,
    /// How many leaders are loading.
    loading: AtomicUsize,
}

impl Calls {
    /// Calls once; the result must not be older than what had been invalidated for when it began.
    async fn call(&self, key: Key, began: impl FnOnce() -> Moment) {
        let oldest = self.invalidated.load(Ordering::SeqCst);
        let loaded = match self.flights.join(key, joining(began(), &Waits::default())).await {
            Role::Leader(leader) => self.load(&leader).await,
            Role::Waiter(landed) => version(&landed),
            Role::Circle => panic!("nobody is inside of a load"),
        };
        assert!(loaded >= oldest, "given version {loaded}, invalidated for {oldest}");
    }

    async fn join(&self) -> Role<Key> {
        join(&self.flights).await
    }

    async fn load(&self, leader: &Leader<Key>) -> u64 {
        let loaded = self.database.load(Ordering::SeqCst);
        future::yield_now().await;
        leader.land(Landing::Value(loaded));
        loaded
    }

    /// As [`load`](Self::load), where no two loads may overlap. It may be dropped half-way.
    async fn load_alone(&self, leader: &Leader<Key>) {
        let loading = Loading::begin(&self.loading);
        future::yield_now().await;
        drop(loading);
        leader.land(Landing::Absent(0));
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(self.flights.len(), 0, "flights are left in the table");
    }
}

/// A load under way.
struct Loading<'a>(&'a AtomicUsize);

impl<'a> Loading<'a> {
    fn begin(loading: &'a AtomicUsize) -> Self {
        assert_eq!(loading.fetch_add(1, Ordering::SeqCst), 0, "two loads at a time");
        Self(loading)
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn join(flights: &Arc<Flights<Key>>) -> Role<Key> {
    flights
        .join(Key::Stamped, joining(flights.now(), &Waits::default()))
        .await
}

fn version(landed: &Landing<u64>) -> u64 {
    let Landing::Value(version) = landed else {
        panic!("waited for {landed:?}")
    };
    *version
}

/// When an invalidation takes the running flights out of the table.
#[derive(Clone, Copy)]
enum Detaching {
    BeforeItReturns,
    AfterItReturned,
}

/// The stamps stay the same, as they do while the store is out of reach.
fn calls_and_an_invalidation(callers: usize, detaching: Detaching) {
    future::block_on(async move {
        let calls = Arc::new(Calls::default());
        let callers: Vec<_> = (0..callers)
            .map(|_| {
                let calls = Arc::clone(&calls);
                future::spawn(async move { calls.call(Key::Stamped, || calls.flights.now()).await })
            })
            .collect();
        calls.database.store(1, Ordering::SeqCst);
        if let Detaching::BeforeItReturns = detaching {
            calls.flights.detach(&stamp());
        }
        calls.invalidated.store(1, Ordering::SeqCst);
        if let Detaching::AfterItReturned = detaching {
            calls.flights.detach(&stamp());
        }
        for caller in callers {
            caller.await.expect("a call ends");
        }
        calls.assert_nothing_is_left();
    });
}

#[test]
fn nobody_joins_a_load_from_before_an_invalidation() {
    in_many_schedules(6_000, || calls_and_an_invalidation(3, Detaching::BeforeItReturns));
}

#[test]
#[should_panic(expected = "invalidated for 1")]
fn flights_that_are_detached_too_late_are_caught() {
    in_many_schedules(6_000, || calls_and_an_invalidation(3, Detaching::AfterItReturned));
}

/// When calls take the moment that they began at.
#[derive(Clone, Copy)]
enum Beginning {
    Each,
    OnceForAll,
}

/// Another process has invalidated; nothing here hears of it.
fn calls_without_stamps(beginning: Beginning) {
    future::block_on(async move {
        let calls = Arc::new(Calls::default());
        let first = calls.flights.now();
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let calls = Arc::clone(&calls);
                future::spawn(async move {
                    let began = || match beginning {
                        Beginning::Each => calls.flights.now(),
                        Beginning::OnceForAll => first,
                    };
                    calls.call(Key::Unstamped, began).await;
                })
            })
            .collect();
        calls.database.store(1, Ordering::SeqCst);
        calls.invalidated.store(1, Ordering::SeqCst);
        for caller in callers {
            caller.await.expect("a call ends");
        }
        calls.assert_nothing_is_left();
    });
}

#[test]
fn without_stamps_nobody_joins_a_load_that_began_earlier() {
    in_many_schedules(6_000, || calls_without_stamps(Beginning::Each));
}

#[test]
#[should_panic(expected = "invalidated for 1")]
fn joining_any_load_without_stamps_is_caught() {
    in_many_schedules(6_000, || calls_without_stamps(Beginning::OnceForAll));
}

/// What becomes of a leader that is cancelled.
#[derive(Clone, Copy)]
enum Cancelled {
    Dropped,
    Forgotten,
}

/// The first caller is cancelled, wherever it is.
fn calls_of_which_one_is_cancelled(callers: usize, cancelled: Cancelled) {
    future::block_on(async move {
        let calls = Arc::new(Calls::default());
        let mut callers: Vec<_> = (0..callers)
            .map(|_| {
                let calls = Arc::clone(&calls);
                future::spawn(async move {
                    match calls.join().await {
                        Role::Leader(leader) => match cancelled {
                            Cancelled::Dropped => calls.load_alone(&leader).await,
                            Cancelled::Forgotten => std::mem::forget(leader),
                        },
                        Role::Waiter(landed) => assert!(matches!(landed, Landing::Absent(0)), "waited for {landed:?}"),
                        Role::Circle => panic!("nobody is inside of a load"),
                    }
                })
            })
            .collect();
        let first = callers.remove(0);
        first.abort();
        for caller in callers {
            caller.await.expect("a call ends");
        }
        // It may have ended before it was cancelled.
        let _ = first.await;
        calls.assert_nothing_is_left();
    });
}

/// A leader that ends, and callers that may come before, while and after it does.
fn a_leader_and_a_caller() {
    future::block_on(async {
        let flights = Arc::new(Flights::default());
        let Role::Leader(leader) = join(&flights).await else {
            panic!("there is nobody to wait for")
        };
        let caller = {
            let flights = Arc::clone(&flights);
            future::spawn(async move {
                match join(&flights).await {
                    Role::Leader(leader) => leader.land(Landing::Absent(0)),
                    Role::Waiter(landed) => assert!(matches!(landed, Landing::Absent(0)), "waited for {landed:?}"),
                    Role::Circle => panic!("nobody is inside of a load"),
                }
            })
        };
        drop(leader);
        caller.await.expect("a call ends");
        assert_eq!(flights.len(), 0, "flights are left in the table");
    });
}

#[test]
fn one_waiter_takes_over_from_a_cancelled_leader() {
    in_many_schedules(6_000, || calls_of_which_one_is_cancelled(4, Cancelled::Dropped));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_leader_that_never_ends_is_caught() {
    in_many_schedules(6_000, || calls_of_which_one_is_cancelled(4, Cancelled::Forgotten));
}

#[test]
fn no_end_is_missed() {
    in_every_schedule(a_leader_and_a_caller);
}

#[test]
#[should_panic(expected = "deadlock")]
fn waiters_that_listen_too_late_are_caught() {
    let _deafness = Deafness::begin();
    in_every_schedule(a_leader_and_a_caller);
}

/// When a failed load becomes known.
#[derive(Clone, Copy)]
enum Known {
    AfterItLanded,
    BeforeItLands,
}

/// The first load fails, all others succeed.
fn calls_of_which_one_fails(known: Known) {
    future::block_on(async move {
        let calls = Arc::new(Calls::default());
        let first = Arc::new(AtomicBool::new(true));
        let failed = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let (calls, first, failed) = (Arc::clone(&calls), Arc::clone(&first), Arc::clone(&failed));
                future::spawn(async move {
                    let came_late = failed.load(Ordering::SeqCst);
                    match calls.join().await {
                        Role::Leader(leader) if first.swap(false, Ordering::SeqCst) => {
                            if let Known::BeforeItLands = known {
                                failed.store(true, Ordering::SeqCst);
                            }
                            leader.land(Landing::Failed);
                            failed.store(true, Ordering::SeqCst);
                        }
                        Role::Leader(leader) => leader.land(Landing::Absent(0)),
                        Role::Waiter(Landing::Failed) => assert!(!came_late, "joined a load that had failed"),
                        Role::Waiter(_) => {}
                        Role::Circle => panic!("nobody is inside of a load"),
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("a call ends");
        }
        calls.assert_nothing_is_left();
    });
}

#[test]
fn nobody_joins_a_load_that_has_failed() {
    in_many_schedules(6_000, || calls_of_which_one_fails(Known::AfterItLanded));
}

#[test]
#[should_panic(expected = "joined a load that had failed")]
fn joining_a_load_that_has_failed_is_caught() {
    in_many_schedules(6_000, || calls_of_which_one_fails(Known::BeforeItLands));
}
