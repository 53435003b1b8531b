//! How business goes: growth, payment morale, days of sales outstanding.
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::{DashboardService, percent};
use crate::{
    db::{query, read_from_row},
    error::AppError,
    money::Money,
    services::require_company,
};

/// How business goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Performance {
    /// The company.
    pub company: i64,
    /// What was invoiced in the last 365 days.
    pub invoiced: Money,
    /// What was invoiced in the 365 days before those.
    pub invoiced_before: Money,
    /// By how many percent it grew.
    pub growth_percent: f64,
    /// Of the payments of the last 365 days, the share that came in time.
    pub paid_on_time_percent: f64,
    /// What is owed, in days of sales: 365 times what is unpaid, by what was invoiced in the last 365 days.
    pub days_of_sales_outstanding: f64,
    /// The ten partners that were invoiced most in the last 365 days.
    pub partners: Vec<PartnerPerformance>,
}

/// How business goes with one partner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartnerPerformance {
    /// The partner.
    pub partner: i64,
    /// Their name.
    pub name: String,
    /// What they were invoiced in the last 365 days.
    pub invoiced: Money,
    /// Of their payments, the share that came in time.
    pub paid_on_time_percent: f64,
}

struct Totals {
    invoiced: i64,
    before: i64,
    unpaid: i64,
}

read_from_row!(Totals {
    invoiced,
    before,
    unpaid
});

struct Morale {
    partner: i64,
    name: String,
    invoiced: Money,
    payments: i64,
    in_time: i64,
}

read_from_row!(Morale {
    partner,
    name,
    invoiced,
    payments,
    in_time
});

impl DashboardService {
    /// How business goes.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "dashboard_performance", scope(company), lease, stale_while_revalidate)]
    pub async fn performance(&self, tenant_id: &str, company: i64) -> Result<Performance, AppError> {
        let db = &self.books.db;
        require_company(db, tenant_id, company).await?;
        let year = self.books.today.plus_days(-365);
        let totals = query(TOTALS)
            .bind(tenant_id)
            .bind(company)
            .bind(year)
            .bind(year.plus_days(-365));
        let totals: Totals = db.one(totals).await?;
        let morale = query::<Morale>(MORALE).bind(tenant_id).bind(company).bind(year);
        let morale = db.all(morale).await?;
        let payments = morale.iter().map(|row| row.payments).sum();
        let in_time = morale.iter().map(|row| row.in_time).sum();
        Ok(Performance {
            company,
            invoiced: Money::from_minor(totals.invoiced),
            invoiced_before: Money::from_minor(totals.before),
            growth_percent: percent(totals.invoiced - totals.before, totals.before),
            paid_on_time_percent: percent(in_time, payments),
            days_of_sales_outstanding: percent(totals.unpaid * 365, totals.invoiced * 100),
            partners: morale.into_iter().take(10).map(PartnerPerformance::from).collect(),
        })
    }
}

impl From<Morale> for PartnerPerformance {
    fn from(row: Morale) -> Self {
        Self {
            partner: row.partner,
            name: row.name,
            invoiced: row.invoiced,
            paid_on_time_percent: percent(row.in_time, row.payments),
        }
    }
}

const TOTALS: &str = concat!(
    each_invoice!(),
    "
    SELECT CAST(COALESCE(SUM(CASE WHEN issued_on > $3 THEN amount ELSE 0 END), 0) AS BIGINT) AS invoiced,
           CAST(COALESCE(SUM(CASE WHEN issued_on <= $3 AND issued_on > $4 THEN amount ELSE 0 END), 0) AS BIGINT)
               AS before,
           CAST(COALESCE(SUM(amount - paid), 0) AS BIGINT) AS unpaid
    FROM each_invoice"
);

const MORALE: &str = "
    SELECT n.id AS partner, n.name, CAST(SUM(e.amount) AS BIGINT) AS invoiced,
           CAST(SUM(e.payments) AS BIGINT) AS payments, CAST(SUM(e.in_time) AS BIGINT) AS in_time
    FROM (
        SELECT i.partner_id, i.amount,
               (SELECT COUNT(*) FROM payments p WHERE p.invoice_id = i.id) AS payments,
               (SELECT COUNT(*) FROM payments p WHERE p.invoice_id = i.id AND p.paid_on <= i.due_on) AS in_time
        FROM invoices i WHERE i.tenant_id = $1 AND i.company_id = $2 AND i.issued_on > $3
    ) AS e JOIN partners n ON n.id = e.partner_id
    GROUP BY n.id, n.name ORDER BY SUM(e.amount) DESC, n.id";
