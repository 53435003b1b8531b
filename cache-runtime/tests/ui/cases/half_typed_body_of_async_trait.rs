#[path = "common/mod.rs"]
mod cache_resources;

use async_trait::async_trait;
use cache_runtime::cached;

#[async_trait]
trait Rates {
    async fn rate(&self, n: i64) -> i64;
}

struct Fixed;

#[async_trait]
impl Rates for Fixed {
    #[cached(resource = "companies_list")]
    async fn rate(&self, n: i64) -> i64 {
        n +
    }
}

fn main() {}
