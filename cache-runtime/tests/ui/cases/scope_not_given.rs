#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[cached(resource = "invoices_list")]
async fn without(company: i64) -> i64 {
    company
}

#[cached(resource = "sales", scope(company))]
async fn one_of_two(company: i64) -> i64 {
    company
}

fn main() {}
