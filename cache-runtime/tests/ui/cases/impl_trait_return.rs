#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list")]
async fn opaque() -> impl Iterator<Item = i64> {
    std::iter::empty()
}

#[cached(resource = "companies_list")]
async fn nested() -> Result<Vec<impl Clone>, String> {
    Ok(vec![1])
}

#[cached(resource = "companies_list")]
fn future() -> impl Future<Output = i64> {
    async { 1 }
}

#[invalidates("companies_list")]
async fn of_invalidates() -> impl Clone {
    1
}

fn main() {}
