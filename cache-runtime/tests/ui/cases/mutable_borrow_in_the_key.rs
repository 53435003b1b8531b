#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[cached(resource = "companies_list")]
async fn mutable_borrow(log: &mut Vec<String>, n: i64) -> i64 {
    log.push(n.to_string());
    n
}

fn main() {}
