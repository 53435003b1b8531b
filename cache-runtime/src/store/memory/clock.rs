//! Moments to come, of which none is past the end of the clock.

use std::time::Duration;

use tokio::time::Instant;

/// The moment after `lasting`; of a time that the clock cannot express, the furthest that it is sure to.
pub(super) fn moment_after(lasting: Duration) -> Instant {
    /// A little more than 136 years.
    const FURTHEST: Duration = Duration::from_secs(1 << 32);
    let now = Instant::now();
    now.checked_add(lasting).unwrap_or_else(|| now + FURTHEST)
}
