#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list", tll = 60)]
async fn misspelt() -> i64 {
    1
}

#[cached(resource = "companies_list", stale_for = "5m", colour(red))]
async fn several() -> i64 {
    1
}

#[invalidates("companies_list", scope = 1)]
async fn of_invalidates() {}


#[cached(resource = "companies_list", swr = "5m", timeout = "5s", stale = "10m", refresh)]
async fn other_words() -> i64 {
    1
}

#[cached(resource = "companies_list", soft, max_loads = 2)]
async fn options_of_the_resource() -> i64 {
    1
}

fn main() {}
