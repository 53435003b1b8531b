#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "invoice_list", scope(company))]
async fn misspelt(company: i64) -> i64 {
    company
}

#[cached(resource = "weather")]
async fn nowhere_near() -> i64 {
    1
}

#[cached(resource = cache_resources::invoice_list, scope(company))]
async fn misspelt_path(company: i64) -> i64 {
    company
}

#[cached(resource = "invoice_data")]
async fn a_group() -> i64 {
    1
}

#[invalidates("invoices_data")]
async fn misspelt_group() {}

#[invalidates(cache_resources::invoices_data)]
async fn misspelt_group_path() {}

fn main() {}
