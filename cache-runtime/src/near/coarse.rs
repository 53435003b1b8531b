//! The kernel's coarse clock, for values that a thread has at hand: to read it takes a quarter of what the precise one takes.
//!
//! It moves with the kernel's ticks, whatever this process does, and lags behind the precise one by what has passed since the last of
//! them. So a value is given up [so much](MOST_LAG) early, and the table that all threads share, which goes by the precise clock,
//! says whether its time is over.

use std::time::Duration;

use tokio::runtime::Builder;

use self::clock::Clock;

/// What the system has.
#[cfg(any(
    target_os = "android",
    target_os = "linux",
    target_os = "macos",
    target_os = "windows"
))]
mod clock {
    pub(super) type Clock = coarsetime::Instant;

    #[inline]
    pub(super) fn read() -> Clock {
        // The other function writes what all threads look at.
        Clock::now_without_cache_update()
    }
}

/// The precise clock, where no coarse one is known.
#[cfg(not(any(
    target_os = "android",
    target_os = "linux",
    target_os = "macos",
    target_os = "windows"
)))]
mod clock {
    pub(super) type Clock = std::time::Instant;

    #[inline]
    pub(super) fn read() -> Clock {
        Clock::now()
    }
}

/// By so much the clock lags behind at most: five ticks of a hundredth of a second, after which Linux has another core move it if the one
/// whose turn it is does not. The other systems' lag by a sixtieth of a second.
pub(crate) const MOST_LAG: Duration = Duration::from_millis(50);

/// What is further away is looked at again after so long.
const FURTHEST: Duration = Duration::from_hours(1);

/// A moment by the coarse clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoarseInstant(Clock);

impl CoarseInstant {
    #[inline]
    pub(crate) fn now() -> Self {
        Self(clock::read())
    }

    /// Where the clock stands, at the latest, when so much of the precise time has passed after this moment.
    pub(crate) fn after(self, time: Duration) -> Self {
        let time = time.saturating_sub(MOST_LAG).min(FURTHEST);
        Self(self.0 + time.into())
    }
}

/// Whether tests may stop tokio's clock, and set it forward, of which no other clock knows. Nothing tells but that its runtimes have this
/// method then, which goes before that of a trait.
#[inline]
pub(crate) fn tests_may_stop_the_clock() -> bool {
    returns_what_stops(Builder::start_paused)
}

struct NoSuchMethod;

#[allow(dead_code, reason = "nobody needs it if the runtime has such a method")]
trait WithoutTestUtil {
    fn start_paused(&mut self, _stopped: bool) -> NoSuchMethod {
        NoSuchMethod
    }
}

impl WithoutTestUtil for Builder {}

trait Stops {
    const STOPS: bool;
}

impl Stops for NoSuchMethod {
    const STOPS: bool = false;
}

impl Stops for &mut Builder {
    const STOPS: bool = true;
}

#[inline]
fn returns_what_stops<'b, S: Stops>(_: impl FnOnce(&'b mut Builder, bool) -> S) -> bool {
    S::STOPS
}
