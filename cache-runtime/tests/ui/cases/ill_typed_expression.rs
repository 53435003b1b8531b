#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[cached(resource = "companies_list", ttl = seconds)]
async fn ttl(seconds: u64) -> i64 {
    1
}

#[cached(resource = "companies_list", when = page)]
async fn when(page: u64) -> i64 {
    1
}

#[cached(resource = "companies_list", unless = |value| value)]
async fn unless() -> i64 {
    1
}

struct Claims {
    tenant: Option<String>,
}

#[cached(resource = "companies_list", tenant = claims.tenant, skip(claims))]
async fn tenant(claims: Claims) -> i64 {
    1
}

fn main() {}
