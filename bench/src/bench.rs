//! How much is measured, and what every measurement needs.

use std::time::Duration;

use anyhow::Result;
use cache_runtime::Cache;
use tokio::runtime::{Builder, Runtime};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench {
    pub(crate) quick: bool,
}

impl Bench {
    /// How many rounds there are; odd, so that the median is one of them.
    pub(crate) fn rounds(self) -> usize {
        if self.quick { 7 } else { 21 }
    }

    /// How long one contender is measured in one round.
    pub(crate) fn window(self) -> Duration {
        Duration::from_millis(if self.quick { 80 } else { 200 })
    }
}

/// Says what is being done.
pub(crate) fn say(what: &str) {
    eprintln!("  {what}");
}

/// A runtime with so many worker threads.
pub(crate) fn runtime(workers: usize) -> Result<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?)
}

/// A runtime with no thread but the caller's.
pub(crate) fn one_thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A cache that waits for its answers as long as the peers do: with its own deadlines, an overloaded machine would turn hits
/// into loads.
pub(crate) fn patient() -> cache_runtime::CacheBuilder {
    let patience = Duration::from_secs(10);
    Cache::builder().read_timeout(patience).fill_timeout(patience)
}
