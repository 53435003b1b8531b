//! The flights of `#[cached]` calls: what they are found by, and how a call comes to one.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use tracing::Span;

use super::{
    WAITS,
    flight::{Caller, Flight},
    flights::{self, FlightKey, Moment},
    load::Awaited as _,
    value::LoadedValue,
    watch,
};
use crate::{
    entry::{Function, Identity, Stamp, Ticket},
    key::{Address, StampKey},
};

/// The flights of one cache.
pub(crate) type Flights = flights::Flights<LoadKey>;

/// What joining a flight makes of a caller.
pub(crate) type Role = flights::Role<LoadKey>;

/// The one that loads.
pub(crate) type Leader = flights::Leader<LoadKey>;

/// What a flight came to, for those who waited.
pub(crate) type Landing = super::flight::Landing<Arc<LoadedValue>>;

/// Joins the flight of this key, or starts it: the call of a resource that began at `began`. Waits for others only inside of a tokio
/// runtime, whose tasks see to it that the wait ends.
pub(crate) fn join(
    flights: &Arc<Flights>,
    key: LoadKey,
    resource: &'static str,
    began: Moment,
    caller: Caller<'_>,
    backstop: Duration,
) -> impl Future<Output = Role> {
    let joining = flights::JoinRequest {
        resource,
        began,
        caller,
        waits: &WAITS,
        watch: move |flight: &Arc<Flight<LoadKey>>| {
            watch::ensure(flight, backstop);
            // Most programs have no subscriber that would hear of it.
            if !Span::current().is_disabled() {
                flight.loads().iter().for_each(|load| load.is_waited_for());
            }
        },
    };
    flights.join(key, joining)
}

/// What a flight is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoadKey {
    /// By entry *and* stamps, epochs of tags included: after an invalidation the stamps are others, so a caller that started after it never joins a
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

impl LoadKey {
    pub(crate) fn stamped(identity: Identity, ticket: &Ticket) -> Self {
        Self::Stamped {
            address: Arc::clone(ticket.address()),
            identity,
            stamps: [ticket.stamps(), ticket.epochs()].concat(),
        }
    }

    pub(crate) fn unstamped(function: Function, address: &Arc<Address>, fingerprint: [u8; 16]) -> Self {
        Self::Unstamped {
            function,
            address: Arc::clone(address),
            fingerprint,
        }
    }
}

/// The fingerprint is of the address and of the arguments, so that it tells keys apart as well as all of them together.
impl Hash for LoadKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Stamped { identity, stamps, .. } => {
                identity.fingerprint.hash(state);
                stamps.first().hash(state);
            }
            Self::Unstamped { fingerprint, .. } => fingerprint.hash(state),
        }
    }
}

impl FlightKey for LoadKey {
    type Value = Arc<LoadedValue>;

    fn is_stamped(&self) -> bool {
        matches!(self, Self::Stamped { .. })
    }

    fn depends_on(&self, stamps: &[StampKey]) -> bool {
        let (Self::Stamped { address, .. } | Self::Unstamped { address, .. }) = self;
        stamps.iter().any(|stamp| address.may_depend_on(stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{entry::EncodedValue, near::SharedOnly};

    fn stamp(key: &str) -> StampKey {
        StampKey::new(key.to_owned())
    }

    fn key(hash: &str) -> LoadKey {
        let address = Arc::new(Address::new("t", "r", &[], hash));
        let ticket = Ticket::new(Arc::clone(&address), vec![Stamp::from_bits(1)]);
        let identity = Identity {
            fingerprint: [0; 16],
            shape: 0,
        };
        LoadKey::stamped(identity, &ticket)
    }

    async fn join(flights: &Arc<Flights>, hash: &str) -> Role {
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
            Role::Leader(leader) => leader,
            Role::Waiter(landed) => panic!("expected to lead, waited for {landed:?}"),
            Role::Circle => panic!("nobody is inside of anything"),
        }
    }

    fn wait(flights: &Arc<Flights>, hash: &str) -> tokio::task::JoinHandle<Role> {
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
        leader.land(Landing::Value(LoadedValue::new::<u8, SharedOnly>(
            &1,
            EncodedValue::json("1".into()),
        )));
        let Role::Waiter(Landing::Value(loaded)) = waiter.await.unwrap() else {
            panic!("given something else")
        };
        assert_eq!(loaded.value::<u8, SharedOnly>(), Some(1));
        // The fill is still under way: who comes now is given the same.
        assert!(matches!(join(&flights, "k").await, Role::Waiter(Landing::Value(_))));
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
        let Ok(Role::Leader(second)) = second else {
            panic!("nobody took over")
        };
        second.land(Landing::Absent(0));
        for waiter in rest {
            assert!(matches!(waiter.await.unwrap(), Role::Waiter(Landing::Absent(0))));
        }
    }

    #[tokio::test]
    async fn after_a_failure_every_waiter_is_on_its_own_and_nobody_joins() {
        let flights = Arc::new(Flights::default());
        let leader = lead(&flights, "k").await;
        let waiter = wait(&flights, "k");
        until_somebody_waits(&leader).await;
        leader.land(Landing::Failed);
        assert!(matches!(waiter.await.unwrap(), Role::Waiter(Landing::Failed)));
        let _next = lead(&flights, "k").await;
    }

    #[tokio::test]
    async fn nobody_joins_a_detached_flight_and_its_end_does_not_touch_the_next_one() {
        let flights = Arc::new(Flights::default());
        let old = lead(&flights, "k").await;
        flights.detach(&[stamp("cachestamp:t:r")]);
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
        flights.detach(&[stamp("cachestamp:t:other")]);
        assert_eq!(flights.len(), 1);
    }
}
