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

type BoxFut<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[cached(resource = "companies_list")]
fn made_elsewhere(n: i64) -> BoxFut<'static, i64> {
    let made: BoxFut<'static, i64> = Box::pin(async move { n });
    made
}

fn main() {}
