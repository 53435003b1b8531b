#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list")]
async fn cached_function(n: i64) -> i64 {
    let doubled = n * ;
    doubled.
}

#[invalidates("companies_list")]
async fn invalidating_function(n: i64) -> i64 {
    n +
}

fn main() {
    let _ = cached_function(1);
    let _ = invalidating_function(1);
}
