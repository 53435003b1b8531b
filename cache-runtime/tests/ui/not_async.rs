#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list")]
fn cached_function() -> i64 {
    1
}

struct Service;

impl Service {
    #[invalidates("companies_list")]
    pub fn invalidating_method(&self) -> i64 {
        1
    }
}

fn main() {}
