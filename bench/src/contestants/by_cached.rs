use std::sync::Arc;

use anyhow::Result;
use cache_testkit::RedisServer;
use cached::{AsyncRedisCache, ConcurrentCachedAsync as _};
use tokio::runtime::Runtime;

use crate::{
    measure::Contestant,
    work::{Page, Query, TTL, load},
};

/// `AsyncRedisCache` of `cached`: what `#[concurrent_cached]` expands to. The attribute itself would keep the connection in a
/// static, so in the runtime of the first measurement.
#[derive(Clone)]
pub(crate) struct ByCached(Arc<AsyncRedisCache<String, Page>>);

impl ByCached {
    pub(crate) fn connect(runtime: &Runtime, server: &RedisServer) -> Result<Self> {
        let cache = AsyncRedisCache::builder("invoices")
            .ttl(TTL)
            .connection_string(server.url())
            .build();
        Ok(Self(Arc::new(runtime.block_on(cache)?)))
    }
}

impl Contestant for ByCached {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let key = query.formatted();
        if let Some(page) = self.0.async_cache_get(&key).await? {
            return Ok(page.rows.len());
        }
        let page = load(query.page, query.page_size);
        let rows = page.rows.len();
        self.0.async_cache_set(key, page).await?;
        Ok(rows)
    }
}
