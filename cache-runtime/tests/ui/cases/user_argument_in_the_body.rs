#[path = "common/mod.rs"]
mod cache_resources;

use async_trait::async_trait;
use cache_runtime::cached;
use tracing::instrument;

#[cached(resource = "companies_list")]
async fn a_permission_check(n: i64, username: &str) -> Result<i64, String> {
    if username != "root" {
        return Err("not allowed".to_owned());
    }
    Ok(n)
}

#[cached(resource = "companies_list")]
async fn in_a_format_string(current_user: &str) -> String {
    format!("hello {current_user}")
}

#[cached(resource = "companies_list")]
async fn both(username: &str, current_user: &str) -> String {
    [username, current_user].concat()
}

#[instrument]
#[cached(resource = "companies_list")]
async fn under_instrument(username: &str) -> usize {
    username.len()
}

#[async_trait]
trait Rates {
    async fn rate(&self, username: &str) -> usize;
    async fn instrumented(&self, username: String) -> usize;
}

struct Fixed;

#[async_trait]
impl Rates for Fixed {
    #[cached(resource = "companies_list")]
    async fn rate(&self, username: &str) -> usize {
        username.len()
    }

    #[instrument(skip(self))]
    #[cached(resource = "companies_list")]
    async fn instrumented(&self, username: String) -> usize {
        username.len()
    }
}

fn main() {}
