//! All this service does with its cache by hand: building it, giving it to a request, and reading what it did.
use std::{fmt, future::Future};

use cache_runtime::{Cache, Invalidated, Outcome};

use crate::db::TENANTS;

/// What the cache did for a request, as the header `x-cache` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Answered from this process.
    Near,
    /// Answered from the store.
    Hit,
    /// Answered from the store, with figures that are being loaded again.
    Stale,
    /// Asked, and loaded.
    Miss,
    /// Not asked, and loaded.
    Bypass,
}

impl Seen {
    /// The value of the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Near => "near_hit",
            Self::Hit => "hit",
            Self::Stale => "stale_hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Outcome> for Seen {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::NearHit => Self::Near,
            Outcome::Hit => Self::Hit,
            Outcome::StaleHit => Self::Stale,
            Outcome::Bypass => Self::Bypass,
            // A refused entry is loaded like a missing one.
            _ => Self::Miss,
        }
    }
}

/// Runs what serves a request with `cache` and for `tenant`. Returns what the cache did, the least of it when there were
/// several calls, and `None` when nothing cached was called.
pub async fn serve<F: Future>(cache: Cache, tenant: &str, request: F) -> (F::Output, Option<Seen>) {
    let observed = cache_runtime::observe(cache_runtime::with_tenant(tenant, request));
    let (output, outcomes) = cache_runtime::with_cache(cache, observed).await;
    (output, outcomes.iter().map(|call| call.outcome.into()).max())
}

/// Makes everything that the cache holds for the tenants of the generated data unusable: they have new data.
///
/// # Errors
/// When the cache cannot be asked to.
pub async fn forget_everything(cache: &Cache) -> anyhow::Result<()> {
    for tenant in TENANTS {
        if cache.invalidate_tenant(tenant).await? == Invalidated::Pending {
            tracing::warn!(
                tenant,
                "other processes may show the data of before until Redis answers"
            );
        }
    }
    Ok(())
}
