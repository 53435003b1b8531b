//! Putting a cache together in code.

use std::{sync::Arc, time::Duration};

use super::{Cache, OnFailover, Origin, Settings};
use crate::{
    entry::{Codec, Compression, SigningKey},
    store::{MemoryStore, RedisConfig, RedisStore, Store},
};

/// Settings of a [`Cache`], each with a default. Every one can also come from the environment, see
/// [`Cache::from_env`].
///
/// ```
/// use std::time::Duration;
/// let cache = cache_runtime::Cache::builder() // in this process, 64 MiB, unless a store is given
///     .default_ttl(Duration::from_secs(120))
///     .read_timeout(Duration::from_millis(80))
///     .build();
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CacheBuilder {
    store: StoreChoice,
    enabled: bool,
    settings: Settings,
}

#[derive(Debug)]
enum StoreChoice {
    Memory { capacity: u64 },
    Given(Arc<dyn Store>),
}

impl Default for CacheBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl CacheBuilder {
    pub(crate) fn new() -> Self {
        Self {
            store: StoreChoice::Memory { capacity: 64 << 20 },
            enabled: true,
            settings: Settings::default(),
        }
    }

    /// Keeps entries in this process, at most this many bytes of them. The default, with 64 MiB.
    pub fn memory(mut self, capacity: u64) -> Self {
        self.store = StoreChoice::Memory { capacity };
        self
    }

    /// Keeps entries in Redis.
    pub fn redis(self, config: RedisConfig) -> Self {
        self.store(RedisStore::new(config))
    }

    /// Keeps entries in a store of your own.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = StoreChoice::Given(Arc::new(store));
        self
    }

    /// `false` for a cache that does nothing, whatever else is said before or after. Default: `true`.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The time-to-live where neither the attribute nor the resource gives one; with 0 nothing is stored then. Default: 5
    /// minutes.
    pub fn default_ttl(mut self, ttl: Duration) -> Self {
        self.settings.default_ttl = ttl;
        self
    }

    /// How long a call waits for the store before it runs its body. Default: 50 ms.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.settings.read_timeout = timeout;
        self
    }

    /// How long a call that has loaded waits for its result to be stored. Default: 100 ms.
    pub fn fill_timeout(mut self, timeout: Duration) -> Self {
        self.settings.fill_timeout = timeout;
        self
    }

    /// How long a mutation waits for its invalidation to be acknowledged; after that it is sent in the background until it
    /// is. Default: 250 ms.
    pub fn invalidate_timeout(mut self, timeout: Duration) -> Self {
        self.settings.invalidate_timeout = timeout;
        self
    }

    /// After how many failures in a row the breaker opens, at least 1; half of at least 20 operations within 10 s open it,
    /// too. Default: 5.
    pub fn breaker_failures(mut self, failures: u32) -> Self {
        self.settings.breaker_failures = failures;
        self
    }

    /// The largest encoded result that is stored or decoded, in bytes. A larger one that a load returns is returned and
    /// counted; a larger one that somebody else has stored is refused. Default: 16 MiB.
    pub fn max_value_size(mut self, bytes: usize) -> Self {
        self.settings.sealing.max_value_size = bytes;
        self
    }

    /// What the results of functions are stored in whose attribute names no `codec`, and values that are [set](Cache::set) by key.
    /// What that cannot give back as it was is stored as JSON. Entries are read whatever they are written in, as long as this build has the codec. Default:
    /// [`Codec::Packed`]; choose [`Codec::Json`] where other programs read along.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = codec;
        self
    }

    /// How encoded results of more than [`compression_above`](Self::compression_above) bytes are compressed, where that makes
    /// them smaller. Entries are read whatever they are compressed with, as long as this build has the feature. Default: not
    /// at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.settings.sealing.compression = compression;
        self
    }

    /// The largest encoded result that is not compressed, in bytes. Default: 10 KiB.
    pub fn compression_above(mut self, bytes: usize) -> Self {
        self.settings.sealing.compression_above = bytes;
        self
    }

    /// Signs entries, and refuses those that are not signed with this key or a [previous](Self::previous_signing_key) one: for
    /// a store that others can write to. All processes that share entries need the same key. What it does not prevent is in
    /// [the guarantees](crate::manual::guarantees#a-redis-that-others-can-write-to). Default: entries are not signed, and signed
    /// ones are refused.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.settings.sealing.keys.current = Some(key);
        self
    }

    /// One more key whose signatures are accepted, beside [`signing_key`](Self::signing_key), without which it does nothing:
    /// while keys are changed. May be given several times.
    pub fn previous_signing_key(mut self, key: SigningKey) -> Self {
        self.settings.sealing.keys.previous.push(key);
        self
    }

    /// With `true`, a call without a tenant runs uncached; with `false`, it belongs to the tenant `default`. Default:
    /// `false`.
    pub fn require_tenant(mut self, require: bool) -> Self {
        self.settings.require_tenant = require;
        self
    }

    /// Whether invalidated entries are removed in the background. Without, they stay, unusable, until their time is over.
    /// Default: `true`.
    pub fn sweep(mut self, sweep: bool) -> Self {
        self.settings.sweep = sweep;
        self
    }

    /// How many loads of one resource run at once in this process, at least 1, where the resource does not say (`max_loads`
    /// in [`resources!`](crate::resources)). Further ones wait their turn, in order, and look at the cache again when it has
    /// come. Default: any number.
    ///
    /// A load inside of another one of the same resource takes no slot of its own, and one whose turn could come only after it
    /// has ended itself goes on without. So does the next one when no turn has come for
    /// [`load_backstop`](Self::load_backstop). A load whose future could go on and is not polled loses its slot.
    pub fn max_loads(mut self, loads: u32) -> Self {
        self.settings.max_loads = Some(loads.max(1));
        self
    }

    /// How many calls wait for one load. Further ones load for themselves. Default: any number.
    ///
    /// This bounds how many calls depend on one load, not memory: a call that loads needs more than one that waits. Set
    /// [`max_loads`](Self::max_loads), too.
    pub fn max_waiters(mut self, waiters: usize) -> Self {
        self.settings.max_waiters = Some(waiters);
        self
    }

    /// For how long a call waits for another one's load, for its turn to load, or for the load of another process (`lease`),
    /// before one of those who wait loads, too; the others go on waiting, for whichever comes first, and as long again.
    /// Default: 1 minute.
    ///
    /// Loads that take longer are shared all the same. This is for waits that would never end and that cannot be seen: a body
    /// that spawns a task, which calls the same function with the same arguments, and waits for it. Where they can be seen, or
    /// where a future could go on and is not polled, nobody waits for as long:
    /// [the guarantees](crate::manual::guarantees#no-call-waits-for-ever).
    pub fn load_backstop(mut self, after: Duration) -> Self {
        self.settings.load_backstop = after;
        self
    }

    /// How many unacknowledged invalidations are told apart, at least 1; with more of them they are widened, to their
    /// resources, to their tenants, to everything. Default: 65,536.
    pub fn journal_limit(mut self, lines: usize) -> Self {
        self.settings.journal_limit = lines;
        self
    }

    /// How many bytes the near cache takes at most: the values of functions with `near`, weighed by their encoded length and
    /// about 200 bytes each. Nothing is reserved. Default: 32 MiB.
    pub fn near_capacity(mut self, bytes: u64) -> Self {
        self.settings.near_capacity = bytes;
        self
    }

    /// How long values of functions with `near = "tracked"` are used after the store was asked last whether all changes have
    /// been reported: the longest time for which a process that is cut off serves them. The store is asked four times as
    /// often ([`RedisConfig::near_heartbeat`]). Default: 1 s.
    pub fn near_max_staleness(mut self, bound: Duration) -> Self {
        self.settings.near_max_staleness = bound;
        self
    }

    /// How long results of `crash_safe` resources are not stored after a process was killed in the middle of a mutation of
    /// them. Default: 5 s.
    pub fn hold_ttl(mut self, ttl: Duration) -> Self {
        self.settings.hold_ttl = ttl;
        self
    }

    /// By how much of itself a TTL is shortened at most, from 0 to 1, where neither the attribute nor the resource says (`jitter`):
    /// by a random part of that, so that what was stored together does not expire together. Default: 0.05.
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.settings.jitter = fraction.clamp(0.0, 1.0);
        self
    }

    /// How many loads run in the background at once, at least 1: those of values that are returned meanwhile
    /// (`stale_while_revalidate`, `refresh_ahead`, the soft `load_timeout`). With more to load, old values are returned a little
    /// longer. Default: 64.
    pub fn max_refreshes(mut self, loads: u32) -> Self {
        self.settings.max_refreshes = loads.max(1);
        self
    }

    /// How long after a mutation was dropped half-way, or has panicked, its invalidation is made a second time: the database
    /// may commit after the first, when its row lock is free. Zero: it is not. Default: 5 s.
    pub fn repeat_after(mut self, time: Duration) -> Self {
        self.settings.repeat_after = time;
        self
    }

    /// What to do when the store may have lost acknowledged invalidations. Default: [`OnFailover::Replay`].
    pub fn on_failover(mut self, action: OnFailover) -> Self {
        self.settings.on_failover = action;
        self
    }

    pub(crate) fn origin(mut self, origin: Origin) -> Self {
        self.settings.origin = origin;
        self
    }

    /// The cache. Nothing is contacted here.
    pub fn build(self) -> Cache {
        let store = self.enabled.then(|| match self.store {
            StoreChoice::Memory { capacity } => Arc::new(MemoryStore::new(capacity)) as Arc<dyn Store>,
            StoreChoice::Given(store) => store,
        });
        Cache::new(store, self.settings)
    }
}
