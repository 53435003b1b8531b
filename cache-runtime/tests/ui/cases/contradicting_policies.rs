mod cache_resources {
    cache_runtime::resources! {
        plain {}
        news { stale_while_revalidate = "30s", negative_ttl = "10s" }
        slow { stale_if_error = "10m", load_timeout(soft = "1s") }
    }
}

use std::time::Duration;

use cache_runtime::cached;

const LONG: Duration = Duration::from_secs(5);

#[cached(resource = "plain", load_timeout(soft = "1s"))]
async fn nothing_old(page: u32) -> u32 {
    page
}

#[cached(resource = "news", load_timeout(soft = "1s"), stale_while_revalidate)]
async fn old_values_are_returned_at_once(page: u32) -> u32 {
    page
}

#[cached(resource = "slow", load_timeout, stale_if_error = "off")]
async fn old_switched_off_under_a_declared_timeout(page: u32) -> u32 {
    page
}

#[cached(resource = "news", load_timeout(soft = "1s"), stale_if_error = "off")]
async fn old_switched_off(page: u32) -> Result<u32, String> {
    Ok(page)
}

#[cached(resource = "plain", load_timeout(soft = "5s", hard = "1s"), stale_if_error = "30s")]
async fn late(page: u32) -> Result<u32, String> {
    Ok(page)
}

#[cached(resource = "plain", load_timeout(soft = LONG, hard = "5s"), stale_if_error = "30s")]
async fn late_by_a_constant(page: u32) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Ok(page)
}

#[cached(resource = "news", cache_err = |error| error.is_empty(), negative_ttl = "off")]
async fn errors_not_kept(page: u32) -> Result<u32, String> {
    Ok(page)
}

#[cached(resource = "plain", stale_if_error = Duration::ZERO, negative_ttl = Duration::from_micros(1))]
async fn nothing(page: u32) -> Result<Option<u32>, String> {
    Ok(Some(page))
}

#[cached(resource = "plain", stale_if_error = Duration::from_secs(seconds))]
async fn no_constant(seconds: u64) -> Result<u64, String> {
    Ok(seconds)
}

fn main() {}
