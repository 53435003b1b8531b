use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cache_runtime::{Cache, cached, invalidates, store::RedisConfig, with_cache, with_tenant};
use cache_testkit::{Direction, FaultProxy, RedisServer};
use fastrand::Rng;
use tokio::{task::JoinSet, time::sleep};

use super::Bounds;

mod resources {
    cache_runtime::resources! {
        document { ttl = "1m", scope(owner: u32) }
    }
}

const READERS: u32 = 8;
const WRITERS: u32 = 4;
const TENANTS: u32 = 40;
const OWNERS: u32 = 50_000;

/// How long the store is there and how long it is away: long enough to fill the near cache and the journal.
const THERE: Duration = Duration::from_secs(4);
const AWAY: Duration = Duration::from_secs(4);

#[cached(resource = resources::document, scope(owner), near = "tracked")]
async fn document(owner: u32, number: u32) -> Arc<str> {
    "x".repeat(200 + (number as usize % 20) * 400).into()
}

#[invalidates(resources::document(owner))]
async fn change(owner: u32) {}

/// A process's work, until it is ended.
pub(super) struct Pressure {
    cache: Cache,
    work: JoinSet<Infallible>,
    _server: RedisServer,
}

/// Begins to read, to write and to cut the store off, again and again.
pub(super) async fn start(seed: u64, bounds: Bounds) -> Result<Pressure> {
    let server = RedisServer::builder()
        .config("maxmemory", "256mb")
        .config("maxmemory-policy", "allkeys-lru")
        .start()?;
    let port = server.port().context("the server listens on a port")?;
    let way = FaultProxy::start(([127, 0, 0, 1], port))?;
    let config = RedisConfig::new(&format!("redis://{}", way.address())).map_err(anyhow::Error::msg)?;
    let cache = Cache::builder()
        .redis(config)
        .near_capacity(bounds.near_capacity)
        .journal_limit(bounds.journal_limit as usize)
        .build();
    ensure!(cache.ready(Duration::from_secs(10)).await, "the store was not reached");

    let mut random = Rng::with_seed(seed);
    let mut work = JoinSet::new();
    for worker in 0..READERS + WRITERS {
        let mut random = random.fork();
        work.spawn(with_cache(cache.clone(), async move {
            loop {
                let tenant = random.u32(0..TENANTS);
                let owner = random.u32(0..OWNERS);
                if worker < READERS {
                    // Some owners are asked for again and again.
                    let owner = owner.min(random.u32(0..OWNERS)).min(random.u32(0..OWNERS));
                    with_tenant(tenant, document(owner, random.u32(0..100))).await;
                    sleep(Duration::from_micros(200)).await;
                } else {
                    with_tenant(tenant, change(owner)).await;
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    work.spawn(cut_off(way));
    Ok(Pressure {
        cache,
        work,
        _server: server,
    })
}

async fn cut_off(way: FaultProxy) -> Infallible {
    loop {
        sleep(THERE).await;
        way.black_hole(Direction::Both);
        sleep(AWAY).await;
        way.heal();
    }
}

impl Pressure {
    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Stops the work.
    pub(super) async fn end(mut self) -> Result<()> {
        if let Some(ended) = self.work.try_join_next() {
            match ended.context("a worker panicked")? {}
        }
        self.work.shutdown().await;
        Ok(())
    }
}
