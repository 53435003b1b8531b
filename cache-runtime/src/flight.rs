//! Flights: one load that concurrent callers of the same key share.
//!
//! What waiters get:
//! - the leader's value, when it loads one, as a hit would be given it, or its "nothing", for an `Option`;
//! - nothing, when the leader's load fails: then every waiter runs its own load at once, and returns its own error. They
//!   are not queued behind one another: a database that fails after a timeout would make the last of a hundred waiters wait
//!   a hundred timeouts;
//! - when the leader is cancelled or panics, one of the waiters takes over and the others wait for that one;
//! - when the leader [stalls](load), or after the backstop, one of the waiters loads, too, and all are given what comes first;
//! - a call that was made by the load itself, or by one that waits for it, waits for nothing: see [`Joined::Circle`]. When that
//!   comes about while it [waits already](circles), it waits no longer, or one that is no part of the circle loads, too.
//!
//! Who finds no flight, but began before one of the same key landed, may have read before its fill: it reads once more.
//!
//! A load under stamps may be joined while it lasts: who read the same stamps would be given its entry anyway. A load
//! without stamps, because the store was not reached or had no memory for them, may have been overtaken by an invalidation
//! that this process cannot see. It is joined only by callers that began before it; a later one waits for it to end, so that
//! the database is spared, and shares the next.

pub(crate) mod circles;
pub(crate) mod load;
mod loaded;
mod table;
mod watch;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

pub(crate) use self::{
    circles::{Awaited, Wait, Waits},
    load::{Load, Sightings, Tended},
    loaded::Loaded,
    table::{Caller, Moment, Takeover},
    watch::INTERVAL as WATCH_INTERVAL,
};
use crate::{
    call::Located,
    envelope::Identity,
    identity::Function,
    key::Address,
    recent::KnownCall,
    stamp::{Stamp, Ticket},
};

/// The flights of one cache.
pub(crate) type Flights = table::Flights<FlightKey>;

/// What joining a flight makes of a caller.
pub(crate) type Joined = table::Joined<FlightKey>;

/// The one that loads.
pub(crate) type Leader = table::Leader<FlightKey>;

/// What a flight came to, for those who waited.
pub(crate) type Landed = table::Landed<Arc<Loaded>>;

/// Who waits for whom in this process: a load of one cache may wait for one of another.
pub(crate) static WAITS: LazyLock<Waits> = LazyLock::new(Waits::default);

/// Joins the flight of this key, or starts it: the call of a resource that began at `began`. Waits for others only inside of a tokio runtime, whose tasks see to it that the wait ends.
pub(crate) async fn join(
    flights: &Arc<Flights>,
    key: FlightKey,
    resource: &'static str,
    began: Moment,
    caller: Caller<'_>,
    backstop: Duration,
) -> Joined {
    let joining = table::Joining {
        resource,
        began,
        caller,
        waits: &WAITS,
        watch: |flight: &Arc<_>| watch::ensure(flight, backstop),
    };
    flights.join(key, joining).await
}

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
        function: Function,
        address: Arc<Address>,
        /// Of arguments that canonical JSON does not tell apart.
        fingerprint: [u8; 16],
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

    pub(crate) fn unstamped(function: Function, known: &KnownCall) -> Self {
        Self::Unstamped {
            function,
            address: Arc::clone(&known.address),
            fingerprint: known.fingerprint,
        }
    }
}

impl table::Key for FlightKey {
    type Value = Arc<Loaded>;

    fn is_stamped(&self) -> bool {
        matches!(self, Self::Stamped { .. })
    }

    fn depends_on(&self, stamps: &[String]) -> bool {
        let (Self::Stamped { address, .. } | Self::Unstamped { address, .. }) = self;
        address.stamps().iter().any(|stamp| stamps.contains(stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::Encoded, near::SharedOnly};

    fn key(hash: &str) -> FlightKey {
        let address = Arc::new(Address::new("t", "r", &[], hash));
        let ticket = Ticket::new(Arc::clone(&address), vec![Stamp::from_bits(1)]);
        let identity = Identity {
            fingerprint: [0; 16],
            shape: 0,
        };
        FlightKey::stamped(&Located { address, identity }, &ticket)
    }

    async fn join(flights: &Arc<Flights>, hash: &str) -> Joined {
        super::join(
            flights,
            key(hash),
            "r",
            flights.now(),
            Caller::Outside,
            Duration::from_mins(1),
        )
        .await
    }

    async fn lead(flights: &Arc<Flights>, hash: &str) -> Leader {
        match join(flights, hash).await {
            Joined::Leader(leader) => leader,
            Joined::Waiter(landed) => panic!("expected to lead, waited for {landed:?}"),
            Joined::Circle => panic!("nobody is inside of anything"),
        }
    }

    fn wait(flights: &Arc<Flights>, hash: &str) -> tokio::task::JoinHandle<Joined> {
        let (flights, hash) = (Arc::clone(flights), hash.to_owned());
        tokio::spawn(async move { join(&flights, &hash).await })
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
        leader.land(Landed::Value(Loaded::new::<u8, SharedOnly>(
            &1,
            Encoded::json("1".into()),
        )));
        let Joined::Waiter(Landed::Value(loaded)) = waiter.await.unwrap() else {
            panic!("given something else")
        };
        assert_eq!(loaded.value::<u8, SharedOnly>(), Some(1));
        // The fill is still under way: who comes now is given the same.
        assert!(matches!(join(&flights, "k").await, Joined::Waiter(Landed::Value(_))));
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
        second.land(Landed::Absent(0));
        for waiter in rest {
            assert!(matches!(waiter.await.unwrap(), Joined::Waiter(Landed::Absent(0))));
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
