//! The table of the flights under way, whatever they are found by.

use std::{
    collections::HashMap,
    future::{self, Future},
    hash::BuildHasher as _,
};

use futures_util::future::Either;
use tokio::time::Instant;

pub(crate) use super::flight::FlightKey;
use super::{
    circles::Waits,
    flight::{Caller, Flight, Landing, State, Takeover, WaitEnd},
    load::{Awaited, Load},
};
use crate::key::StampKey;
use crate::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// The flights under way.
#[derive(Debug)]
pub(crate) struct Flights<K: FlightKey> {
    table: Mutex<Table<K>>,
    /// The number of the last flight, or of the last landing.
    last: AtomicU64,
    /// How many may wait for one flight; `None` for any number.
    max_waiters: Option<usize>,
}

/// How many keys are remembered to have landed, for callers that looked before they did.
const REMEMBERED: usize = 1024;

#[derive(Debug)]
struct Table<K: FlightKey> {
    flying: HashMap<K, Arc<Flight<K>>>,
    /// When a load has landed last with a value of a key with this hash; 0 for never. Keys may share a place: who is told too
    /// much looks once more.
    landed: Vec<u64>,
}

impl<K: FlightKey> Default for Table<K> {
    fn default() -> Self {
        Self {
            flying: HashMap::new(),
            landed: vec![0; REMEMBERED],
        }
    }
}

impl<K: FlightKey> Table<K> {
    /// Whether this flight is the one of its key.
    fn has(&self, flight: &Arc<Flight<K>>) -> bool {
        let current = self.flying.get(&flight.key);
        current.is_some_and(|current| Arc::ptr_eq(current, flight))
    }

    fn landed(&mut self, key: &K) -> &mut u64 {
        // The rest of a division fits.
        #[expect(clippy::cast_possible_truncation, reason = "less than 1024")]
        let place = (self.flying.hasher().hash_one(key) % REMEMBERED as u64) as usize;
        &mut self.landed[place]
    }
}

impl<K: FlightKey> Default for Flights<K> {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            last: AtomicU64::new(0),
            max_waiters: None,
        }
    }
}

/// A point in the order of flights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(u64);

/// What joining a flight makes of a caller.
pub(crate) enum Role<K: FlightKey> {
    /// The one that loads.
    Leader(Leader<K>),
    /// One that waited, and what for.
    Waiter(Landing<K::Value>),
    /// One that would have waited for itself: the call was made by the load, or by one that waits for it.
    Circle,
}

/// Who joins a flight.
pub(crate) struct JoinRequest<'a, W> {
    pub(crate) resource: &'static str,
    /// When the call began.
    pub(crate) began: Moment,
    pub(crate) caller: Caller<'a>,
    pub(crate) waits: &'a Waits,
    /// Called with the flight before it is waited for.
    pub(crate) watch: W,
}

impl<K: FlightKey> Flights<K> {
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

    /// Joins the flight of this key, or starts it, at once. The future waits until it has landed, or until the caller is wanted as a
    /// leader.
    pub(crate) fn join<W>(self: &Arc<Self>, key: K, joining: JoinRequest<'_, W>) -> impl Future<Output = Role<K>>
    where
        W: Fn(&Arc<Flight<K>>),
    {
        match self.start(key, joining.began, || joining.caller.load(joining.resource)) {
            Ok(leader) => Either::Left(future::ready(Role::Leader(leader))),
            Err(flight) => Either::Right(self.wait(flight, joining)),
        }
    }

    /// Waits for this flight, and for those that come after it if it ends without an end. Its key is the flight's: thousands may wait,
    /// and none has room for one of its own.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function would have room for what it is given twice, in every task that waits"
    )]
    fn wait<W>(
        self: &Arc<Self>,
        mut flight: Arc<Flight<K>>,
        joining: JoinRequest<'_, W>,
    ) -> impl Future<Output = Role<K>>
    where
        W: Fn(&Arc<Flight<K>>),
    {
        async move {
            loop {
                let Some(seat) = flight.seat(self.max_waiters) else {
                    return Role::Waiter(Landing::Failed);
                };
                let wait = joining
                    .caller
                    .waiting()
                    .map(|load| joining.waits.begin(load, Arc::clone(&flight) as Arc<dyn Awaited>));
                if let Some(None) = wait {
                    return Role::Circle;
                }
                (joining.watch)(&flight);
                match flight.wait(joining.resource, joining.caller, joining.waits).await {
                    WaitEnd::Vacancy(load, takeover) => {
                        return Role::Leader(Leader {
                            flights: Arc::clone(self),
                            follows: false,
                            flight: Arc::clone(&flight),
                            load,
                            takeover: Some(takeover),
                        });
                    }
                    WaitEnd::Circle => return Role::Circle,
                    WaitEnd::Landed(landed) if flight.key.is_stamped() || flight.number > joining.began.0 => {
                        return Role::Waiter(landed);
                    }
                    // The leader may not have left yet; nobody needs this flight any more.
                    WaitEnd::Landed(_) | WaitEnd::Over => self.remove(&flight),
                }
                drop((wait, seat));
                let next = self.start(flight.key.clone(), joining.began, || {
                    joining.caller.load(joining.resource)
                });
                match next {
                    Ok(leader) => return Role::Leader(leader),
                    Err(next) => flight = next,
                }
            }
        }
    }

    /// Starts a flight in the place of the one under way, if there is one: nobody joins that any more, and it does not fill. Never
    /// [`Role::Waiter`].
    pub(crate) fn replace(self: &Arc<Self>, key: K, resource: &'static str, caller: Caller<'_>) -> Role<K> {
        let load = caller.load(resource);
        let mut table = self.table.lock();
        let replaced = table.flying.get(&key);
        if let (Some(replaced), Some(waiting)) = (replaced, caller.waiting())
            && replaced.is_led_around(waiting)
        {
            return Role::Circle;
        }
        Role::Leader(self.begin(&mut table, key, load, false))
    }

    /// Starts the flight of this key for a load that began at `began`, unless there is one.
    pub(crate) fn lead(self: &Arc<Self>, key: K, began: Moment, load: &Arc<Load>) -> Option<Leader<K>> {
        self.start(key, began, || Arc::clone(load)).ok()
    }

    /// Starts the flight of this key, or finds the one that there is.
    fn start(
        self: &Arc<Self>,
        key: K,
        began: Moment,
        load: impl FnOnce() -> Arc<Load>,
    ) -> Result<Leader<K>, Arc<Flight<K>>> {
        let mut table = self.table.lock();
        if let Some(flight) = table.flying.get(&key) {
            return Err(Arc::clone(flight));
        }
        let follows = *table.landed(&key) > began.0;
        Ok(self.begin(&mut table, key, load(), follows))
    }

    /// Starts the flight of this key, in the place of any other.
    fn begin(self: &Arc<Self>, table: &mut Table<K>, key: K, load: Arc<Load>, follows: bool) -> Leader<K> {
        let flight = Arc::new(Flight::new(key.clone(), self.next(), Arc::clone(&load)));
        table.flying.insert(key, Arc::clone(&flight));
        Leader {
            flights: Arc::clone(self),
            follows,
            flight,
            load,
            takeover: None,
        }
    }

    /// Takes the flights that depend on one of these stamps out of the table: who is aboard stays, nobody joins.
    pub(crate) fn detach(&self, stamps: &[StampKey]) {
        self.table.lock().flying.retain(|key, _| !key.depends_on(stamps));
    }

    /// Takes all flights out of the table.
    pub(crate) fn detach_all(&self) {
        self.table.lock().flying.clear();
    }

    /// How many flights are in the table.
    #[cfg(any(test, feature = "metrics"))]
    pub(crate) fn len(&self) -> usize {
        self.table.lock().flying.len()
    }

    fn remove(&self, flight: &Arc<Flight<K>>) {
        self.remove_if(flight, |_| true);
    }

    /// Takes a flight out of the table, unless somebody leads it beside this load.
    fn remove_without(&self, flight: &Arc<Flight<K>>, load: &Arc<Load>) {
        self.remove_if(flight, |state| match state {
            State::Flying(crew) => crew.leaders.iter().all(|leader| Arc::ptr_eq(leader, load)),
            State::Landed(..) | State::Abandoned => true,
        });
    }

    fn remove_if(&self, flight: &Arc<Flight<K>>, removed: impl FnOnce(&State<K::Value>) -> bool) {
        let mut table = self.table.lock();
        if !table.has(flight) {
            return;
        }
        let state = flight.state();
        if removed(&state) {
            table.flying.remove(&flight.key);
            if let State::Landed(Landing::Value(_), _) = *state {
                *table.landed(&flight.key) = self.next();
            }
        }
    }

    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// One that loads. If the last one of a flight is dropped without [`land`](Self::land), one of the waiters takes over.
#[derive(Debug)]
pub(crate) struct Leader<K: FlightKey> {
    flights: Arc<Flights<K>>,
    flight: Arc<Flight<K>>,
    load: Arc<Load>,
    follows: bool,
    takeover: Option<Takeover>,
}

impl<K: FlightKey> Leader<K> {
    /// The load, which is to be polled inside of [`TendedFuture`](super::load::TendedFuture).
    pub(crate) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Why this one leads, if another one does, too.
    pub(crate) fn takeover(&self) -> Option<&Takeover> {
        self.takeover.as_ref()
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
    pub(crate) fn land(&self, landed: Landing<K::Value>) {
        // With a failure nobody may join any more; with a value, callers whose read came before the fill still may.
        if matches!(landed, Landing::Failed) {
            self.flights.remove(&self.flight);
        }
        self.flight.end(State::Landed(landed, Instant::now()));
    }

    /// Whether an invalidation has overtaken the load: its entry would be dead on arrival, and would overwrite a live one. Or
    /// somebody else has landed and left meanwhile.
    pub(crate) fn is_detached(&self) -> bool {
        !self.flights.table.lock().has(&self.flight)
    }
}

impl<K: FlightKey> Drop for Leader<K> {
    fn drop(&mut self) {
        // Out of the table first: whoever is woken finds no flight, and starts the next one.
        self.flights.remove_without(&self.flight, &self.load);
        self.flight.leave(&self.load);
    }
}
