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
    jitter: Jitter,
}

/// What of a pause is at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jitter {
    /// The longer half.
    Half,
    /// All of it.
    Full,
}

/// Pauses from `shortest` on, up to `longest`.
pub(crate) fn backoff(shortest: Duration, longest: Duration) -> Backoff {
    Backoff {
        shortest,
        longest,
        // The random part comes on top, and is up to as long again.
        pauses: delays(shortest, longest / 2).with_jitter().build(),
        jitter: Jitter::Half,
    }
}

/// Pauses of up to `shortest` at first and up to `longest` at last, each of which may be none: those who lost a server together
/// come back to it spread out as evenly as can be, and the first of them at once.
pub(crate) fn full_jitter(shortest: Duration, longest: Duration) -> Backoff {
    Backoff {
        shortest,
        longest,
        pauses: delays(shortest, longest).build(),
        jitter: Jitter::Full,
    }
}

/// Anything up to this.
pub(crate) fn jittered(longest: Duration) -> Duration {
    longest.mul_f32(fastrand::f32())
}

const fn delays(shortest: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(shortest)
        .with_max_delay(longest)
        .without_max_times()
}

impl Backoff {
    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.pauses.next().unwrap_or(self.longest);
        match self.jitter {
            Jitter::Half => pause,
            Jitter::Full => jittered(pause),
        }
    }

    /// Begins anew, after a success.
    pub(crate) fn reset(&mut self) {
        *self = match self.jitter {
            Jitter::Half => backoff(self.shortest, self.longest),
            Jitter::Full => full_jitter(self.shortest, self.longest),
        };
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

    #[test]
    fn with_full_jitter_a_pause_is_anything_up_to_its_bound() {
        let (shortest, longest) = (Duration::from_millis(50), Duration::from_secs(1));
        let bounds = [50, 100, 200, 400, 800, 1000, 1000].map(Duration::from_millis);
        let runs: Vec<Vec<_>> = (0..200)
            .map(|_| {
                let mut backoff = full_jitter(shortest, longest);
                bounds.iter().map(|_| backoff.pause()).collect()
            })
            .collect();
        for (nth, bound) in bounds.into_iter().enumerate() {
            let pauses = || runs.iter().map(|run| run[nth]);
            assert!(pauses().all(|pause| pause <= bound), "pause {nth} is up to {bound:?}");
            assert!(
                pauses().any(|pause| pause < bound / 2) && pauses().any(|pause| pause > bound / 2),
                "pause {nth} is anywhere up to {bound:?}"
            );
        }
    }
}
