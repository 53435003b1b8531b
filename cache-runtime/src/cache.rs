//! The cache: its handle, how one is put together, and the engine behind it.

mod builder;
mod by_key;
mod concern;
mod current;
mod engine;
mod etag;
mod from_env;
mod health;
mod hot_keys;
mod http;
mod invalidate;
mod keeper;
mod observe;
#[cfg(feature = "metrics")]
mod publisher;
mod rejections;
mod relay_notes;
mod removals;
mod server_timing;
mod settings;
mod stats;
mod sweeper;
mod tenant;
mod upstream;
mod warm;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use self::from_env::{Misspelt, misspelt};
pub use self::{
    builder::CacheBuilder,
    concern::Concern,
    current::with_cache,
    from_env::{ConfigError, from_env},
    invalidate::Invalidated,
    observe::{Freshness, ObservedCall, Outcome, Outcomes, observe},
    settings::OnFailover,
    stats::{Latencies, ResourceStats, Stats},
    tenant::{current_tenant, with_tenant},
    warm::{Warmed, Warming},
};
pub(crate) use self::{
    by_key::scope_of_key,
    current::{CurrentCache, LentInstalled, current_cache, note_absent},
    engine::{Engine, Fill, Filled, is_noticed, report, report_unasked},
    health::Without,
    hot_keys::{HOT, HotKey},
    observe::CallRecord,
    relay_notes::RelayNote,
    settings::{Origin, Settings},
    stats::{FigureSlot, ResourceFigures},
    tenant::{look_at_tenant, tenant_or_default},
    upstream::within,
};
use crate::store::Store;

/// A look at the store that takes longer than this is somebody else's who does not come to it.
const LONG_LOOK: Duration = Duration::from_millis(200);

/// A cache: a store, and everything this process knows about it. Cheap to clone; clones are the same cache.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = cache_runtime::Cache::from_env()?; // REDIS_URL, CACHE_DEFAULT_TTL, ...; the process alone without REDIS_URL
/// cache.install(); // what every annotated function uses from now on
/// // ... serve ...
/// cache.close().await; // at shutdown: sends the invalidations that are still waiting
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cache {
    pub(crate) engine: Arc<Engine>,
}

impl Cache {
    /// Starts to put a cache together in code.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new()
    }

    /// A cache as the environment says: `REDIS_URL`, `CACHE_DEFAULT_TTL` and the other variables
    /// [that there are](crate::manual::options#environment).
    ///
    /// Without `REDIS_URL` entries are kept in this process. Redis is not contacted here, so an unreachable one is no error.
    ///
    /// # Errors
    ///
    /// A variable whose value cannot be used. The error names the variable, the value unless it is secret, and what is
    /// accepted.
    pub fn from_env() -> Result<Self, ConfigError> {
        let cache = from_env(std::env::var_os)?.build();
        cache.introduce();
        for Misspelt { variable, meant } in misspelt(std::env::vars_os()) {
            tracing::warn!(variable, "this variable is not read: {meant}");
        }
        Ok(cache)
    }

    /// A cache that does nothing: every annotated function runs its body.
    pub fn disabled() -> Self {
        Self::new(None, Settings::default())
    }

    pub(super) fn new(store: Option<Arc<dyn Store>>, settings: Settings) -> Self {
        let engine = Arc::new(Engine::new(store, settings));
        engine.keeper.ensure();
        engine.ensure_published();
        Self { engine }
    }

    /// Says once which store is used, and why.
    fn introduce(&self) {
        if self.engine.introduced.swap(true, Ordering::Relaxed) {
            return;
        }
        let store = self
            .engine
            .upstream
            .store_even_if_closed()
            .map(|store| store.description());
        match (store, self.engine.settings.origin) {
            (Some(store), Origin::Code) => tracing::info!(store, "the cache keeps its entries in this store"),
            (Some(store), Origin::Variable(variable)) => {
                tracing::info!(store, variable, "the cache keeps its entries in this store");
            }
            (Some(store), Origin::NoUrl) => {
                tracing::info!(
                    store,
                    "REDIS_URL is not set: entries are kept in this process, and no other one shares them"
                );
            }
            (None, Origin::Variable(variable)) => {
                tracing::info!(variable, "the cache is disabled: every call runs uncached");
            }
            (None, _) => tracing::info!("the cache is disabled: every call runs uncached"),
        }
    }

    /// Whether calls ask the store now, as far as this process knows: it was reached, and the breaker is closed. Always false
    /// for a disabled cache.
    ///
    /// That a store has been lost is found out by the next call or, within a second, by a probe. [`ready`](Self::ready)
    /// probes at once.
    pub fn is_available(&self) -> bool {
        self.engine.is_available()
    }

    /// Waits until the store can be used, at most `within`. Returns whether it can; `false` at once if the cache is disabled
    /// or closed, or if this tokio runtime has no timers, or none of the I/O that a store elsewhere takes.
    ///
    /// What was known before does not count: the store answers a probe that is sent after the call of this function, over the
    /// connections that calls use, and everything that waited for an acknowledgement has been sent to it.
    ///
    /// Nothing needs to wait for this: calls made before run uncached. It is for programs that want a warm cache before
    /// they take traffic, and for tests.
    pub async fn ready(&self, within: Duration) -> bool {
        if self.engine.store().is_none() || !self.engine.upstream.is_carried() {
            return false;
        }
        let keeper = &self.engine.keeper;
        keeper.ensure();
        let begun = keeper.looks_begun();
        keeper.wake();
        let became_ready = async {
            loop {
                let looked = keeper.looked();
                if keeper.has_found_since(begun) && self.is_available() {
                    return;
                }
                if tokio::time::timeout(LONG_LOOK, looked).await.is_err() {
                    // Another runtime has the task, and nobody drives that one now.
                    keeper.take_over();
                }
            }
        };
        tokio::time::timeout(within, became_ready).await.is_ok()
    }

    /// What the cache has done so far, and what it holds in this process.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// What the cache has done so far with the calls of each resource that the program declares, in the order of their names: of all of
    /// them together it is what [`stats`](Self::stats) says.
    ///
    /// ```
    /// # let cache = cache_runtime::Cache::disabled();
    /// for of in cache.resource_stats() {
    ///     let p99 = of.load_latency.quantile(0.99).unwrap_or_default();
    ///     println!("{}: {:.0} % of {} calls, loads up to {p99:?}", of.resource, of.hit_rate() * 100.0, of.calls());
    /// }
    /// ```
    pub fn resource_stats(&self) -> Vec<ResourceStats> {
        self.engine.resource_stats()
    }

    /// Publishes what the cache has counted since the last time to the recorder of the `metrics` facade, if the program has installed
    /// one. That happens every second by itself: call it where the metrics are scraped, for figures of that moment.
    #[cfg(feature = "metrics")]
    pub fn publish_metrics(&self) {
        self.engine.publisher.publish();
    }

    /// Sends the invalidations that are still waiting, for an acknowledgement or to be made a second time
    /// ([`CacheBuilder::repeat_after`](crate::CacheBuilder::repeat_after)), for at most a second, and stops the
    /// background work. Returns whether all of them were acknowledged. Calls made afterwards run uncached. What was counted for the
    /// next [warm start](Self::warm) is saved before, for at most a second.
    pub async fn close(&self) -> bool {
        self.save_all_hot_keys().await;
        self.engine.savers.close().await;
        self.engine.near_watch.stop();
        self.engine.relays.close().await;
        // Before: what is loaded in the background is not stored any more.
        self.engine.refreshes.close().await;
        self.engine.suspicions.close().await;
        self.engine.sweeper.close().await;
        let all_sent = self.engine.keeper.close().await;
        #[cfg(feature = "metrics")]
        self.publish_metrics();
        all_sent
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("store", &self.engine.upstream.store_even_if_closed())
            .field("available", &self.is_available())
            .finish_non_exhaustive()
    }
}
