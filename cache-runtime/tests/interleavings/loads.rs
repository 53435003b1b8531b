//! As the runtime has them.

#[path = "../../src/loads/circles.rs"]
pub(crate) mod circles;
#[path = "../../src/loads/flight.rs"]
pub(crate) mod flight;
#[path = "../../src/loads/flights.rs"]
pub(crate) mod flights;
#[path = "../../src/loads/load.rs"]
pub(crate) mod load;
#[path = "../../src/loads/limiter/queue.rs"]
pub(crate) mod queue;

pub(crate) use self::{
    circles::Waits,
    flight::{Caller, Flight, Landing},
    flights::{FlightKey, Flights, JoinRequest, Leader, Moment, Role},
    load::{Awaited, LOOKS, Load, Sightings, TendedFuture},
};
