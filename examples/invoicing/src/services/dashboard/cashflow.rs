//! Money in and out, and what is expected.
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::DashboardService;
use crate::{
    db::query,
    error::AppError,
    money::Money,
    services::{require_company, treasury::MonthFlow},
};

/// Money in and out, and what is expected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cashflow {
    /// The company.
    pub company: i64,
    /// What is in the accounts.
    pub balance: Money,
    /// The last twelve months, the current one last.
    pub months: Vec<MonthFlow>,
    /// What unpaid invoices should bring in each of the next three periods of thirty days; what is overdue counts as
    /// due at once.
    pub expected: Vec<Expected>,
    /// What is in the accounts in ninety days, if all of it comes and spending goes on as in the last twelve months.
    pub balance_in_90_days: Money,
}

/// What should come in during thirty days.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Expected {
    /// How many days from now the period ends.
    pub within_days: i64,
    /// What should come in.
    pub amount: Money,
}

impl DashboardService {
    /// Money in and out, and what is expected.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "dashboard_cashflow", scope(company), lease, stale_while_revalidate)]
    pub async fn cashflow(&self, tenant_id: &str, company: i64) -> Result<Cashflow, AppError> {
        let db = &self.books.db;
        require_company(db, tenant_id, company).await?;
        let today = self.books.today;
        let (balance,) = db.one(query::<(Money,)>(BALANCE).bind(tenant_id).bind(company)).await?;
        let months = query::<MonthFlow>(MONTHS)
            .bind(tenant_id)
            .bind(company)
            .bind(today.month_start(-11));
        let months = db.all(months).await?;
        let expected = query::<(Money, Money, Money)>(EXPECTED)
            .bind(tenant_id)
            .bind(company)
            .bind(today.plus_days(30))
            .bind(today.plus_days(60))
            .bind(today.plus_days(90));
        let (first, second, third) = db.one(expected).await?;
        let spent_per_quarter = months.iter().map(|month| month.outflow.minor()).sum::<i64>() / 4;
        Ok(Cashflow {
            company,
            balance,
            months,
            expected: [(30, first), (60, second), (90, third)]
                .map(|(within_days, amount)| Expected { within_days, amount })
                .into(),
            balance_in_90_days: balance + first + second + third - Money::from_minor(spent_per_quarter),
        })
    }
}

const BALANCE: &str = "
    SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM treasury_movements WHERE tenant_id = $1 AND company_id = $2";

const MONTHS: &str = "
    SELECT SUBSTR(booked_on, 1, 7) AS month,
           CAST(SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS BIGINT) AS inflow,
           CAST(SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS BIGINT) AS outflow
    FROM treasury_movements WHERE tenant_id = $1 AND company_id = $2 AND booked_on >= $3
    GROUP BY SUBSTR(booked_on, 1, 7) ORDER BY month";

const EXPECTED: &str = concat!(
    each_invoice!(),
    "
    SELECT CAST(COALESCE(SUM(CASE WHEN due_on <= $3 THEN amount - paid ELSE 0 END), 0) AS BIGINT),
           CAST(COALESCE(SUM(CASE WHEN due_on > $3 AND due_on <= $4 THEN amount - paid ELSE 0 END), 0) AS BIGINT),
           CAST(COALESCE(SUM(CASE WHEN due_on > $4 AND due_on <= $5 THEN amount - paid ELSE 0 END), 0) AS BIGINT)
    FROM each_invoice"
);
