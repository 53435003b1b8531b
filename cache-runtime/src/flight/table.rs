//! The flights under way, whatever they are found by.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{BuildHasher as _, Hash},
};

use crate::sync::{
    Arc, Mutex, MutexGuard, Notify, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// What a flight is found by.
pub(crate) trait Key: Clone + Eq + Hash {
    /// What a load comes to.
    type Value: Clone + Debug;

    /// Whether the load is under stamps, so that it may be joined while it lasts.
    fn is_stamped(&self) -> bool;

    /// Whether an invalidation of these stamps concerns the load.
    fn depends_on(&self, stamps: &[String]) -> bool;
}

/// What a flight came to, for those who waited.
#[derive(Debug, Clone)]
pub(crate) enum Landed<V> {
    Value(V),
    /// The load succeeded and there is nothing: `None` of an `Option`.
    Absent,
    /// The load failed, its value could not be encoded, or it cannot be waited for: each caller is on its own.
    Failed,
}

#[derive(Debug)]
enum State<V> {
    Flying,
    Landed(Landed<V>),
    /// The leader was cancelled or panicked.
    Abandoned,
}

/// The flights under way.
#[derive(Debug)]
pub(crate) struct Flights<K: Key> {
    table: Mutex<Table<K>>,
    /// The number of the last flight, or of the last landing.
    last: AtomicU64,
    /// How many may wait for one flight; `None` for any number.
    max_waiters: Option<usize>,
}

/// How many keys are remembered to have landed, for callers that looked before they did.
const REMEMBERED: usize = 1024;

#[derive(Debug)]
struct Table<K: Key> {
    flying: HashMap<K, Arc<Flight<K::Value>>>,
    /// When a load has landed last with a value of a key with this hash; 0 for never. Keys may share a place: who is told too
    /// much looks once more.
    landed: Vec<u64>,
}

impl<K: Key> Default for Table<K> {
    fn default() -> Self {
        Self {
            flying: HashMap::new(),
            landed: vec![0; REMEMBERED],
        }
    }
}

impl<K: Key> Table<K> {
    fn landed(&mut self, key: &K) -> &mut u64 {
        // The rest of a division fits.
        #[expect(clippy::cast_possible_truncation, reason = "less than 1024")]
        let place = (self.flying.hasher().hash_one(key) % REMEMBERED as u64) as usize;
        &mut self.landed[place]
    }
}

impl<K: Key> Default for Flights<K> {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            last: AtomicU64::new(0),
            max_waiters: None,
        }
    }
}

/// One load, as its leader and its waiters share it.
#[derive(Debug)]
struct Flight<V> {
    number: u64,
    waiters: AtomicUsize,
    /// Whether the leader loads, and does not wait for its turn any more.
    begun: AtomicBool,
    state: Mutex<State<V>>,
    ended: Notify,
}

impl<V: Clone> Flight<V> {
    fn new(number: u64) -> Self {
        Self {
            number,
            waiters: AtomicUsize::new(0),
            begun: AtomicBool::new(false),
            state: Mutex::new(State::Flying),
            ended: Notify::new(),
        }
    }

    /// The right to wait; `None` if as many wait already.
    fn seat(&self, most: Option<usize>) -> Option<Seat<'_>> {
        let taken = self
            .waiters
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiters| {
                (most.is_none_or(|most| waiters < most)).then_some(waiters + 1)
            });
        taken.ok().map(|_| Seat(&self.waiters))
    }

    /// Waits for the end; `None` if the leader was cancelled or panicked.
    async fn wait(&self) -> Option<Landed<V>> {
        loop {
            // Made before the look at the state, so that an end in between is not missed.
            let ended = self.ended.notified();
            match &*self.state() {
                State::Flying => {}
                State::Landed(landed) => return Some(landed.clone()),
                State::Abandoned => return None,
            }
            ended.await;
        }
    }

    /// The first end counts.
    fn end(&self, end: State<V>) {
        let mut state = self.state();
        if matches!(*state, State::Flying) {
            *state = end;
            drop(state);
            self.ended.notify_waiters();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a waiter for as long as it waits.
struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A point in the order of flights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(u64);

/// What joining a flight makes of a caller.
pub(crate) enum Joined<K: Key> {
    /// The one that loads.
    Leader(Leader<K>),
    /// One that waited, and what for.
    Waiter(Landed<K::Value>),
}

impl<K: Key> Flights<K> {
    /// At most so many wait for one flight; whoever comes then is on its own.
    pub(crate) fn with_max_waiters(max_waiters: Option<usize>) -> Self {
        Self {
            max_waiters,
            ..Self::default()
        }
    }

    /// To be taken when a call begins.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.last.load(Ordering::SeqCst))
    }

    /// Joins the flight of this key, or starts it. Waits until it has landed. `began` is when the call did.
    pub(crate) async fn join(self: &Arc<Self>, key: K, began: Moment) -> Joined<K> {
        self.join_if(key, began, |_| true).await
    }

    /// As [`join`](Self::join), but waits only for a load that has [begun](Leader::begin).
    pub(crate) async fn join_begun(self: &Arc<Self>, key: K, began: Moment) -> Joined<K> {
        self.join_if(key, began, |flight| flight.begun.load(Ordering::SeqCst))
            .await
    }

    async fn join_if(self: &Arc<Self>, key: K, began: Moment, joins: impl Fn(&Flight<K::Value>) -> bool) -> Joined<K> {
        loop {
            let flight = {
                let mut table = self.table();
                if let Some(flight) = table.flying.get(&key) {
                    Arc::clone(flight)
                } else {
                    let flight = Arc::new(Flight::new(self.next()));
                    table.flying.insert(key.clone(), Arc::clone(&flight));
                    return Joined::Leader(Leader {
                        flights: Arc::clone(self),
                        follows: *table.landed(&key) > began.0,
                        key,
                        flight,
                    });
                }
            };
            let seat = Some(&flight)
                .filter(|flight| joins(flight))
                .and_then(|flight| flight.seat(self.max_waiters));
            let Some(_seat) = seat else {
                return Joined::Waiter(Landed::Failed);
            };
            let may_share = key.is_stamped() || flight.number > began.0;
            match flight.wait().await {
                Some(landed) if may_share => return Joined::Waiter(landed),
                // The leader may not have left yet; nobody needs this flight any more.
                Some(_) | None => self.remove(&key, &flight),
            }
        }
    }

    /// Takes the flights that depend on one of these stamps out of the table: who is aboard stays, nobody joins.
    pub(crate) fn detach(&self, stamps: &[String]) {
        self.table().flying.retain(|key, _| !key.depends_on(stamps));
    }

    /// How many flights are in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().flying.len()
    }

    fn remove(&self, key: &K, flight: &Arc<Flight<K::Value>>) {
        let mut table = self.table();
        if table
            .flying
            .get(key)
            .is_some_and(|current| Arc::ptr_eq(current, flight))
        {
            table.flying.remove(key);
            if matches!(*flight.state(), State::Landed(Landed::Value(_))) {
                *table.landed(key) = self.next();
            }
        }
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn table(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that loads. Dropped without [`land`](Self::land), one of the waiters takes over.
#[derive(Debug)]
pub(crate) struct Leader<K: Key> {
    flights: Arc<Flights<K>>,
    key: K,
    flight: Arc<Flight<K::Value>>,
    follows: bool,
}

impl<K: Key> Leader<K> {
    /// The load begins now, or what it waits for does not wait for its waiters.
    pub(crate) fn begin(&self) {
        self.flight.begun.store(true, Ordering::SeqCst);
    }

    /// Whether a load of the same key may have landed since the call began: what it found no trace of may be stored by now.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Whether anybody waits.
    pub(crate) fn has_waiters(&self) -> bool {
        self.flight.waiters.load(Ordering::SeqCst) > 0
    }

    /// Tells the waiters. Until the leader is dropped, callers that still find the flight are given the same; drop it when
    /// the fill is done.
    pub(crate) fn land(&self, landed: Landed<K::Value>) {
        // With a failure nobody may join any more; with a value, callers whose read came before the fill still may.
        if matches!(landed, Landed::Failed) {
            self.flights.remove(&self.key, &self.flight);
        }
        self.flight.end(State::Landed(landed));
    }

    /// Whether an invalidation has overtaken the load: its entry would be dead on arrival, and would overwrite a live one.
    pub(crate) fn is_detached(&self) -> bool {
        !self
            .flights
            .table()
            .flying
            .get(&self.key)
            .is_some_and(|current| Arc::ptr_eq(current, &self.flight))
    }
}

impl<K: Key> Drop for Leader<K> {
    fn drop(&mut self) {
        self.flights.remove(&self.key, &self.flight);
        self.flight.end(State::Abandoned);
    }
}
