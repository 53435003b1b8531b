//! The home page: what was invoiced, paid and is owed.
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::DashboardService;
use crate::{
    day::Day,
    db::{query, read_from_row},
    error::AppError,
    money::Money,
    services::require_company,
};

/// Totals of a company.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The company.
    pub company: i64,
    /// The day the numbers stand for.
    pub as_of: Day,
    /// How many invoices there are.
    pub invoices: i64,
    /// What they add up to.
    pub invoiced: Money,
    /// What has been paid of it.
    pub paid: Money,
    /// What has not.
    pub unpaid: Money,
    /// How many invoices are not paid in full.
    pub unpaid_invoices: i64,
    /// What should have been paid by now and was not.
    pub overdue: Money,
    /// How many invoices that is.
    pub overdue_invoices: i64,
    /// What was invoiced this month.
    pub invoiced_this_month: Money,
    /// The balance of the treasury.
    pub cash: Money,
    /// The ten partners with the largest amounts invoiced.
    pub top_partners: Vec<PartnerTotal>,
}

/// What one partner was invoiced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartnerTotal {
    /// The partner.
    pub partner: i64,
    /// Their name.
    pub name: String,
    /// How many invoices they got.
    pub invoices: i64,
    /// What those add up to.
    pub invoiced: Money,
    /// What is still owed.
    pub unpaid: Money,
}

read_from_row!(PartnerTotal {
    partner,
    name,
    invoices,
    invoiced,
    unpaid
});

struct Totals {
    invoices: i64,
    invoiced: Money,
    paid: Money,
    unpaid_invoices: i64,
    overdue: Money,
    overdue_invoices: i64,
    invoiced_this_month: Money,
}

read_from_row!(Totals {
    invoices,
    invoiced,
    paid,
    unpaid_invoices,
    overdue,
    overdue_invoices,
    invoiced_this_month
});

impl DashboardService {
    /// What was invoiced, paid and is owed.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "dashboard_summary", scope(company), stale_while_revalidate)]
    pub async fn summary(&self, tenant_id: &str, company: i64) -> Result<Summary, AppError> {
        let db = &self.books.db;
        require_company(db, tenant_id, company).await?;
        let today = self.books.today;
        let totals = query(TOTALS)
            .bind(tenant_id)
            .bind(company)
            .bind(today)
            .bind(today.month_start(0));
        let totals: Totals = db.one(totals).await?;
        let cash = query::<(Money,)>(CASH).bind(tenant_id).bind(company);
        let (cash,) = db.one(cash).await?;
        Ok(Summary {
            company,
            as_of: today,
            invoices: totals.invoices,
            invoiced: totals.invoiced,
            paid: totals.paid,
            unpaid: totals.invoiced - totals.paid,
            unpaid_invoices: totals.unpaid_invoices,
            overdue: totals.overdue,
            overdue_invoices: totals.overdue_invoices,
            invoiced_this_month: totals.invoiced_this_month,
            cash,
            top_partners: db.all(query(TOP_PARTNERS).bind(tenant_id).bind(company)).await?,
        })
    }
}

const TOTALS: &str = concat!(
    each_invoice!(),
    "
    SELECT COUNT(*) AS invoices,
           CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS invoiced,
           CAST(COALESCE(SUM(paid), 0) AS BIGINT) AS paid,
           CAST(COALESCE(SUM(CASE WHEN amount > paid THEN 1 ELSE 0 END), 0) AS BIGINT) AS unpaid_invoices,
           CAST(COALESCE(SUM(CASE WHEN due_on < $3 THEN amount - paid ELSE 0 END), 0) AS BIGINT) AS overdue,
           CAST(COALESCE(SUM(CASE WHEN due_on < $3 AND amount > paid THEN 1 ELSE 0 END), 0) AS BIGINT)
               AS overdue_invoices,
           CAST(COALESCE(SUM(CASE WHEN issued_on >= $4 THEN amount ELSE 0 END), 0) AS BIGINT) AS invoiced_this_month
    FROM each_invoice"
);

const CASH: &str = "
    SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM treasury_movements WHERE tenant_id = $1 AND company_id = $2";

const TOP_PARTNERS: &str = concat!(
    each_invoice!(),
    "
    SELECT n.id AS partner, n.name, COUNT(*) AS invoices, CAST(SUM(e.amount) AS BIGINT) AS invoiced,
           CAST(SUM(e.amount - e.paid) AS BIGINT) AS unpaid
    FROM each_invoice e JOIN partners n ON n.id = e.partner_id
    GROUP BY n.id, n.name ORDER BY SUM(e.amount) DESC, n.id LIMIT 10"
);
