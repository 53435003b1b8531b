//! A warm start: the calls that were made most are made before anybody asks.

use std::{
    marker::PhantomData,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::{
    Cache, Engine,
    current::with_cache,
    hot_keys::{HotKey, Place},
    tenant::with_tenant,
};
use crate::resource::Resource;

/// How long a start waits for a store that is not there yet.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the keys that are used most are saved.
const SAVE_EVERY: Duration = Duration::from_mins(1);

/// How long the last save may take, when the cache is closed.
const LAST_SAVE: Duration = Duration::from_secs(1);

impl Cache {
    /// Makes those calls of a resource that earlier processes have made most, and remembers those that this one makes most. For the start
    /// of a program: the first users find what they would have waited for.
    ///
    /// `call` makes one call, of the annotated function itself: what is stored, under which stamps and for how long, is the
    /// function's business as ever, and nothing is stored that was not loaded now. It is given the arguments that are in the key, by
    /// their names, as whatever can be deserialised from them; handles such as `self` it brings along. It runs with the tenant of
    /// the call: a `tenant_id` is what [`current_tenant`](crate::current_tenant) says.
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { invoices_list { ttl = "10m", scope(company: i64) } } }
    /// # #[derive(Clone)] struct Service;
    /// use cache_runtime::{Cache, cached};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Filter { unpaid: bool }
    ///
    /// impl Service {
    ///     #[cached(resource = "invoices_list", scope(company))]
    ///     async fn invoices(&self, company: i64, filter: &Filter) -> Vec<String> {
    ///         vec![] // SQL
    ///     }
    /// }
    ///
    /// /// The arguments of `invoices`.
    /// #[derive(Deserialize)]
    /// struct InvoicesKey { company: i64, filter: Filter }
    ///
    /// fn start(cache: &Cache, service: Service) {
    ///     let warming = cache.warm(&cache_resources::invoices_list, move |key: InvoicesKey| {
    ///         let service = service.clone();
    ///         async move { service.invoices(key.company, &key.filter).await }
    ///     });
    ///     tokio::spawn(warming.keys(50).at_once(2).run()); // and serve meanwhile
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// #     let cache = Cache::builder().build();
    /// #     start(&cache, Service);
    /// # }
    /// ```
    pub fn warm<K, F, C>(&self, resource: &'static Resource, call: C) -> Warming<K, C>
    where
        K: DeserializeOwned,
        F: Future,
        C: Fn(K) -> F,
    {
        Warming {
            cache: self.clone(),
            place: Place {
                resource: resource.name(),
                keys: 100,
                file: None,
            },
            at_once: 4,
            function: None,
            call,
            key: PhantomData,
        }
    }

    /// Saves what was counted, when the cache is closed.
    pub(super) async fn save_all_hot_keys(&self) {
        let saving = async {
            for place in self.engine.hot_keys.places() {
                self.engine.save_hot_keys(&place).await;
            }
        };
        if self.engine.upstream.runtime().is_ok() {
            drop(timeout(LAST_SAVE, saving).await);
        }
    }
}

/// A warm start of one resource, until it is [run](Self::run).
#[derive(Debug)]
#[must_use = "nothing is called, and nothing remembered, before it is run"]
pub struct Warming<K, C> {
    cache: Cache,
    place: Place,
    at_once: usize,
    function: Option<String>,
    call: C,
    key: PhantomData<fn(K)>,
}

/// What a warm start has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed {
    /// Calls that were made.
    pub calls: usize,
    /// Calls that were not, because their arguments are no longer those that are asked for.
    pub skipped: usize,
}

impl<K, C> Warming<K, C> {
    /// So many calls at most, and as many are remembered; 100 without this.
    pub fn keys(mut self, most: usize) -> Self {
        self.place.keys = most;
        self
    }

    /// So many at a time; 4 without this.
    pub fn at_once(mut self, calls: usize) -> Self {
        self.at_once = calls.max(1);
        self
    }

    /// Of this function only, where several share the resource.
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.function = Some(name.into());
        self
    }

    /// Remembers in this file, and not in the store: for a cache that keeps its entries in the process, and loses them with it.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.place.file = Some(path.into());
        self
    }
}

impl<K: DeserializeOwned, F: Future, C: Fn(K) -> F> Warming<K, C> {
    /// Runs the start, and returns when it is done. From its first poll on, the calls that this process makes are counted: a sample
    /// of one in eight, with bounded memory. They are saved every minute, and by [`Cache::close`].
    ///
    /// Waits for the store for half a minute. What cannot be read is a start without it: this never fails.
    pub async fn run(self) -> Warmed {
        let Self {
            cache,
            place,
            at_once,
            function,
            call,
            ..
        } = self;
        cache.engine.hot_keys.record(place.clone());
        cache.ready(PATIENCE).await;
        let mut keys = cache.engine.hot_keys_of(&place).await;
        keys.truncate(place.keys);
        if let Some(function) = function {
            keys.retain(|key| key.function == function);
        }
        save_from_time_to_time(&cache.engine, place.clone());
        Progress::of(place.resource, keys.len())
            .run(&cache, keys, at_once, call)
            .await
    }
}

/// How far a start has come, for the log.
struct Progress {
    resource: &'static str,
    keys: usize,
    began: Instant,
    warmed: Warmed,
}

impl Progress {
    fn of(resource: &'static str, keys: usize) -> Self {
        Self {
            resource,
            keys,
            began: Instant::now(),
            warmed: Warmed::default(),
        }
    }

    async fn run<K, F, C>(mut self, cache: &Cache, keys: Vec<HotKey>, at_once: usize, call: C) -> Warmed
    where
        K: DeserializeOwned,
        F: Future,
        C: Fn(K) -> F,
    {
        let call = &call;
        let calls = keys.into_iter().map(|key| async move {
            let arguments = serde_json::from_str(&key.arguments).ok()?;
            let called = async { drop(call(arguments).await) };
            let called = with_cache(cache.clone(), called);
            match key
                .tenant
                .as_deref()
                .map(|tenant| percent_decode_str(tenant).decode_utf8())
            {
                None => called.await,
                Some(tenant) => with_tenant(tenant.ok()?, called).await,
            }
            Some(())
        });
        let mut calls = std::pin::pin!(stream::iter(calls).buffer_unordered(at_once));
        while let Some(called) = calls.next().await {
            match called {
                Some(()) => self.warmed.calls += 1,
                None => self.warmed.skipped += 1,
            }
            self.tell();
        }
        self.warmed
    }

    /// A line for each quarter.
    fn tell(&self) {
        let Self { resource, keys, .. } = *self;
        let Warmed { calls, skipped } = self.warmed;
        let done = calls + skipped;
        if done * 4 / keys > (done - 1) * 4 / keys {
            let elapsed = tracing::field::debug(self.began.elapsed());
            tracing::info!(resource, done, keys, skipped, elapsed, "the cache is warmed");
        }
    }
}

/// Until the cache is closed or dropped.
fn save_from_time_to_time(engine: &Arc<Engine>, place: Place) {
    let runtime = engine.upstream.runtime().ok();
    let Some(task) = runtime.and_then(|runtime| engine.savers.place(runtime)) else {
        return;
    };
    let engine = Arc::downgrade(engine);
    task.spawn(async move {
        loop {
            sleep(SAVE_EVERY).await;
            let Some(engine) = engine.upgrade() else { return };
            engine.save_hot_keys(&place).await;
        }
    });
}
