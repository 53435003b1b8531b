use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What a load may wait for Redis: two reads, a lease, the fill, and the lease again.
const BUDGETS: Duration = Duration::from_millis(50 + 50 + 50 + 100 + 50);

/// How long one waits for a load that is left alone, and for how many of them one after the other: who takes over may be left
/// alone, too.
const STALLED: Duration = Duration::from_millis(100);
const STALLS: u32 = 5;

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// The loads that it may have to wait for: each is one of somebody else, and then one of its own.
    pub(super) loads: u32,
    /// What it may have to wait for beside that.
    pub(super) beside: Duration,
}

impl Bound {
    /// In a service whose slowest load took so long.
    pub(super) fn with(self, slowest: Duration) -> Duration {
        self.loads * (2 * slowest + BUDGETS + STALLS * STALLED) + self.beside
    }
}

/// How long calls took.
#[derive(Debug, Default)]
pub(super) struct Longest {
    micros: AtomicU64,
    /// Of its bound, in millionths.
    share: AtomicU64,
    too_long: AtomicU64,
}

impl Longest {
    /// Notes what a call took. Returns whether it may.
    pub(super) fn note(&self, took: Duration, bound: Duration) -> bool {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_max(micros(took), Ordering::Relaxed);
        let share = micros(took).saturating_mul(1_000_000) / micros(bound).max(1);
        self.share.fetch_max(share, Ordering::Relaxed);
        let within = took <= bound;
        self.too_long.fetch_add(u64::from(!within), Ordering::Relaxed);
        within
    }

    pub(super) fn millis(&self) -> u64 {
        self.micros.load(Ordering::Relaxed) / 1_000
    }

    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    pub(super) fn share(&self) -> f64 {
        self.share.load(Ordering::Relaxed) as f64 / 1e6
    }

    pub(super) fn too_long(&self) -> u64 {
        self.too_long.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_calls_are_known_by_themselves_and_by_their_bounds() {
        let longest = Longest::default();
        let bound = |loads| {
            let beside = Duration::ZERO;
            Bound { loads, beside }.with(Duration::from_millis(100))
        };
        assert!(longest.note(bound(1) / 2, bound(1)));
        assert!(longest.note(bound(3) / 3, bound(3)));
        assert_eq!(Duration::from_millis(longest.millis()), bound(1));
        assert!((longest.share() - 0.5).abs() < 1e-3, "{}", longest.share());
        assert_eq!(longest.too_long(), 0);
        assert!(!longest.note(bound(1) + Duration::from_millis(1), bound(1)));
        assert_eq!(longest.too_long(), 1);
    }
}
