//! A cache of its own for a test.

use std::panic::Location;

use cache_runtime::{Cache, CacheBuilder, store::RedisConfig, with_cache};

use crate::{PATIENCE, RedisServer, patient};

/// Runs a test on a fresh cache in memory, so that tests run in parallel and see nothing of each other.
///
/// Entries end when their time-to-live does: without `jitter`, unless the function has its own.
///
/// Functions under test need no change: inside the closure the cache is the task's cache, whatever is installed. Tasks
/// that the test spawns do not inherit it; wrap them in [`with_cache`].
///
/// ```
/// # mod cache_resources { cache_runtime::resources! { answers { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "answers")]
/// # async fn answer() -> u32 { 42 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// cache_testkit::isolated(async |cache| {
///     assert_eq!(answer().await, 42);
///     assert_eq!(answer().await, 42);
///     assert_eq!(cache.stats().hits, 1);
/// })
/// .await;
/// # }
/// ```
pub async fn isolated<T>(test: impl AsyncFnOnce(Cache) -> T) -> T {
    isolated_in(Cache::builder().jitter(0.0).build(), test).await
}

/// As [`isolated`], on a real server, whose other data the cache shares with whoever uses it.
///
/// The cache's deadlines are ten seconds, so that a busy machine changes no outcome. For a test of deadlines make a cache
/// of your own: see [`isolated_in`] and [`reaching`].
///
/// # Panics
///
/// As [`reaching`].
pub async fn isolated_on<T>(server: &RedisServer, test: impl AsyncFnOnce(Cache) -> T) -> T {
    isolated_in(reaching(server, patient()).await, test).await
}

/// The cache that `builder` makes on a real server, connected.
///
/// # Panics
///
/// If the cache does not reach the server within ten seconds; the message shows the server's log.
pub async fn reaching(server: &RedisServer, builder: CacheBuilder) -> Cache {
    let config = RedisConfig::new(server.url())
        .unwrap_or_else(|error| panic!("{} is no address of a server: {error}", server.url()));
    let cache = builder.redis(config).build();
    assert!(
        cache.ready(PATIENCE).await,
        "{} was not reached within {PATIENCE:?}. Its log:\n{}",
        server.url(),
        server.log()
    );
    cache
}

/// Waits until calls use the store again after a fault that is over: it has answered over every connection, and every
/// invalidation that waited for it is acknowledged.
///
/// ```
/// # use cache_runtime::{Cache, Outcome};
/// # use cache_testkit::{RedisServer, expect_outcomes, isolated_in, reaching, recovered};
/// # mod cache_resources { cache_runtime::resources! { answers { ttl = 60 } } }
/// # #[cache_runtime::cached(resource = "answers")]
/// # async fn answer() -> u32 { 42 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let server = RedisServer::start().unwrap();
/// isolated_in(reaching(&server, Cache::builder()).await, async |cache| {
///     server.kill();
///     answer().await;
///     server.restart().unwrap();
///     recovered(&cache).await;
///     expect_outcomes(&[Outcome::Miss], answer()).await;
/// })
/// .await;
/// # }
/// ```
///
/// # Panics
///
/// If that is not so within ten seconds, or cannot be: the cache is disabled or closed.
#[track_caller]
pub fn recovered(cache: &Cache) -> impl Future<Output = ()> + '_ {
    let caller = Location::caller();
    async move {
        loop {
            assert!(
                cache.ready(PATIENCE).await,
                "{caller}: the store is not in use again: {cache:?}"
            );
            // What other tasks have invalidated meanwhile.
            if cache.stats().pending_invalidations == 0 {
                return;
            }
        }
    }
}

/// As [`isolated`], in a cache of the test's own making: over a [`SpyStore`](crate::SpyStore), or with other settings.
/// The cache is closed at the end.
pub async fn isolated_in<T>(cache: Cache, test: impl AsyncFnOnce(Cache) -> T) -> T {
    // Tests are large futures; on the heap they may be of any size.
    let output = with_cache(cache.clone(), Box::pin(test(cache.clone()))).await;
    cache.close().await;
    output
}
