#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[cached(resource = "companies_list", stale_while_revalidate = 0, stale_if_error = "soon", negative_ttl = true)]
async fn durations() -> Result<Option<i64>, String> {
    Ok(None)
}

#[cached(resource = "companies_list", stale_if_error, negative_ttl, jitter, cache_err)]
async fn without_values() -> Result<Option<i64>, String> {
    Ok(None)
}

#[cached(resource = "companies_list", stale_while_revalidate("30s"), stale_while_revalidate = "none", refresh_ahead(2))]
async fn in_parentheses() -> i64 {
    1
}

#[cached(resource = "companies_list", jitter = 10)]
async fn jitter_without_percent() -> i64 {
    1
}

#[cached(resource = "companies_list", jitter = "110%", refresh_ahead = 0)]
async fn too_much() -> i64 {
    1
}

#[cached(resource = "companies_list", jitter = "0.1", refresh_ahead = "1.5")]
async fn no_numbers() -> i64 {
    1
}

#[cached(resource = "companies_list", load_timeout = "5s")]
async fn timeout_without_kind() -> i64 {
    1
}

#[cached(resource = "companies_list", load_timeout())]
async fn no_timeout() -> i64 {
    1
}

#[cached(resource = "companies_list", load_timeout(sofft = "1s"), negative_ttl = "off")]
async fn timeout_misspelt() -> i64 {
    1
}

#[cached(resource = "companies_list", load_timeout(soft, hard = "1s"))]
async fn timeout_without_value() -> i64 {
    1
}

#[cached(resource = "companies_list", load_timeout(soft = "off", hard = "1s"))]
async fn part_of_timeout_off() -> i64 {
    1
}

#[cached(resource = "companies_list", load_timeout(hard = "1s", hard = "2s"))]
async fn timeout_twice() -> Result<i64, String> {
    Ok(1)
}

#[cached(resource = "companies_list", ttl = |value, more| value)]
async fn ttl_of_two() -> i64 {
    1
}

#[cached(resource = "companies_list", ttl = || 1, cache_err = "not found", negative_ttl = "1s")]
async fn ttl_of_nothing() -> Result<i64, String> {
    Ok(1)
}

#[cached(resource = "companies_list", stale_while_revalidate = "30s", stale_while_revalidate = "30s", refresh_ahead = off)]
async fn given_twice() -> i64 {
    1
}

fn main() {}
