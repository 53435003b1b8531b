//! How much is measured.

use std::time::Duration;

use anyhow::Result;
use cache_runtime::{Builder, Cache};
use tokio::runtime::{self, Runtime};

/// How much is measured, and what every figure needs for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench {
    pub(crate) quick: bool,
}

impl Bench {
    /// How many rounds there are; odd, so that the median is one of them.
    pub(crate) fn rounds(self) -> usize {
        if self.quick { 5 } else { 11 }
    }

    /// How long one contender is measured in one round.
    pub(crate) fn window(self) -> Duration {
        Duration::from_millis(if self.quick { 120 } else { 400 })
    }

    /// Says what is being done.
    pub(crate) fn say(self, what: &str) {
        eprintln!("  {what}");
    }

    /// A runtime with so many worker threads.
    pub(crate) fn runtime(self, workers: usize) -> Result<Runtime> {
        Ok(runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()?)
    }
}

/// A cache that waits for its answers as long as the peers do: with its own deadlines, an overloaded machine would turn hits
/// into loads.
pub(crate) fn patient() -> Builder {
    let patience = Duration::from_secs(10);
    Cache::builder().read_timeout(patience).fill_timeout(patience)
}
