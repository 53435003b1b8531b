//! The dashboards: what a company's books add up to. Each reads tens of thousands of rows.

mod cashflow;
mod detailed;
mod maturity;
mod performance;
mod summary;
mod trends;

pub use cashflow::{Cashflow, Expected};
pub use detailed::{DetailedInvoice, Status};
pub use maturity::{Bucket, Debtor, Maturity};
pub use performance::{PartnerPerformance, Performance};
pub use summary::{PartnerTotal, Summary};
pub use trends::{MonthTotal, Period, Trends};

use crate::db::Books;

/// Reads the dashboards.
#[derive(Clone, Debug)]
pub struct DashboardService {
    books: Books,
}

impl DashboardService {
    pub(super) fn new(books: Books) -> Self {
        Self { books }
    }
}

/// A share in percent, with one decimal; zero of nothing is nothing.
#[expect(clippy::cast_precision_loss, reason = "a percentage for the eye")]
fn percent(part: i64, whole: i64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        (part as f64 / whole as f64 * 1000.0).round() / 10.0
    }
}
