#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "invoices_list", scope(compny = company))]
async fn in_cached(company: i64) -> i64 {
    company
}

#[invalidates("invoice_data"(compny = company))]
async fn in_invalidates(company: i64) {}

fn main() {}
