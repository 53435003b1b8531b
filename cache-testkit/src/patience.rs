//! How long a test waits, and what it says if it waited in vain.

use std::{
    panic::Location,
    time::{Duration, Instant},
};

use cache_runtime::{Cache, CacheBuilder};

/// How long a test waits for something that should have happened long ago: ten seconds.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A builder of caches whose deadlines are [`PATIENCE`], so that a busy machine changes no outcome, and whose entries end when their
/// time-to-live does: without `jitter`.
pub fn patient() -> CacheBuilder {
    Cache::builder()
        .read_timeout(PATIENCE)
        .fill_timeout(PATIENCE)
        .invalidate_timeout(PATIENCE)
        .jitter(0.0)
}

/// Asks until the answer is yes, and lets other tasks have their turn in between: for what nothing tells of.
///
/// ```
/// # use cache_runtime::Cache;
/// # use cache_testkit::{RedisServer, patient, reaching, until};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let server = RedisServer::start().unwrap();
/// let cache = reaching(&server, patient()).await;
/// server.kill();
/// until("the cache notices", async || !cache.is_available()).await;
/// # }
/// ```
///
/// # Panics
///
/// If that takes longer than [`PATIENCE`], on the real clock; the message says what was awaited, and where.
#[track_caller]
pub fn until(awaited: &str, mut condition: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let began = Instant::now();
        while !condition().await {
            assert!(
                began.elapsed() < PATIENCE,
                "{caller}: waited {PATIENCE:?} in vain until {awaited}"
            );
            tokio::task::yield_now().await;
        }
    }
}

/// Awaits an event of a test, and says what was awaited if it does not come.
///
/// With tokio's clock paused this panics as soon as nothing else can happen, without waiting.
#[track_caller]
pub(crate) fn within_patience<T>(
    event: impl Future<Output = T>,
    awaited: impl FnOnce() -> String,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let Ok(output) = tokio::time::timeout(PATIENCE, event).await else {
            panic!("{caller}: waited {PATIENCE:?} in vain for {}", awaited());
        };
        output
    }
}
