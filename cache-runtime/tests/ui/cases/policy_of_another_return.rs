#[path = "common/mod.rs"]
mod cache_resources;

use std::collections::HashMap;

use cache_runtime::cached;

type Answer<T> = Result<T, String>;

#[cached(resource = "companies_list", negative_ttl = "10s")]
async fn never_none(page: u32) -> u32 {
    page
}

#[cached(resource = "companies_list", negative_ttl = "10s")]
async fn never_none_of_a_result(page: u32) -> Answer<u32> {
    Ok(page)
}

#[cached(resource = "companies_list", stale_if_error = "10m")]
async fn never_fails(page: u32) -> Option<u32> {
    Some(page)
}

#[cached(resource = "companies_list", cache_err = |error| true, negative_ttl = "10s")]
async fn has_no_error(page: u32) -> Option<u32> {
    Some(page)
}

#[derive(Debug)]
struct NotFound;

#[cached(resource = "companies_list", cache_err = |error| true, negative_ttl = "10s")]
async fn error_that_cannot_be_stored(page: u32) -> Result<u32, NotFound> {
    Ok(page)
}

#[cached(resource = "companies_list", each = ids, cache_err = |error| true, negative_ttl = "10s")]
async fn has_no_error_of_each(ids: &[u32]) -> HashMap<u32, u32> {
    HashMap::from([(ids[0], 1)])
}

#[cached(resource = "companies_list", each = ids, cache_err = |error| true, negative_ttl = "10s")]
async fn error_of_each_that_cannot_be_stored(ids: &[u32]) -> Result<HashMap<u32, u32>, NotFound> {
    Ok(HashMap::from([(ids[0], 1)]))
}

#[cached(resource = "companies_list", ttl = |value| value + 1)]
async fn no_lifetime(page: u32) -> u32 {
    page
}

#[cached(resource = "companies_list", negative_ttl = "10s", stale_if_error = "1m")]
async fn fine(page: u32) -> Answer<Option<u32>> {
    Ok(Some(page))
}

#[cached(resource = "companies_list", negative_ttl = "10s", stale_if_error = "1m")]
async fn fine_the_other_way_round(page: u32) -> Option<Answer<u32>> {
    Some(Ok(page))
}

fn main() {}
