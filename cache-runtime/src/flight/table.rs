//! The flights under way, whatever they are found by.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{BuildHasher as _, Hash},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    circles::{Awaited, Waits},
    load::{Load, Sightings},
};
use crate::sync::{
    Arc, Mutex, MutexGuard, Notify, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// What a flight is found by.
pub(crate) trait Key: Clone + Eq + Hash {
    /// What a load comes to.
    type Value: Clone + Debug + Send + 'static;

    /// Whether the load is under stamps, so that it may be joined while it lasts.
    fn is_stamped(&self) -> bool;

    /// Whether an invalidation of these stamps concerns the load.
    fn depends_on(&self, stamps: &[String]) -> bool;
}

/// What a flight came to, for those who waited.
#[derive(Debug, Clone)]
pub(crate) enum Landed<V> {
    Value(V),
    /// The load succeeded and there is nothing: the `None` of an `Option`, at this depth of nested ones.
    Absent(u8),
    /// The load failed, its value could not be encoded, or it cannot be waited for: each caller is on its own.
    Failed,
}

#[derive(Debug)]
enum State<V> {
    Flying(Crew),
    Landed(Landed<V>, Instant),
    /// Every leader was cancelled or has panicked.
    Abandoned,
}

/// Who loads in a flight.
#[derive(Debug)]
struct Crew {
    /// Usually one. The first that lands ends the flight.
    leaders: Vec<Arc<Load>>,
    /// How many there have been.
    led: usize,
    /// Whether one of those who wait is to load, too, and why.
    vacancy: Option<Takeover>,
}

/// Why a caller loads although somebody else does.
#[derive(Debug, Clone)]
pub(crate) enum Takeover {
    /// These loads could go on, and nobody polls them.
    Stalled(Vec<Arc<Load>>),
    /// All who load wait for one another, or have stalled.
    Circle,
    /// The flight has lasted for so long that whoever loads may be waiting for one of its own waiters.
    Overdue,
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

/// For how long a flight that has landed is joined by callers whose read came before its fill. A fill takes less, unless the
/// leader stalls in it.
const LINGERING: Duration = Duration::from_secs(1);

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
pub(crate) struct Flight<V> {
    number: u64,
    waiters: AtomicUsize,
    state: Mutex<State<V>>,
    changed: Notify,
    /// The runtimes that [watch](super::watch) it.
    watching: Mutex<Vec<tokio::runtime::Id>>,
}

impl<V: Clone> Flight<V> {
    fn new(number: u64, leader: Arc<Load>) -> Self {
        Self {
            number,
            waiters: AtomicUsize::new(0),
            state: Mutex::new(State::Flying(Crew {
                leaders: vec![leader],
                led: 1,
                vacancy: None,
            })),
            changed: Notify::new(),
            watching: Mutex::default(),
        }
    }

    /// The right to wait; `None` if as many wait as may.
    fn seat(&self, most: Option<usize>) -> Option<Seat<'_>> {
        let taken = self
            .waiters
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiters| {
                (most.is_none_or(|most| waiters < most)).then_some(waiters + 1)
            });
        taken.ok().map(|_| Seat(&self.waiters))
    }

    /// Waits for the end, or for a vacancy, which it takes; unless the flight is held up by the one that waits. What that one
    /// would bring may be a part of what the others wait for.
    async fn wait(&self, resource: &'static str, caller: Caller<'_>, waits: &Waits) -> Waited<V> {
        let (mut has_waited, mut is_outside) = (false, false);
        loop {
            // Made before the look at the state, so that a change in between is not missed.
            let changed = self.changed.notified();
            let circle = match &mut *self.state() {
                State::Flying(crew) => match (&crew.vacancy, caller.waiting()) {
                    (None, _) => None,
                    (Some(_), Some(waiting)) if crew.leaders.iter().any(|leader| waiting.is_within(leader)) => {
                        return Waited::Circle;
                    }
                    (Some(Takeover::Circle), Some(waiting)) if !is_outside => Some((waiting, crew.leaders.clone())),
                    (Some(takeover), _) => {
                        let (load, takeover) = (caller.load(resource), takeover.clone());
                        crew.vacancy = None;
                        crew.leaders.push(Arc::clone(&load));
                        crew.led += 1;
                        return Waited::Vacancy(load, takeover);
                    }
                },
                State::Landed(_, at) if !has_waited && at.elapsed() > LINGERING => return Waited::Over,
                State::Landed(landed, _) => return Waited::Landed(landed.clone()),
                State::Abandoned => return Waited::Over,
            };
            if let Some((waiting, leaders)) = circle {
                // Not under the lock of the state, which this looks at.
                if waits.depend_on(&leaders, waiting) {
                    self.circle_is_open();
                    return Waited::Circle;
                }
                is_outside = true;
                continue;
            }
            changed.await;
            (has_waited, is_outside) = (true, false);
        }
    }

    /// One that was part of the circle is let go, so nobody else is wanted to load.
    fn circle_is_open(&self) {
        if let State::Flying(crew) = &mut *self.state()
            && let Some(Takeover::Circle) = crew.vacancy
        {
            crew.vacancy = None;
        }
    }

    /// Waits until the flight is over, however.
    pub(crate) async fn ended(&self) {
        loop {
            let changed = self.changed.notified();
            if !matches!(*self.state(), State::Flying(_)) {
                return;
            }
            changed.await;
        }
    }

    /// Lets one of those who wait load, too, if no load under way can end by itself.
    pub(crate) fn look(&self, sightings: &mut Sightings, waits: &Waits) {
        let (leaders, led) = match &*self.state() {
            State::Flying(crew) => (crew.leaders.clone(), crew.led),
            State::Landed(..) | State::Abandoned => return,
        };
        let stalled = sightings.look(&leaders);
        let takeover = if stalled.len() == leaders.len() {
            Takeover::Stalled(stalled)
        } else if waits.are_held_up(&leaders) {
            Takeover::Circle
        } else {
            return;
        };
        let mut state = self.state();
        // Unless somebody has come to lead it meanwhile.
        if let State::Flying(crew) = &mut *state
            && crew.led == led
            && crew.vacancy.is_none()
        {
            crew.vacancy = Some(takeover);
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// Lets one of those who wait load, too.
    pub(crate) fn is_overdue(&self) {
        if let State::Flying(crew) = &mut *self.state() {
            crew.vacancy.get_or_insert(Takeover::Overdue);
        }
        self.changed.notify_waiters();
    }

    /// How many have led it so far; `None` if it is over.
    pub(crate) fn led(&self) -> Option<usize> {
        match &*self.state() {
            State::Flying(crew) => Some(crew.led),
            State::Landed(..) | State::Abandoned => None,
        }
    }

    /// Notes that this runtime watches the flight. Returns whether it did not yet.
    pub(crate) fn watched_by(&self, runtime: tokio::runtime::Id) -> bool {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !watching.contains(&runtime);
        if is_new {
            watching.push(runtime);
        }
        is_new
    }

    /// The first end counts.
    fn end(&self, end: State<V>) {
        let mut state = self.state();
        if matches!(*state, State::Flying(_)) {
            *state = end;
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// A leader goes away.
    fn leave(&self, load: &Arc<Load>) {
        let mut state = self.state();
        if let State::Flying(crew) = &mut *state {
            crew.leaders.retain(|leader| !Arc::ptr_eq(leader, load));
            if crew.leaders.is_empty() {
                *state = State::Abandoned;
                drop(state);
                self.changed.notify_waiters();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Debug + Send> Awaited for Flight<V> {
    fn loads(&self) -> Vec<Arc<Load>> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Flying(crew) if crew.vacancy.is_none() => crew.leaders.clone(),
            State::Flying(_) | State::Landed(..) | State::Abandoned => Vec::new(),
        }
    }
}

/// What waiting for a flight came to.
enum Waited<V> {
    Landed(Landed<V>),
    /// The caller leads, too.
    Vacancy(Arc<Load>, Takeover),
    /// The caller is part of what holds the flight up.
    Circle,
    /// Nobody loads any more, or what was loaded is not to be given to anybody any more.
    Over,
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
    /// One that would have waited for itself: the call was made by the load, or by one that waits for it.
    Circle,
}

/// What a call that joins a flight is part of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller<'a> {
    /// Of no load.
    Outside,
    /// It is made by the body of this load.
    Inside(&'a Arc<Load>),
    /// It is this load already, which is polled. So it is this one that is to lead: nobody would see another one stall.
    Load(&'a Arc<Load>),
}

impl<'a> Caller<'a> {
    /// The load that waits while the call does.
    fn waiting(self) -> Option<&'a Arc<Load>> {
        match self {
            Self::Outside => None,
            Self::Inside(load) | Self::Load(load) => Some(load),
        }
    }

    /// What the call is to load as.
    fn load(self, resource: &'static str) -> Arc<Load> {
        match self {
            Self::Outside => Load::new(resource, None),
            Self::Inside(outer) => Load::new(resource, Some(Arc::clone(outer))),
            Self::Load(load) => Arc::clone(load),
        }
    }
}

/// Who joins a flight.
pub(crate) struct Joining<'a, W> {
    pub(crate) resource: &'static str,
    /// When the call began.
    pub(crate) began: Moment,
    pub(crate) caller: Caller<'a>,
    pub(crate) waits: &'a Waits,
    /// Called with the flight before it is waited for.
    pub(crate) watch: W,
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

    /// Joins the flight of this key, or starts it. Waits until it has landed, or until the caller is wanted as a leader.
    pub(crate) async fn join<W>(self: &Arc<Self>, key: K, joining: Joining<'_, W>) -> Joined<K>
    where
        W: Fn(&Arc<Flight<K::Value>>),
    {
        let Joining {
            resource,
            began,
            caller,
            waits,
            watch,
        } = joining;
        loop {
            let flight = {
                let mut table = self.table();
                if let Some(flight) = table.flying.get(&key) {
                    Arc::clone(flight)
                } else {
                    let load = caller.load(resource);
                    let flight = Arc::new(Flight::new(self.next(), Arc::clone(&load)));
                    table.flying.insert(key.clone(), Arc::clone(&flight));
                    return Joined::Leader(Leader {
                        flights: Arc::clone(self),
                        follows: *table.landed(&key) > began.0,
                        key,
                        flight,
                        load,
                        takeover: None,
                    });
                }
            };
            let Some(_seat) = flight.seat(self.max_waiters) else {
                return Joined::Waiter(Landed::Failed);
            };
            let wait = caller
                .waiting()
                .map(|load| waits.begin(load, Arc::clone(&flight) as Arc<dyn Awaited>));
            if let Some(None) = wait {
                return Joined::Circle;
            }
            watch(&flight);
            let may_share = key.is_stamped() || flight.number > began.0;
            match flight.wait(resource, caller, waits).await {
                Waited::Vacancy(load, takeover) => {
                    return Joined::Leader(Leader {
                        flights: Arc::clone(self),
                        follows: false,
                        key,
                        flight: Arc::clone(&flight),
                        load,
                        takeover: Some(takeover),
                    });
                }
                Waited::Circle => return Joined::Circle,
                Waited::Landed(landed) if may_share => return Joined::Waiter(landed),
                // The leader may not have left yet; nobody needs this flight any more.
                Waited::Landed(_) | Waited::Over => self.remove(&key, &flight),
            }
        }
    }

    /// Takes the flights that depend on one of these stamps out of the table: who is aboard stays, nobody joins.
    pub(crate) fn detach(&self, stamps: &[String]) {
        self.table().flying.retain(|key, _| !key.depends_on(stamps));
    }

    /// Takes all flights out of the table.
    pub(crate) fn detach_all(&self) {
        self.table().flying.clear();
    }

    /// How many flights are in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().flying.len()
    }

    fn remove(&self, key: &K, flight: &Arc<Flight<K::Value>>) {
        self.remove_if(key, flight, |_| true);
    }

    /// Takes a flight out of the table, unless somebody leads it beside this load.
    fn remove_without(&self, key: &K, flight: &Arc<Flight<K::Value>>, load: &Arc<Load>) {
        self.remove_if(key, flight, |state| match state {
            State::Flying(crew) => crew.leaders.iter().all(|leader| Arc::ptr_eq(leader, load)),
            State::Landed(..) | State::Abandoned => true,
        });
    }

    fn remove_if(&self, key: &K, flight: &Arc<Flight<K::Value>>, removed: impl FnOnce(&State<K::Value>) -> bool) {
        let mut table = self.table();
        let current = table.flying.get(key);
        if !current.is_some_and(|current| Arc::ptr_eq(current, flight)) {
            return;
        }
        let state = flight.state();
        if removed(&state) {
            table.flying.remove(key);
            if let State::Landed(Landed::Value(_), _) = *state {
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

/// One that loads. If the last one of a flight is dropped without [`land`](Self::land), one of the waiters takes over.
#[derive(Debug)]
pub(crate) struct Leader<K: Key> {
    flights: Arc<Flights<K>>,
    key: K,
    flight: Arc<Flight<K::Value>>,
    load: Arc<Load>,
    follows: bool,
    takeover: Option<Takeover>,
}

impl<K: Key> Leader<K> {
    /// The load, which is to be polled inside of [`Tended`](super::load::Tended).
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
    pub(crate) fn land(&self, landed: Landed<K::Value>) {
        // With a failure nobody may join any more; with a value, callers whose read came before the fill still may.
        if matches!(landed, Landed::Failed) {
            self.flights.remove(&self.key, &self.flight);
        }
        self.flight.end(State::Landed(landed, Instant::now()));
    }

    /// Whether an invalidation has overtaken the load: its entry would be dead on arrival, and would overwrite a live one. Or
    /// somebody else has landed and left meanwhile.
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
        // Out of the table first: whoever is woken finds no flight, and starts the next one.
        self.flights.remove_without(&self.key, &self.flight, &self.load);
        self.flight.leave(&self.load);
    }
}
