use std::sync::Arc;

use anyhow::Result;
use cache_testkit::RedisServer;
use hitbox::policy::PolicyConfig;
use hitbox_fn::{Cache, cached};
use hitbox_redis::{ConnectionMode, RedisBackend};

use crate::{
    measure::Contestant,
    work::{Filter, Page, Query, TTL, load},
};

/// `hitbox-fn` over `hitbox-redis`, with the formats that its documentation recommends.
#[derive(Clone)]
pub(crate) struct ByHitbox(Arc<Cache<RedisBackend>>);

impl ByHitbox {
    pub(crate) fn connect(server: &RedisServer) -> Result<Self> {
        let backend = RedisBackend::builder()
            .connection(ConnectionMode::single(server.url()))
            .build()?;
        let policy = PolicyConfig::builder().ttl(TTL).build();
        Ok(Self(Arc::new(Cache::builder().backend(backend).policy(policy).build())))
    }
}

impl Contestant for ByHitbox {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let Query {
            company,
            year,
            filter,
            page,
            page_size,
        } = query;
        let call = invoices(*company, *year, filter.clone(), *page, *page_size);
        Ok(call.cache(&self.0).await.rows.len())
    }
}

#[cached]
async fn invoices(company: i64, year: i32, filter: Filter, page: u32, page_size: u32) -> Page {
    let _ = (company, year, filter);
    load(page, page_size)
}
