#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = 5)]
async fn resource() -> i64 {
    1
}

#[cached(resource = "dashboard_*")]
async fn resource_pattern() -> i64 {
    1
}

#[cached(resource = "companies list")]
async fn resource_name() -> i64 {
    1
}

#[cached(resource = "companies_list", ttl = "soon", version = "two", skip = db, unless = true)]
async fn several(db: i64) -> i64 {
    1
}

#[cached(resource = "companies_list", near = "trakced", lease = "0s")]
async fn tiers() -> i64 {
    1
}

#[cached(resource = "companies_list", near = true, lease("2s"))]
async fn tiers_ill_typed() -> i64 {
    1
}

#[cached(resource = "companies_list", near)]
async fn near_without_a_value() -> i64 {
    1
}

#[cached(resource = "companies_list", ttl, when(true), key())]
async fn without_a_value() -> i64 {
    1
}

#[cached(resource = "companies_list", ttl = 1.5)]
async fn fraction() -> i64 {
    1
}

#[cached(resource = "companies_list" ttl = 60)]
async fn without_a_comma() -> i64 {
    1
}

#[cached(resource = "companies_list", key(f(1 2)), skip(a.b))]
async fn half_typed(a: i64) -> i64 {
    1
}

#[invalidates("companies_list", on = "error")]
async fn on() {}

#[cached(resource = "companies_list", codec = "postcrad")]
async fn codec_misspelt() -> i64 {
    1
}

#[cached(resource = "companies_list", codec = postcard)]
async fn codec_without_quotes() -> i64 {
    1
}

#[cached(resource = "companies_list", verify = "1%")]
async fn verified_in_percent() -> i64 {
    1
}

#[cached(resource = "companies_list", verify = 2)]
async fn verified_twice() -> i64 {
    1
}

fn main() {}
