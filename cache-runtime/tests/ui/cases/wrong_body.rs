#[path = "common/mod.rs"]
mod cache_resources;

use async_trait::async_trait;
use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list")]
async fn mismatched_tail(n: i64) -> String {
    n
}

#[cached(resource = "companies_list")]
async fn mismatched_return(n: i64) -> Result<i64, String> {
    if n > 0 {
        return n;
    }
    Ok(n)
}

#[invalidates("companies_list")]
async fn mismatched_question_mark(n: Option<i64>) -> Result<i64, String> {
    Ok(n?)
}

#[async_trait]
trait Rates {
    async fn rate(&self, n: i64) -> String;
}

struct Fixed;

#[async_trait]
impl Rates for Fixed {
    #[cached(resource = "companies_list")]
    async fn rate(&self, n: i64) -> String {
        n
    }
}

type BoxFut<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[cached(resource = "companies_list")]
fn mismatched_alias(n: i64) -> BoxFut<'static, String> {
    Box::pin(async move { n })
}

fn main() {}
