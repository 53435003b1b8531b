//! Counts how often the body of a function under test ran.

use std::sync::Arc;

use tokio::sync::watch;

use crate::patience::within_patience;

/// Counts loads: call [`record`](Self::record) in the body of the `#[cached]` function. Clones share the count.
///
/// ```
/// # use cache_testkit::{LoadCounter, assert_loads};
/// struct Service {
///     loads: LoadCounter,
/// }
///
/// impl Service {
///     async fn answer(&self) -> u32 {
///         self.loads.record();
///         42
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = Service { loads: LoadCounter::new() };
/// service.answer().await;
/// assert_loads(&service.loads, 1);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LoadCounter {
    count: Arc<watch::Sender<u64>>,
}

impl LoadCounter {
    /// A counter at zero.
    pub fn new() -> Self {
        Self {
            count: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Counts one load and returns its number, from 1 on.
    pub fn record(&self) -> u64 {
        let mut number = 0;
        self.count.send_modify(|count| {
            *count += 1;
            number = *count;
        });
        number
    }

    /// How many loads have begun so far.
    pub fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Returns once at least `count` loads have begun.
    ///
    /// # Panics
    ///
    /// If that takes longer than ten seconds.
    #[track_caller]
    pub fn until(&self, count: u64) -> impl Future<Output = ()> {
        let this = self.clone();
        let mut seen = self.count.subscribe();
        within_patience(
            // The sender is alive in `this`, so this ends only with the event.
            async move { drop(seen.wait_for(|seen| *seen >= count).await) },
            move || format!("load number {count}; there were {}", this.count()),
        )
    }
}

impl Default for LoadCounter {
    fn default() -> Self {
        Self::new()
    }
}
