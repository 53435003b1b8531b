//! Invalidations that are made a second time, some seconds after the first: of mutations that were dropped half-way.
//!
//! A caller hangs up while its UPDATE waits for a row lock. The future is dropped and the invalidation is made at once, but
//! the database knows nothing of that, and commits when it gets the lock. Whoever reads in between stores the old row again,
//! under a stamp that nobody would remove.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::{key::StampKey, sync::Mutex};

/// The stamps that are to be removed again, with when.
#[derive(Debug)]
pub(crate) struct Repeats {
    after: Duration,
    /// With more stamps than this, none waits any longer.
    limit: usize,
    due: Mutex<HashMap<StampKey, Instant>>,
}

impl Repeats {
    pub(crate) fn new(after: Duration, limit: usize) -> Self {
        Self {
            after,
            limit,
            due: Mutex::default(),
        }
    }

    /// Writes down stamps that have been removed just now.
    pub(crate) fn write(&self, stamps: &[StampKey]) {
        if self.after.is_zero() {
            return;
        }
        let now = Instant::now();
        // Where the sum is past the end of time, the time never comes.
        let Some(at) = now.checked_add(self.after) else { return };
        let mut due = self.due.lock();
        due.extend(stamps.iter().map(|stamp| (stamp.clone(), at)));
        if due.len() > self.limit {
            due.values_mut().for_each(|at| *at = now);
        }
    }

    /// Takes out those whose time has come.
    pub(crate) fn take_due(&self) -> Vec<StampKey> {
        let now = Instant::now();
        self.due
            .lock()
            .extract_if(|_, at| *at <= now)
            .map(|(stamp, _)| stamp)
            .collect()
    }

    /// Takes out all of them.
    pub(crate) fn take_all(&self) -> Vec<StampKey> {
        self.due.lock().drain().map(|(stamp, _)| stamp).collect()
    }

    /// How long it is until the next one.
    pub(crate) fn next_in(&self) -> Option<Duration> {
        let next = self.due.lock().values().copied().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(5);

    fn stamps(names: &[&str]) -> Vec<StampKey> {
        names.iter().map(|name| StampKey::new((*name).to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stamp_waits_from_the_last_time_that_it_was_written_down() {
        let repeats = Repeats::new(AFTER, 10);
        repeats.write(&stamps(&["a", "b"]));
        tokio::time::advance(Duration::from_secs(3)).await;
        repeats.write(&stamps(&["a"]));
        assert_eq!(repeats.next_in(), Some(Duration::from_secs(2)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(repeats.take_due(), ["b"]);
        assert_eq!(repeats.next_in(), Some(Duration::from_secs(3)));
        assert_eq!(repeats.take_all(), ["a"]);
        assert_eq!(repeats.next_in(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_do_not_wait() {
        let repeats = Repeats::new(AFTER, 2);
        repeats.write(&stamps(&["a", "b"]));
        assert!(repeats.take_due().is_empty());
        repeats.write(&stamps(&["c"]));
        assert_eq!(repeats.take_due().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_of_zero_is_never_and_so_is_one_past_the_end_of_time() {
        for after in [Duration::ZERO, Duration::MAX] {
            let repeats = Repeats::new(after, 10);
            repeats.write(&stamps(&["a"]));
            assert!(repeats.take_all().is_empty());
        }
    }
}
