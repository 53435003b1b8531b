//! The pauses between attempts: exponential, with full jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Pauses of up to 50 ms, 100 ms, 200 ms and so on, at last of up to a second, without an end.
///
/// Full jitter: each is anything from nothing up to that, so that processes that lost a server together do not come back to it
/// together. (`backon`'s own jitter adds to a delay, and never shortens one.)
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    /// From the shortest pause on.
    pub(crate) fn new() -> Self {
        let longest = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .without_max_times();
        Self(longest.build())
    }

    /// How long to wait before the next attempt.
    pub(crate) fn next_pause(&mut self) -> Duration {
        jittered(self.0.next().unwrap_or_default())
    }

    /// Waits before the next attempt.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }
}

/// Anything up to `longest`.
pub(crate) fn jittered(longest: Duration) -> Duration {
    longest.mul_f32(fastrand::f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second_and_each_may_be_any_part_of_it() {
        let longest = [50, 100, 200, 400, 800, 1000, 1000].map(Duration::from_millis);
        let runs: Vec<Vec<Duration>> = (0..200)
            .map(|_| {
                let mut backoff = Backoff::new();
                longest.iter().map(|_| backoff.next_pause()).collect()
            })
            .collect();
        for (nth, longest) in longest.into_iter().enumerate() {
            let pauses = || runs.iter().map(|run| run[nth]);
            assert!(
                pauses().all(|pause| pause <= longest),
                "pause {nth} is up to {longest:?}"
            );
            assert!(
                pauses().any(|pause| pause < longest / 2) && pauses().any(|pause| pause > longest / 2),
                "pause {nth} is anywhere up to {longest:?}"
            );
        }
    }
}
