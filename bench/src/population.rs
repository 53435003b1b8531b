//! A server with as many live entries of one resource as a figure needs.

use anyhow::{Context as _, Result, ensure};
use cache_runtime::cached;
use cache_testkit::{RedisServer, reaching};
use redis::Connection;
use tokio::runtime::Runtime;

use crate::{
    bench::patient,
    work::{Page, SMALL, load},
};

mod resources {
    cache_runtime::resources! {
        /// What a population consists of.
        population { ttl = "1h" }
    }
}

/// The resource, as [`cache_runtime::Cache::invalidate`] takes it.
pub(crate) const RESOURCE: &str = "population";

/// What its entries match.
pub(crate) const PATTERN: &str = "cache:default:population:*";
const STAMP: &str = "cachestamp:default:population";

#[cached(resource = resources::population)]
async fn member() -> Page {
    load(0, SMALL)
}

/// One real entry, and how to copy it. What an invalidation and a sweep look at are keys and stamps; the arguments that an
/// entry is of are checked by reads alone.
pub(crate) struct Population {
    connection: Connection,
    stamp: Vec<u8>,
    entry: Vec<u8>,
}

impl Population {
    /// Caches one result on the server.
    pub(crate) fn found(runtime: &Runtime, server: &RedisServer) -> Result<Self> {
        runtime.block_on(async {
            let cache = reaching(server, patient()).await;
            cache_runtime::with_cache(cache.clone(), member()).await;
            cache.close().await;
        });
        let keys: Vec<String> = server.command(["KEYS", PATTERN])?;
        let key = keys.first().context("nothing was stored")?;
        Ok(Self {
            connection: redis::Client::open(server.url())?.get_connection()?,
            stamp: server.command(["GET", STAMP])?,
            entry: server.command(["GET", key])?,
        })
    }

    /// Lets there be so many of them, all alive.
    pub(crate) fn settle(&mut self, count: u32) -> Result<()> {
        const AT_ONCE: u32 = 1000;
        self.revive()?;
        for first in (0..count).step_by(AT_ONCE as usize) {
            let mut fill = redis::pipe();
            for number in first..count.min(first + AT_ONCE) {
                let key = format!("{}{number:012x}", PATTERN.trim_end_matches('*'));
                fill.cmd("SET").arg(key).arg(&self.entry).arg("EX").arg(3600).ignore();
            }
            fill.exec(&mut self.connection)?;
        }
        let keys: u32 = redis::cmd("DBSIZE").query(&mut self.connection)?;
        ensure!(keys > count, "{keys} keys where {count} entries were stored");
        Ok(())
    }

    /// Undoes an invalidation: the entries were loaded under this stamp.
    pub(crate) fn revive(&mut self) -> Result<()> {
        redis::cmd("SET")
            .arg(STAMP)
            .arg(&self.stamp)
            .exec(&mut self.connection)?;
        Ok(())
    }

    /// What one would write by hand: looks for the entries, and deletes them.
    pub(crate) fn scan_and_unlink(&mut self) -> Result<u32> {
        let (mut cursor, mut removed) = (0_u64, 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(PATTERN).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query(&mut self.connection)?;
            if !keys.is_empty() {
                removed += redis::cmd("UNLINK").arg(keys).query::<u32>(&mut self.connection)?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(removed);
            }
        }
    }
}
