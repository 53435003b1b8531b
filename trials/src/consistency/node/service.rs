use std::sync::OnceLock;

use anyhow::Result;
use cache_runtime::{Outcome, observe};
use cache_testkit::oracle::Reach;
use serde::{Deserialize, Serialize};

use super::source::Value;
use crate::consistency::database::Committed;

/// The service under test, one for each protocol.
pub(super) trait Service: Send + Sync + 'static {
    /// A view of an item, cached.
    fn item(&self, item: u32, view: u32) -> impl Future<Output = Result<Found>> + Send;

    /// The total, cached.
    fn total(&self) -> impl Future<Output = Result<Found>> + Send;

    /// Writes an item, and invalidates what depends on it: all its views, and the total.
    ///
    /// Returns whom that has reached; `None` if this is not known. `committed` is set before the invalidation begins. If it
    /// is set when the future is dropped, the node that wrote must not serve anything older: only protocols that promise
    /// this set it then.
    fn write(
        &self,
        item: u32,
        how: How,
        committed: &OnceLock<Committed>,
    ) -> impl Future<Output = Result<Option<Reach>>> + Send;
}

/// What a read found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) value: Value,
    /// Where it came from, if it was not loaded.
    pub(super) hit: Option<Hit>,
}

impl From<(Value, Option<Hit>)> for Found {
    fn from((value, hit): (Value, Option<Hit>)) -> Self {
        Self { value, hit }
    }
}

/// What a call of a cached function returns, and where that came from, if it was not loaded; of several ids the first that was not.
pub(crate) async fn found<T>(call: impl Future<Output = Result<T>>) -> Result<(T, Option<Hit>)> {
    let (value, outcomes) = observe(call).await;
    let hit = outcomes.iter().find_map(|call| match call.outcome {
        Outcome::Hit => Some(Hit::Shared),
        Outcome::NearHit => Some(Hit::Near),
        Outcome::StaleHit => Some(Hit::Stale),
        _ => None,
    });
    Ok((value?, hit))
}

/// Which cache a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hit {
    /// Redis.
    Shared,
    /// The process's own.
    Near,
    /// Redis, and the value was past its time-to-live.
    Stale,
}

/// How a write invalidates. Protocols that know one way only do it that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The function is annotated.
    Annotated,
    /// By hand, as narrowly as possible.
    ByHand,
    /// By hand, everything there is.
    Everything,
}
