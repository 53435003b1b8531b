//! The handle that everything hangs on, and what can be done with it by hand.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;

use crate::{
    builder::{Builder, Origin, Settings},
    config::{self, ConfigError, Misspelt},
    context,
    envelope::LoggedRejections,
    flight::Flights,
    health::{Health, OptionalOperation},
    invalidate::Invalidate,
    journal::Journal,
    keeper::Keeper,
    near::{Near, Watching},
    recent::RecentCalls,
    repeats::Repeats,
    runtime::Needs,
    slots::Slots,
    stats::{Counters, Stats},
    store::Store,
    sweeper::Sweeper,
    tenants::Tenants,
};

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
    pub(crate) inner: Arc<Inner>,
}

/// What all clones of a cache share.
pub(crate) struct Inner {
    pub(crate) store: Option<Arc<dyn Store>>,
    /// What the keys of the store begin with: nothing, or a namespace and a colon.
    pub(crate) key_prefix: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) health: Health,
    pub(crate) flights: Arc<Flights>,
    pub(crate) slots: Slots,
    pub(crate) journal: Journal,
    pub(crate) repeats: Repeats,
    pub(crate) sweeper: Sweeper,
    pub(crate) keeper: Keeper,
    pub(crate) near: Arc<Near>,
    pub(crate) recent: RecentCalls,
    pub(crate) watching: Watching,
    pub(crate) tenants: Tenants,
    pub(crate) counters: Counters,
    pub(crate) rejections: LoggedRejections,
    pub(crate) sweeps: OptionalOperation,
    pub(crate) leases: OptionalOperation,
    pub(crate) holds: OptionalOperation,
    /// What a runtime must have to carry the cache.
    pub(crate) needs: Needs,
    pub(crate) unfit_runtime_said: AtomicBool,
    introduced: AtomicBool,
}

impl Cache {
    /// Starts to put a cache together in code.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A cache as the environment says: `REDIS_URL`, `CACHE_DEFAULT_TTL` and the other variables of `docs/options.md`.
    ///
    /// Without `REDIS_URL` entries are kept in this process. Redis is not contacted here, so an unreachable one is no error.
    ///
    /// # Errors
    ///
    /// A variable whose value cannot be used. The error names the variable, the value unless it is secret, and what is
    /// accepted.
    pub fn from_env() -> Result<Self, ConfigError> {
        let cache = config::from_env(std::env::var_os)?.build();
        cache.introduce();
        for Misspelt { variable, meant } in config::misspelt(std::env::vars_os()) {
            tracing::warn!(variable, "this variable is not read: {meant}");
        }
        Ok(cache)
    }

    /// A cache that does nothing: every annotated function runs its body.
    pub fn disabled() -> Self {
        Self::new(None, Settings::default())
    }

    pub(crate) fn new(store: Option<Arc<dyn Store>>, settings: Settings) -> Self {
        // A store in this process answers at once and can be used at once; any other is reached for in the background.
        let probed = store.as_ref().map(|store| store.probe().now_or_never());
        let namespace = store.as_ref().and_then(|store| store.namespace());
        let key_prefix = namespace.map_or_else(String::new, |name| format!("{name}:")).into();
        let in_process = matches!(probed, Some(Some(Ok(()))));
        let inner = Inner {
            health: Health::new(
                settings.breaker_failures,
                store.as_ref().map(|store| store.description()).unwrap_or_default(),
            ),
            store,
            key_prefix,
            flights: Arc::new(Flights::with_max_waiters(settings.max_waiters)),
            slots: Slots::new(settings.max_loads, settings.load_backstop),
            journal: Journal::new(settings.journal_limit),
            repeats: Repeats::new(settings.repeat_after, settings.journal_limit),
            sweeper: Sweeper::default(),
            keeper: Keeper::default(),
            near: Arc::new(Near::new(settings.near_capacity, settings.near_lease)),
            recent: RecentCalls::default(),
            watching: Watching::default(),
            tenants: Tenants::default(),
            counters: Counters::default(),
            rejections: LoggedRejections::default(),
            sweeps: OptionalOperation::default(),
            leases: OptionalOperation::default(),
            holds: OptionalOperation::default(),
            needs: if in_process { Needs::Timers } else { Needs::Connections },
            unfit_runtime_said: AtomicBool::new(false),
            introduced: AtomicBool::new(false),
            settings,
        };
        if in_process {
            inner.health.probed(Ok(()));
        }
        let cache = Self { inner: Arc::new(inner) };
        cache.inner.keeper.ensure(&cache.inner);
        cache
    }

    /// Makes this the cache of the process: what annotated functions use outside of [`with_cache`](crate::with_cache).
    /// Replaces the one installed before.
    pub fn install(&self) {
        self.introduce();
        context::install(self);
    }

    /// Says once which store is used, and why.
    fn introduce(&self) {
        if self.inner.introduced.swap(true, Ordering::Relaxed) {
            return;
        }
        let store = self.inner.store.as_ref().map(|store| store.description());
        match (store, self.inner.settings.origin) {
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
        let inner = &self.inner;
        inner
            .store
            .as_ref()
            .is_some_and(|store| inner.health.is_trusted() && inner.keeper.is_replayed(store.generation()))
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
        if self.inner.store().is_none() || !self.inner.is_carried() {
            return false;
        }
        let keeper = &self.inner.keeper;
        keeper.ensure(&self.inner);
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
                    keeper.take_over(&self.inner);
                }
            }
        };
        tokio::time::timeout(within, became_ready).await.is_ok()
    }

    /// Makes everything cached for a resource, group or pattern unusable; see [`Invalidate`] for the options.
    ///
    /// The names are those that this program declares with [`resources!`](crate::resources).
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { dashboard_summary { ttl = 60, scope(company: i64) } } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = cache_runtime::Cache::builder().build();
    /// cache.invalidate("dashboard_*").tenant("client-a").scope("company", 123).await?;
    /// # Ok(()) }
    /// ```
    pub fn invalidate(&self, pattern: impl Into<String>) -> Invalidate {
        Invalidate::of_pattern(self, pattern.into())
    }

    /// Makes everything cached for a tenant unusable: every resource that this program declares, and what was set by key.
    /// What tenants share stays.
    pub fn invalidate_tenant(&self, tenant: impl fmt::Display) -> Invalidate {
        Invalidate::of_tenant(self, &tenant)
    }

    /// What the cache has done so far, and what it holds in this process.
    pub fn stats(&self) -> Stats {
        let Inner { near, journal, .. } = &*self.inner;
        Stats {
            near_entries: near.len() as u64,
            near_bytes: near.weight(),
            pending_invalidations: journal.len() as u64,
            ..self.inner.counters.snapshot()
        }
    }

    /// Sends the invalidations that are still waiting, for an acknowledgement or to be made a second time
    /// ([`Builder::repeat_after`](crate::Builder::repeat_after)), for at most a second, and stops the
    /// background work. Returns whether all of them were acknowledged. Calls made afterwards run uncached.
    pub async fn close(&self) -> bool {
        self.inner.watching.stop();
        self.inner.keeper.close(&self.inner).await
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("store", &self.inner.store)
            .field("available", &self.is_available())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
