#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "invoices_list", scope(company))]
async fn an_argument(company: String) -> i64 {
    1
}

#[cached(resource = "sales", scope(company = 1, region = 2))]
async fn an_expression() -> i64 {
    1
}

#[invalidates("invoice_data"(company = result.len()))]
async fn the_result() -> Vec<i64> {
    Vec::new()
}

fn main() {}
