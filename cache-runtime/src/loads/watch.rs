//! The watch over a flight that is waited for: a task of the waiters' own runtime, because those who wait may stall, too.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{
    WAITS,
    flight::{Flight, FlightKey},
    load::Sightings,
};
use crate::task::RuntimeClaim;

/// How often a load that others wait for is looked at. With [`LOOKS`](super::load::LOOKS) of them, whoever waits goes on at
/// most 100 ms after the load could have gone on.
pub(crate) const INTERVAL: Duration = Duration::from_millis(25);

/// Watches a flight on the current runtime, unless that does already. After `backstop`, and again each time it is over, one of
/// those who wait loads, too, whatever those do who load.
pub(crate) fn ensure<K: FlightKey>(flight: &Arc<Flight<K>>, backstop: Duration) {
    if let Ok(runtime) = Handle::try_current()
        && let Some(claim) = flight.watches.claim(&runtime)
    {
        runtime.spawn(watch(claim, Arc::clone(flight), backstop));
    }
}

async fn watch<K: FlightKey>(_claim: RuntimeClaim, flight: Arc<Flight<K>>, backstop: Duration) {
    let mut sightings = Sightings::default();
    let (mut led, mut since) = (flight.led(), Instant::now());
    loop {
        tokio::select! {
            () = flight.ended() => return,
            () = sleep(INTERVAL) => {}
        }
        flight.look(&mut sightings, &WAITS);
        if flight.led() != led {
            (led, since) = (flight.led(), Instant::now());
        } else if since.elapsed() >= backstop {
            flight.is_overdue();
            since = Instant::now();
        }
    }
}
