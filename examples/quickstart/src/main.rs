//! The smallest program: one cached function, one mutation. Run it with or without `REDIS_URL`.

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use cache_runtime::{Cache, cached, invalidates, observe};

mod cache_resources {
    cache_runtime::resources! {
        /// What a product costs, in cents.
        prices { ttl = "1m", scope(product: u32) }
    }
}

/// Stands in for the database.
static PRICE: AtomicU32 = AtomicU32::new(1999);

#[cached(resource = "prices", scope(product))]
async fn price(product: u32) -> u32 {
    println!("             the body of `price` runs for product {product}");
    PRICE.load(Ordering::Relaxed)
}

#[invalidates("prices"(product))]
async fn set_price(product: u32, cents: u32) {
    println!("             product {product} now costs {cents}");
    PRICE.store(cents, Ordering::Relaxed);
}

/// Calls `price` and prints what the cache made of it.
async fn show() {
    let (cents, outcomes) = observe(price(7)).await;
    for call in &outcomes {
        println!("{:<12} {} = {cents}", call.outcome.as_str(), call.resource);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::from_env()?; // REDIS_URL; without it, this process alone
    cache.install();
    if !cache.ready(Duration::from_secs(2)).await {
        println!("Redis is not reached, so nothing is cached: every call runs its body.");
    }
    cache.invalidate("prices").await?; // an earlier run may have left some

    show().await;
    show().await;
    set_price(7, 1499).await;
    show().await;
    show().await;

    cache.close().await;
    Ok(())
}
