#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list", ttl = 60, ttl = 61)]
async fn ttl() -> i64 {
    1
}

#[cached(resource = "companies_list", skip(a), skip(b))]
async fn skip(a: i64, b: i64) -> i64 {
    a + b
}

#[invalidates("companies_list", on = "ok", on = "always")]
async fn on() {}

#[invalidates("companies_list", "invoice_data", "companies_list")]
async fn target() {}

fn main() {}
