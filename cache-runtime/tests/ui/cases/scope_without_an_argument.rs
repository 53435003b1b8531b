#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "invoices_list", scope(company))]
async fn a_misspelt_argument(compagny: i64) -> i64 {
    compagny
}

#[cached(resource = "sales", scope(company, company, region = "north"))]
async fn twice(company: i64) -> i64 {
    company
}

#[invalidates("invoice_data"(company))]
async fn no_argument() {}

fn main() {}
