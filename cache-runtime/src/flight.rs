//! Flights: one load that concurrent callers of the same key share.
//!
//! What waiters get:
//! - the leader's value, when it loads one, or its "nothing", for an `Option`;
//! - nothing, when the leader's load fails: then every waiter runs its own load at once, and returns its own error. They
//!   are not queued behind one another: a database that fails after a timeout would make the last of a hundred waiters wait
//!   a hundred timeouts;
//! - when the leader is cancelled or panics, one of the waiters takes over and the others wait for that one.
//!
//! A load under stamps may be joined while it lasts: who read the same stamps would be given its entry anyway. A load
//! without stamps, because the store was not reached or had no memory for them, may have been overtaken by an invalidation
//! that this process cannot see. It is joined only by callers that began before it; a later one waits for it to end, so that
//! the database is spared, and shares the next.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{
    call::{Arguments, Located},
    envelope::Identity,
    key::Address,
    stamp::{Stamp, Ticket},
};

/// What a flight is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum FlightKey {
    /// By entry *and* stamps: after an invalidation the stamps are others, so a caller that started after it never joins a
    /// load that started before it.
    Stamped {
        address: Arc<Address>,
        identity: Identity,
        stamps: Vec<Stamp>,
    },
    /// By the call alone, for loads without a ticket.
    Unstamped {
        function: &'static str,
        resource: &'static str,
        arguments: Arguments,
    },
}

impl FlightKey {
    pub(crate) fn stamped(located: &Located, ticket: &Ticket) -> Self {
        Self::Stamped {
            address: Arc::clone(&located.address),
            identity: located.identity,
            stamps: ticket.stamps().to_vec(),
        }
    }

    pub(crate) fn unstamped(function: &'static str, resource: &'static str, arguments: &Arguments) -> Self {
        Self::Unstamped {
            function,
            resource,
            arguments: arguments.clone(),
        }
    }

    fn depends_on(&self, stamps: &[String]) -> bool {
        let any_of = |address: &Address| address.stamps().iter().any(|stamp| stamps.contains(stamp));
        match self {
            Self::Stamped { address, .. } => any_of(address),
            Self::Unstamped {
                resource,
                arguments: Arguments { tenant, scopes, .. },
                ..
            } => any_of(&Address::from_escaped(tenant, resource, scopes, "")),
        }
    }
}

/// What a flight came to, for those who waited.
#[derive(Debug, Clone)]
pub(crate) enum Landed {
    /// The encoded value.
    Value(Bytes),
    /// The load succeeded and there is nothing: `None` of an `Option`.
    Absent,
    /// The load failed, or its value could not be encoded: each waiter is on its own.
    Failed,
}

#[derive(Debug)]
enum State {
    Flying,
    Landed(Landed),
    /// The leader was cancelled or panicked.
    Abandoned,
}

/// The flights of one cache.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    table: Mutex<Table>,
    /// The number of the last flight.
    last: AtomicU64,
}

type Table = HashMap<FlightKey, Arc<Flight>>;

/// One load, as its leader and its waiters share it.
#[derive(Debug)]
struct Flight {
    number: u64,
    waiters: AtomicUsize,
    state: Mutex<State>,
    ended: Notify,
}

impl Flight {
    fn new(number: u64) -> Self {
        Self {
            number,
            waiters: AtomicUsize::new(0),
            state: Mutex::new(State::Flying),
            ended: Notify::new(),
        }
    }

    /// Waits for the end; `None` if the leader was cancelled or panicked.
    async fn wait(&self) -> Option<Landed> {
        self.waiters.fetch_add(1, Ordering::SeqCst);
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
    fn end(&self, end: State) {
        let mut state = self.state();
        if matches!(*state, State::Flying) {
            *state = end;
            drop(state);
            self.ended.notify_waiters();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A point in the order of flights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(u64);

/// What joining a flight makes of a caller.
pub(crate) enum Joined {
    /// The one that loads.
    Leader(Leader),
    /// One that waited, and what for.
    Waiter(Landed),
}

impl Flights {
    /// To be taken when a call begins.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.last.load(Ordering::SeqCst))
    }

    /// Joins the flight of this key, or starts it. Waits until it has landed. `began` is when the call did.
    pub(crate) async fn join(self: &Arc<Self>, key: FlightKey, began: Moment) -> Joined {
        loop {
            let flight = {
                let mut table = self.table();
                if let Some(flight) = table.get(&key) {
                    Arc::clone(flight)
                } else {
                    let flight = Arc::new(Flight::new(self.last.fetch_add(1, Ordering::SeqCst) + 1));
                    table.insert(key.clone(), Arc::clone(&flight));
                    return Joined::Leader(Leader {
                        flights: Arc::clone(self),
                        key,
                        flight,
                    });
                }
            };
            let may_share = matches!(key, FlightKey::Stamped { .. }) || flight.number > began.0;
            match flight.wait().await {
                Some(landed) if may_share => return Joined::Waiter(landed),
                // The leader may not have left yet; nobody needs this flight any more.
                Some(_) | None => self.remove(&key, &flight),
            }
        }
    }

    /// Takes the flights that depend on one of these stamps out of the table: who is aboard stays, nobody joins.
    pub(crate) fn detach(&self, stamps: &[String]) {
        self.table().retain(|key, _| !key.depends_on(stamps));
    }

    /// How many flights are in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table().len()
    }

    fn remove(&self, key: &FlightKey, flight: &Arc<Flight>) {
        let mut table = self.table();
        if table.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            table.remove(key);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that loads. Dropped without [`land`](Self::land), one of the waiters takes over.
#[derive(Debug)]
pub(crate) struct Leader {
    flights: Arc<Flights>,
    key: FlightKey,
    flight: Arc<Flight>,
}

impl Leader {
    /// Whether anybody has waited so far.
    pub(crate) fn has_waiters(&self) -> bool {
        self.flight.waiters.load(Ordering::SeqCst) > 0
    }

    /// Tells the waiters. Until the leader is dropped, callers that still find the flight are given the same; drop it when
    /// the fill is done.
    pub(crate) fn land(&self, landed: Landed) {
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
            .get(&self.key)
            .is_some_and(|current| Arc::ptr_eq(current, &self.flight))
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.flights.remove(&self.key, &self.flight);
        self.flight.end(State::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hash: &str) -> FlightKey {
        let address = Arc::new(Address::new("t", "r", &[], hash));
        let ticket = Ticket::new(Arc::clone(&address), vec![Stamp::from_bits(1)]);
        let identity = Identity {
            fingerprint: [0; 16],
            shape: 0,
        };
        FlightKey::stamped(&Located { address, identity }, &ticket)
    }

    async fn lead(flights: &Arc<Flights>, hash: &str) -> Leader {
        match flights.join(key(hash), flights.now()).await {
            Joined::Leader(leader) => leader,
            Joined::Waiter(landed) => panic!("expected to lead, waited for {landed:?}"),
        }
    }

    fn wait(flights: &Arc<Flights>, hash: &str) -> tokio::task::JoinHandle<Joined> {
        let (flights, key) = (Arc::clone(flights), key(hash));
        tokio::spawn(async move { flights.join(key, flights.now()).await })
    }

    async fn until_somebody_waits(leader: &Leader) {
        while !leader.has_waiters() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn waiters_are_given_what_the_leader_loaded() {
        let flights = Arc::new(Flights::default());
        let leader = lead(&flights, "k").await;
        let waiter = wait(&flights, "k");
        until_somebody_waits(&leader).await;
        leader.land(Landed::Value("v".into()));
        assert!(matches!(waiter.await.unwrap(), Joined::Waiter(Landed::Value(value)) if value == "v"));
        // The fill is still under way: who comes now is given the same.
        assert!(matches!(
            flights.join(key("k"), flights.now()).await,
            Joined::Waiter(Landed::Value(_))
        ));
        drop(leader);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn one_waiter_takes_over_from_a_cancelled_leader_and_the_others_wait_for_it() {
        let flights = Arc::new(Flights::default());
        let first = lead(&flights, "k").await;
        let mut waiters: Vec<_> = (0..3).map(|_| wait(&flights, "k")).collect();
        until_somebody_waits(&first).await;
        drop(first);
        let (second, _, rest) = futures_util::future::select_all(waiters.drain(..)).await;
        let Ok(Joined::Leader(second)) = second else {
            panic!("nobody took over")
        };
        second.land(Landed::Absent);
        for waiter in rest {
            assert!(matches!(waiter.await.unwrap(), Joined::Waiter(Landed::Absent)));
        }
    }

    #[tokio::test]
    async fn after_a_failure_every_waiter_is_on_its_own_and_nobody_joins() {
        let flights = Arc::new(Flights::default());
        let leader = lead(&flights, "k").await;
        let waiter = wait(&flights, "k");
        until_somebody_waits(&leader).await;
        leader.land(Landed::Failed);
        assert!(matches!(waiter.await.unwrap(), Joined::Waiter(Landed::Failed)));
        let _next = lead(&flights, "k").await;
    }

    #[tokio::test]
    async fn nobody_joins_a_detached_flight_and_its_end_does_not_touch_the_next_one() {
        let flights = Arc::new(Flights::default());
        let old = lead(&flights, "k").await;
        flights.detach(&["cachestamp:t:r".to_owned()]);
        let new = lead(&flights, "k").await;
        drop(old);
        assert_eq!(flights.len(), 1, "the new flight is still in the table");
        drop(new);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn flights_of_other_keys_are_not_detached() {
        let flights = Arc::new(Flights::default());
        let _leader = lead(&flights, "k").await;
        flights.detach(&["cachestamp:t:other".to_owned()]);
        assert_eq!(flights.len(), 1);
    }
}
