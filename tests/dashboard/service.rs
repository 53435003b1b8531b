//! The service whose cache is looked at.

use std::time::Duration;

use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) number: u32,
    pub(crate) customer: String,
}

#[cached(resource = "invoices_list", scope(company))]
pub(crate) async fn invoices(company: i64, page: u32) -> Vec<Invoice> {
    let customer = format!("Customer of {company}");
    vec![Invoice { number: page, customer }]
}

#[cached(resource = "notes", scope(title))]
pub(crate) async fn note(title: &str, text: &str) -> String {
    text.to_owned()
}

#[cached(resource = "exchange_rates")]
pub(crate) async fn rates() -> Vec<f64> {
    vec![1.07]
}

#[cached(resource = "balances", scope(company))]
pub(crate) async fn balance(company: i64) -> Result<i64, String> {
    if company < 0 {
        Err("no such company".to_owned())
    } else {
        Ok(company * 100)
    }
}

#[invalidates("company_data"(company), "found_data"(company))]
pub(crate) async fn pay(company: i64) {}

/// One of many calls: some keys are asked for often, most seldom.
pub(crate) async fn busy_call() {
    let company = fastrand::i64(0..=fastrand::i64(0..40));
    match fastrand::u8(..20) {
        0..10 => drop(listed(company, fastrand::u32(1..4)).await),
        10..15 => drop(summary(company).await),
        15..18 => drop(companies(fastrand::u8(..3)).await),
        _ => drop(rates().await),
    }
    if fastrand::u8(..100) == 0 {
        pay(company).await;
    }
}

#[cached(resource = "invoices_search", scope(company))]
async fn listed(company: i64, page: u32) -> Vec<Invoice> {
    sleep(Duration::from_millis(fastrand::u64(15..60))).await;
    let invoice = |number| Invoice {
        number,
        customer: format!("Customer {} of company {company}", number % 7),
    };
    (page * 20..page * 20 + 20).map(invoice).collect()
}

#[cached(resource = "dashboard_summary", scope(company), stale_while_revalidate)]
async fn summary(company: i64) -> i64 {
    sleep(Duration::from_millis(fastrand::u64(80..240))).await;
    company * 1_000
}

#[cached(resource = "companies_list")]
async fn companies(region: u8) -> Vec<String> {
    sleep(Duration::from_millis(fastrand::u64(4..9))).await;
    (0..10)
        .map(|number| format!("Company {number} of region {region}"))
        .collect()
}
