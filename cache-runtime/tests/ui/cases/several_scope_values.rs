//! `"name"(scope in values)`: several values of one scope, each of its type.

#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[invalidates("invoices_list"(company in companies))]
async fn of_another_type(companies: &[u8]) {}

#[invalidates("invoices_list"(company in company))]
async fn of_one_value(company: i64) {}

#[invalidates("sales"(company in companies, region in regions))]
async fn of_two_scopes(companies: &[i64], regions: &[String]) {
    let _ = (companies, regions);
}

#[invalidates("invoices_list"(company in companies, when = result))]
async fn known_at_different_times(companies: &[i64]) -> bool {
    !companies.is_empty()
}

#[invalidates("invoices_list"(company in companies, when in conditions))]
async fn of_conditions(companies: &[i64], conditions: &[bool]) {
    let _ = (companies, conditions);
}

#[cached(resource = "invoices_list", scope(company in companies))]
async fn of_a_result(companies: &[i64]) -> u32 {
    companies.len() as u32
}

fn main() {}
