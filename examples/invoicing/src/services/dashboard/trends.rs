//! Months in a row: what was invoiced and what was collected.
use std::collections::BTreeMap;

use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::{DashboardService, percent};
use crate::{
    day::Day,
    db::{query, read_from_row},
    error::AppError,
    money::Money,
    services::require_company,
};

/// How many months to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Period {
    /// Three months.
    #[serde(rename = "3m")]
    Quarter,
    /// Six months.
    #[serde(rename = "6m")]
    HalfYear,
    /// Twelve months.
    #[serde(rename = "12m")]
    Year,
    /// Twenty-four months.
    #[serde(rename = "24m")]
    TwoYears,
}

impl Period {
    /// Reads `3m`, `6m`, `12m` or `24m`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "3m" => Some(Self::Quarter),
            "6m" => Some(Self::HalfYear),
            "12m" => Some(Self::Year),
            "24m" => Some(Self::TwoYears),
            _ => None,
        }
    }

    /// How many months it has.
    pub fn months(self) -> i64 {
        match self {
            Self::Quarter => 3,
            Self::HalfYear => 6,
            Self::Year => 12,
            Self::TwoYears => 24,
        }
    }
}

/// Months in a row, the current one last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trends {
    /// The company.
    pub company: i64,
    /// How many months.
    pub period: Period,
    /// The months.
    pub months: Vec<MonthTotal>,
    /// As many months before those, when a comparison was asked for.
    pub previous: Option<Vec<MonthTotal>>,
    /// By how many percent more (or less) was invoiced than in the months before.
    pub change_percent: Option<f64>,
}

/// One month.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MonthTotal {
    /// `YYYY-MM`.
    pub month: String,
    /// Invoices issued.
    pub invoices: i64,
    /// What they add up to.
    pub invoiced: Money,
    /// What was collected in the month, on invoices of any month.
    pub collected: Money,
}

#[derive(Default)]
struct Issued {
    month: String,
    invoices: i64,
    invoiced: Money,
}

read_from_row!(Issued {
    month,
    invoices,
    invoiced
});

impl DashboardService {
    /// Months in a row, and with `compare` as many before them.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "dashboard_trends", scope(company), lease, stale_while_revalidate)]
    pub async fn trends(
        &self,
        tenant_id: &str,
        company: i64,
        period: Period,
        compare: bool,
    ) -> Result<Trends, AppError> {
        require_company(&self.books.db, tenant_id, company).await?;
        let months = period.months();
        let shown = self.months(tenant_id, company, 1 - months, months).await?;
        let previous = if compare {
            Some(self.months(tenant_id, company, 1 - 2 * months, months).await?)
        } else {
            None
        };
        let change_percent = previous.as_deref().map(|previous| {
            let (now, before) = (invoiced(&shown), invoiced(previous));
            percent(now - before, before)
        });
        Ok(Trends {
            company,
            period,
            months: shown,
            previous,
            change_percent,
        })
    }

    /// `count` months from the one that begins `first` months from now; months without invoices are there too.
    async fn months(&self, tenant_id: &str, company: i64, first: i64, count: i64) -> Result<Vec<MonthTotal>, AppError> {
        let today = self.books.today;
        let (from, to) = (today.month_start(first), today.month_start(first + count));
        let bind = |sql| query::<Issued>(sql).bind(tenant_id).bind(company).bind(from).bind(to);
        let issued: Vec<Issued> = self.books.db.all(bind(ISSUED)).await?;
        let mut collected = self.collected(tenant_id, company, from, to).await?;
        let mut issued: BTreeMap<_, _> = issued.into_iter().map(|row| (row.month.clone(), row)).collect();
        let months = (first..first + count).map(|offset| {
            let month = today.month_start(offset).month();
            let row = issued.remove(&month).unwrap_or_default();
            let collected = collected.remove(&month).unwrap_or_default();
            MonthTotal {
                month,
                invoices: row.invoices,
                invoiced: row.invoiced,
                collected,
            }
        });
        Ok(months.collect())
    }

    async fn collected(
        &self,
        tenant_id: &str,
        company: i64,
        from: Day,
        to: Day,
    ) -> Result<BTreeMap<String, Money>, AppError> {
        let collected = query::<(String, Money)>(COLLECTED)
            .bind(tenant_id)
            .bind(company)
            .bind(from)
            .bind(to);
        Ok(self.books.db.all(collected).await?.into_iter().collect())
    }
}

fn invoiced(months: &[MonthTotal]) -> i64 {
    months.iter().map(|month| month.invoiced.minor()).sum()
}

const ISSUED: &str = "
    SELECT SUBSTR(issued_on, 1, 7) AS month, COUNT(*) AS invoices, CAST(SUM(amount) AS BIGINT) AS invoiced
    FROM invoices
    WHERE tenant_id = $1 AND company_id = $2 AND issued_on >= $3 AND issued_on < $4
    GROUP BY SUBSTR(issued_on, 1, 7)";

const COLLECTED: &str = "
    SELECT SUBSTR(p.paid_on, 1, 7) AS month, CAST(SUM(p.amount) AS BIGINT) AS collected
    FROM payments p JOIN invoices i ON i.id = p.invoice_id
    WHERE i.tenant_id = $1 AND i.company_id = $2 AND p.paid_on >= $3 AND p.paid_on < $4
    GROUP BY SUBSTR(p.paid_on, 1, 7)";
