//! A service as its authors would write it: five arguments, one of them nested, and pages of rows.

use std::{iter, sync::Arc};

use cache_runtime::cached;
use serde::{Deserialize, Serialize};

mod resources {
    cache_runtime::resources! {
        invoices { ttl = "1h", scope(company: i64) }
        numbers { ttl = "1h" }
    }
}

/// What a list is narrowed down to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Filter {
    pub(crate) status: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) amount: Range,
}

/// From least to most, in cents.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Range {
    pub(crate) least: i64,
    pub(crate) most: Option<i64>,
}

/// About 80 bytes of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    id: u64,
    number: String,
    customer: String,
    cents: i64,
    paid: bool,
}

/// As many rows.
pub(crate) fn rows(count: u64) -> Vec<Row> {
    let row = |id| Row {
        id,
        number: format!("2026-{id:05}"),
        customer: format!("Customer {}", id % 97),
        cents: 1999 + 250 * id.cast_signed(),
        paid: id % 3 == 0,
    };
    iter::successors(Some(1), |id| Some(id + 1))
        .take_while(|&id| id <= count)
        .map(row)
        .collect()
}

/// Five rows.
pub(crate) fn page() -> Vec<Row> {
    rows(5)
}

#[cached(resource = resources::invoices, scope(company))]
pub(crate) async fn stored(company: i64, page: u32, page_size: u32, sort: &str, filter: &Filter) -> Vec<Row> {
    self::page()
}

/// A load that lasts until everybody else has called.
#[cached(resource = resources::invoices, scope(company))]
pub(crate) async fn slow(company: i64) -> Vec<u64> {
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    (0..50).collect()
}

#[cached(resource = resources::invoices, scope(company), near = "tracked")]
pub(crate) async fn near(company: i64, page: u32, page_size: u32, sort: &str, filter: &Filter) -> Vec<Row> {
    self::page()
}

#[cached(resource = resources::invoices, scope(company), near = "tracked")]
pub(crate) async fn near_shared(company: i64, page: u32, page_size: u32, sort: &str, filter: &Filter) -> Arc<Vec<Row>> {
    Arc::new(self::page())
}

/// A small value of a single argument: what is left is what every near hit takes.
#[cached(resource = resources::numbers, near = "tracked")]
pub(crate) async fn near_number(id: i64) -> u64 {
    id.unsigned_abs()
}
