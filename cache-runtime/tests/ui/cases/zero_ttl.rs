#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[cached(resource = "companies_list", ttl = 0)]
async fn seconds() -> i64 {
    1
}

#[cached(resource = "companies_list", ttl = "0s")]
async fn text() -> i64 {
    1
}

#[cached(resource = "companies_list", ttl = -1)]
async fn negative() -> i64 {
    1
}

mod declared {
    use std::time::Duration;

    const NOTHING: Duration = Duration::ZERO;

    cache_runtime::resources! {
        as_an_expression { ttl = NOTHING }
    }
}

mod declared_as_a_literal {
    cache_runtime::resources! {
        seconds { ttl = 0 }
        text { ttl = "0ms" }
    }
}

fn main() {}
