//! A worker without HTTP: every few seconds it looks into a warehouse and orders what runs low. Ctrl-C ends it between two rounds.

use std::sync::{Mutex, PoisonError};
use std::{collections::BTreeMap, convert::Infallible, error::Error, time::Duration};

use cache_runtime::{Cache, cached, invalidates, observe};
use tokio::{signal, time};

mod cache_resources {
    cache_runtime::resources! {
        /// What lies in a warehouse.
        stock { ttl = "1m", scope(warehouse: u32) }
    }
}

const EVERY: Duration = Duration::from_secs(5);
const ENOUGH: u32 = 10;

/// Stands in for the database.
#[derive(Default)]
struct Warehouses(Mutex<BTreeMap<(u32, String), u32>>);

impl Warehouses {
    #[cached(resource = "stock", scope(warehouse))]
    async fn stock(&self, warehouse: u32) -> Result<Vec<(String, u32)>, Infallible> {
        let stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = stock.iter().filter(|((place, _), _)| *place == warehouse);
        Ok(here.map(|((_, article), pieces)| (article.clone(), *pieces)).collect())
    }

    #[invalidates("stock"(warehouse))]
    async fn set(&self, warehouse: u32, article: &str, pieces: u32) -> Result<(), Infallible> {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stock.insert((warehouse, article.to_owned()), pieces);
        Ok(())
    }
}

/// One round. Returns what was ordered.
async fn order(warehouses: &Warehouses, warehouse: u32) -> Result<Vec<String>, Infallible> {
    let mut ordered = Vec::new();
    for (article, pieces) in warehouses.stock(warehouse).await? {
        if pieces < ENOUGH {
            warehouses.set(warehouse, &article, ENOUGH).await?;
            ordered.push(article);
        }
    }
    Ok(ordered)
}

/// Works until `stop` ends: never in the middle of a round.
async fn work(warehouses: &Warehouses, stop: impl Future) -> Result<(), Infallible> {
    let mut stop = std::pin::pin!(stop);
    let mut ticks = time::interval(EVERY);
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => return Ok(()),
            _ = ticks.tick() => {}
        }
        let (ordered, outcomes) = observe(order(warehouses, 1)).await;
        let outcomes: Vec<_> = outcomes.iter().map(|call| call.outcome.as_str()).collect();
        println!("ordered {:?} ({})", ordered?, outcomes.join(", "));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::from_env()?;
    cache.install();
    let warehouses = Warehouses::default();
    warehouses.set(1, "bolts", 3).await?;
    work(&warehouses, signal::ctrl_c()).await?;
    cache.close().await; // sends the invalidations that still wait
    Ok(())
}

#[cfg(test)]
mod tests;
