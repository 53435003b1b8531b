use anyhow::Result;
use cache_runtime::Cache;
use cache_testkit::{RedisServer, reaching};
use tokio::runtime::Runtime;

use crate::{
    bench::patient,
    measure::Contestant,
    work::{Query, invoices},
};

/// `#[cached]`, strict: every hit has proved that nothing was invalidated since it was loaded.
#[derive(Clone)]
pub(crate) struct Ours(Cache);

impl Ours {
    /// Installs a cache on this server.
    pub(crate) fn connect(runtime: &Runtime, server: &RedisServer) -> Self {
        Self::install(runtime.block_on(reaching(server, patient())))
    }

    /// Installs this cache.
    pub(crate) fn install(cache: Cache) -> Self {
        cache.install();
        Self(cache)
    }

    pub(crate) fn close(self, runtime: &Runtime) {
        runtime.block_on(self.0.close());
    }
}

impl Contestant for Ours {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let Query {
            company,
            year,
            filter,
            page,
            page_size,
        } = query;
        let page = invoices(*company, *year, filter, *page, *page_size).await;
        Ok(page.rows.len())
    }
}
