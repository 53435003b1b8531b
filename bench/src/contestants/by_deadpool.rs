use std::sync::Arc;

use anyhow::Result;
use cache_testkit::RedisServer;
use deadpool_redis::{Manager, Pool};

use super::raw::{get_or_load, keys, without_delay};
use crate::{measure::Contestant, work::Query};

/// `Pool::get`, `GET` and the decoding, with the pool's own size. The keys are ready.
#[derive(Clone)]
pub(crate) struct ByDeadpool {
    pool: Pool,
    keys: Arc<[String]>,
}

impl ByDeadpool {
    pub(crate) fn connect(server: &RedisServer) -> Result<Self> {
        let manager = Manager::new(without_delay(server)?)?;
        Ok(Self {
            pool: Pool::builder(manager).build()?,
            keys: keys(),
        })
    }
}

impl Contestant for ByDeadpool {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let mut connection = self.pool.get().await?;
        get_or_load(&mut connection, &self.keys, query).await
    }
}
