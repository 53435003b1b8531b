//! Durations as Redis takes them.

use std::time::Duration;

/// The milliseconds of a `PX`. At least one: Redis refuses `PX 0`.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, i64::MAX as u64 / 2)
}
