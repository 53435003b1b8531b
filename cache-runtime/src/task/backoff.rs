//! The pauses between attempts: each about twice as long as the one before, and at random, so that those who failed together
//! do not come again together.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Pauses without an end.
#[derive(Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    pauses: ExponentialBackoff,
}

/// Pauses from `shortest` on, up to `longest`.
pub(crate) fn backoff(shortest: Duration, longest: Duration) -> Backoff {
    Backoff {
        shortest,
        longest,
        // The random part comes on top, and is up to as long again.
        pauses: ExponentialBuilder::new()
            .with_min_delay(shortest)
            .with_max_delay(longest / 2)
            .with_jitter()
            .without_max_times()
            .build(),
    }
}

impl Backoff {
    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        self.pauses.next().unwrap_or(self.longest)
    }

    /// Begins anew, after a success.
    pub(crate) fn reset(&mut self) {
        *self = backoff(self.shortest, self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_begin_anew_after_a_success() {
        let (shortest, longest) = (Duration::from_millis(4), Duration::from_millis(50));
        let mut backoff = backoff(shortest, longest);
        for _ in 0..2 {
            let first = backoff.pause();
            assert!((shortest..shortest * 2).contains(&first), "{first:?}");
            let later: Vec<_> = (0..100).map(|_| backoff.pause()).skip(10).collect();
            assert!(
                later.iter().all(|pause| (longest / 2..longest).contains(pause)),
                "{later:?}"
            );
            backoff.reset();
        }
    }
}
