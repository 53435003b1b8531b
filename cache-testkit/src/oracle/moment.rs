use std::{fmt, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A point in time that every process of one machine reads from the same clock.
///
/// That clock is the system's monotonic one: it is shared by all processes, does not go back on any core, and does not
/// jump when the time of day is set, which `SystemTime` does. `std::time::Instant` reads the same clock and cannot be
/// sent to another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
        // The clock counts from the start of the machine.
        let both = seconds.ok().zip(nanos.ok());
        Self(both.map_or(0, |(seconds, nanos)| seconds * 1_000_000_000 + nanos))
    }

    /// So many nanoseconds after the clock's beginning: for histories made by hand.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// How long after `earlier` this is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Seconds, with microseconds.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
    }
}
