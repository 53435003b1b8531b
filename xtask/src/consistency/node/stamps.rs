//! The framework itself: what its users write.

use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use cache_runtime::{Cache, Invalidated, Outcome, cached, invalidates, observe};
use cache_testkit::oracle::Reach;

use super::{
    TTL, reach,
    service::{Found, How, Service},
    source::{Source, Value},
};
use crate::consistency::database::Committed;

mod resources {
    cache_runtime::resources! {
        item { ttl = super::TTL, scope(item: u32) }
        total { ttl = super::TTL }
    }
}

pub(super) struct Stamps {
    cache: Cache,
    source: Source,
}

impl Stamps {
    pub(super) fn new(cache: Cache, source: Source) -> Self {
        Self { cache, source }
    }

    #[cached(resource = resources::item, scope(item))]
    async fn cached_item(&self, item: u32, view: u32) -> Result<Value> {
        self.source.item(item, view).await
    }

    #[cached(resource = resources::total)]
    async fn cached_total(&self) -> Result<Value> {
        self.source.total().await
    }

    #[invalidates(resources::item(item), resources::total)]
    async fn annotated_write(&self, item: u32, committed: &OnceLock<Committed>) -> Result<()> {
        let commit = self.source.write(item).await?;
        // The last thing the body does: from here on nothing is awaited before the invalidation is written down.
        committed.get_or_init(|| commit);
        Ok(())
    }

    async fn write_by_hand(&self, item: u32, how: How, committed: &OnceLock<Committed>) -> Result<Reach> {
        let commit = self.source.write(item).await?;
        let invalidated = if how == How::Everything {
            vec![self.cache.invalidate("*").await?]
        } else {
            let item = self.cache.invalidate("item").scope("item", item).await?;
            vec![item, self.cache.invalidate("total").await?]
        };
        committed.get_or_init(|| commit);
        let pending = invalidated
            .into_iter()
            .find(|&invalidated| invalidated == Invalidated::Pending);
        Ok(pending.unwrap_or(Invalidated::Acknowledged).into())
    }
}

impl Service for Stamps {
    async fn item(&self, item: u32, view: u32) -> Result<Found> {
        found(self.cached_item(item, view)).await
    }

    async fn total(&self) -> Result<Found> {
        found(self.cached_total()).await
    }

    async fn write(&self, item: u32, how: How, committed: &OnceLock<Committed>) -> Result<Option<Reach>> {
        if how != How::Annotated {
            return self.write_by_hand(item, how, committed).await.map(Some);
        }
        let (written, reach) = reach::of(self.annotated_write(item, committed)).await;
        written?;
        let reach = reach.context("the log did not say whether an invalidation was acknowledged")?;
        Ok(Some(reach))
    }
}

async fn found(call: impl Future<Output = Result<Value>>) -> Result<Found> {
    let (value, outcomes) = observe(call).await;
    Ok(Found {
        value: value?,
        hit: outcomes.iter().any(|call| call.outcome == Outcome::Hit),
    })
}
