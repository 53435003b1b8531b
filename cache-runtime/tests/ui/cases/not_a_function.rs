#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list")]
struct Service;

trait Rates {
    #[cached(resource = "companies_list")]
    async fn rate(&self) -> i64;
}

#[invalidates("companies_list")]
const LIMIT: i64 = 1;

#[cached(resource = "companies_list")]
fn boxed_elsewhere() -> std::pin::Pin<Box<dyn Future<Output = i64>>> {
    let future = Box::pin(async { 1 });
    future
}

fn main() {
    let _ = (Service, LIMIT);
}
