//! The rest between two walks.

use std::time::Duration;

use tokio::time::Instant;

/// It is never shorter than this.
const SHORTEST: Duration = Duration::from_secs(1);

/// After a walk there is a rest of so many times as long as it took: walks have a fiftieth of the time, and of it the server is at work
/// for them for a part.
const REST: u32 = 50;

/// The rest doubles with each walk in a row that has removed nothing, so often at most.
const DOUBLED: u32 = 4;

/// How far apart walks are.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Walks in a row that have removed nothing.
    in_vain: u32,
    over: Option<Instant>,
}

impl Pace {
    /// A walk is over. Returns how long nobody walks.
    pub(super) fn walked(&mut self, took: Duration, removed: u64) -> Duration {
        self.in_vain = match removed {
            0 => (self.in_vain + 1).min(DOUBLED),
            _ => 0,
        };
        let rest = took
            .saturating_mul(REST)
            .max(SHORTEST)
            .saturating_mul(1 << self.in_vain);
        // The other processes first: they do not know when it is over.
        self.over = Instant::now().checked_add(rest.saturating_add(rest / 4));
        rest
    }

    /// How much is left of the rest.
    pub(super) fn left(&self) -> Duration {
        let now = Instant::now();
        self.over
            .map_or(Duration::ZERO, |over| over.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rest_follows_from_what_a_walk_took() {
        let mut pace = Pace::default();
        assert_eq!(pace.left(), Duration::ZERO);
        assert_eq!(pace.walked(Duration::from_secs(1), 1), Duration::from_secs(50));
        tokio::time::advance(Duration::from_secs(50)).await;
        assert!(!pace.left().is_zero(), "the others first");
        tokio::time::advance(Duration::from_secs(13)).await;
        assert_eq!(pace.left(), Duration::ZERO);
        assert_eq!(pace.walked(Duration::ZERO, 1), SHORTEST);
    }

    #[test]
    fn walks_in_vain_become_rare_until_one_removes_something() {
        let mut pace = Pace::default();
        let rests = [0; 6].map(|removed| pace.walked(Duration::ZERO, removed));
        assert_eq!(rests, [2, 4, 8, 16, 16, 16].map(|times| SHORTEST * times));
        assert_eq!(pace.walked(Duration::ZERO, 1), SHORTEST);
        assert_eq!(pace.walked(Duration::ZERO, 0), SHORTEST * 2);
    }
}
