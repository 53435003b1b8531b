#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list", scope(company))]
async fn the_resource_has_none(company: i64) -> i64 {
    company
}

#[cached(resource = "invoices_list", scope(company, region = "north"))]
async fn the_resource_has_another(company: i64) -> i64 {
    company
}

#[invalidates("companies_list"(company))]
async fn a_target_has_none(company: i64) {}

#[invalidates("*_list"(company))]
async fn a_matched_resource_has_none(company: i64) {}

#[invalidates("invoice_data"(region = "north"))]
async fn a_member_has_none() {}

fn main() {}
