//! The settings of a cache, each with its default.

use std::time::Duration;

use crate::{
    entry::{Codec, Sealing, words},
    invalidation::JOURNAL_LIMIT,
};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) default_ttl: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) fill_timeout: Duration,
    pub(crate) invalidate_timeout: Duration,
    pub(crate) breaker_failures: u32,
    pub(crate) sealing: Sealing,
    /// What the results of functions are stored in that do not say, and values by key.
    pub(crate) codec: Codec,
    pub(crate) require_tenant: bool,
    pub(crate) sweep: bool,
    pub(crate) max_loads: Option<u32>,
    pub(crate) max_waiters: Option<usize>,
    pub(crate) load_backstop: Duration,
    pub(crate) journal_limit: usize,
    pub(crate) near_capacity: u64,
    pub(crate) near_max_staleness: Duration,
    pub(crate) hold_ttl: Duration,
    /// By how much of itself a TTL is shortened at most.
    pub(crate) jitter: f64,
    pub(crate) max_refreshes: u32,
    pub(crate) repeat_after: Duration,
    pub(crate) on_failover: OnFailover,
    pub(crate) origin: Origin,
}

/// What says which store is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Code,
    /// This environment variable.
    Variable(&'static str),
    /// That there is no `REDIS_URL`.
    NoUrl,
}

/// What a process does when its store may have lost invalidations that it had acknowledged: over new connections, after a
/// failover or a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailover {
    /// Sends its own invalidations of the last minute again. Costs nothing else; what a process has invalidated that is gone
    /// for good stays lost.
    Replay,
    /// Makes everything cached unusable, of all tenants, whoever stored it. Covers every process; every process that
    /// connects anew does it, and looks at every key of the store for it.
    Flush,
}

words! {
    /// The spelling in the environment.
    OnFailover, "write replay or flush" {
        Replay = "replay",
        Flush = "flush",
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_ttl: Duration::from_mins(5),
            read_timeout: Duration::from_millis(50),
            fill_timeout: Duration::from_millis(100),
            invalidate_timeout: Duration::from_millis(250),
            breaker_failures: 5,
            sealing: Sealing {
                max_value_size: 16 << 20,
                ..Sealing::default()
            },
            codec: Codec::Packed,
            require_tenant: false,
            sweep: true,
            max_loads: None,
            max_waiters: None,
            load_backstop: Duration::from_mins(1),
            journal_limit: JOURNAL_LIMIT,
            near_capacity: 32 << 20,
            near_max_staleness: Duration::from_secs(1),
            hold_ttl: Duration::from_secs(5),
            jitter: 0.05,
            max_refreshes: 64,
            repeat_after: Duration::from_secs(5),
            on_failover: OnFailover::Replay,
            origin: Origin::Code,
        }
    }
}
