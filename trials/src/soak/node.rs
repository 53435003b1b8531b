//! The service that is watched, and its callers, in one process.

mod alone;
mod bounds;
mod callers;
mod careless;
mod database;
mod documents;
mod floors;
mod site;

use std::sync::Arc;

use anyhow::Result;
use cache_runtime::{Cache, SigningKey, store::RedisConfig};
use clap::Args;
use fastrand::Rng;
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    runtime::Handle,
};

use self::{callers::Crowd, site::Site};
use super::orders::{Callers, Counts, Order};
use crate::lab::{reach, redis::Redis, runtime};

/// What each near cache may take: a part of what is read.
const NEAR_CAPACITY: u64 = 8 << 20;

/// The hidden subcommand that makes this process the service.
#[derive(Debug, Args)]
pub(crate) struct NodeOptions {
    #[arg(long)]
    seed: u64,
    /// A URL for each of the caches.
    #[arg(long, required = true)]
    redis: Vec<String>,
}

/// Does what it is told until standard input ends, which it does with the process that started this one at the latest.
///
/// # Errors
///
/// If an order is not understood.
pub(crate) fn run(options: &NodeOptions) -> Result<()> {
    runtime::run_node(obey(options))
}

async fn obey(options: &NodeOptions) -> Result<()> {
    reach::listen();
    let caches = options.redis.iter().map(|url| {
        let config = RedisConfig::new(url).map_err(anyhow::Error::msg)?;
        // Without signatures an entry that somebody has changed is as good as any other, if it can be read.
        let key = SigningKey::new("of the soak, and no secret").map_err(anyhow::Error::msg)?;
        let cache = Cache::builder().redis(config).signing_key(key);
        Ok(cache.near_capacity(NEAR_CAPACITY).build())
    });
    let caches: Vec<_> = caches.collect::<Result<_>>()?;
    let redis = Redis::at(&options.redis[0])?;
    let site = Arc::new(Site::new(caches.clone()));
    let mut crowd = Crowd::new(Arc::clone(&site), Rng::with_seed(options.seed));
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        match serde_json::from_str(&order)? {
            Order::Fill => answer(&crowd.fill().await),
            Order::Callers(callers) => {
                crowd.replace(callers).await;
                answer(&());
            }
            Order::Count => answer(&count(&site, &caches)),
            Order::CallAlone => answer(&alone::call(&site, &redis).await),
        }
    }
    crowd.replace(Callers::NOBODY).await;
    for cache in caches {
        cache.close().await;
    }
    Ok(())
}

fn answer(answer: &impl Serialize) {
    println!(
        "{}",
        serde_json::to_string(answer).expect("figures and texts are written as they are")
    );
}

fn count(site: &Site, caches: &[Cache]) -> Counts {
    let stats: Vec<_> = caches.iter().map(Cache::stats).collect();
    Counts {
        hits: stats.iter().map(|stats| stats.hits + stats.near_hits).sum(),
        taken_over: stats.iter().map(|stats| stats.taken_over_loads).sum(),
        pending_invalidations: stats.iter().map(|stats| stats.pending_invalidations).sum(),
        tasks: Handle::current().metrics().num_alive_tasks() as u64,
        ..site.counts()
    }
}
