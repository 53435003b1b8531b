#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached]
async fn nothing_at_all() -> i64 {
    1
}

#[cached(ttl = 60)]
async fn no_resource() -> i64 {
    1
}

#[invalidates]
async fn no_target() {}

#[invalidates(on = "always")]
async fn no_target_but_an_option() {}

fn main() {}
