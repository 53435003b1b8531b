//! The searchable table of invoices with what became of them.
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::DashboardService;
use crate::{
    day::Day,
    db::query,
    error::AppError,
    model::{Invoice, Page, Paging},
    money::Money,
    services::require_company,
};

/// An invoice and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DetailedInvoice {
    /// The invoice.
    #[serde(flatten)]
    pub invoice: Invoice,
    /// What is still owed.
    pub unpaid: Money,
    /// What became of it.
    pub status: Status,
    /// Days since it should have been paid; zero when it was, or is not due yet.
    pub days_overdue: i64,
}

/// What became of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Paid in full.
    Paid,
    /// Not paid in full, and there is time.
    Open,
    /// Not paid in full, and late.
    Overdue,
}

impl DetailedInvoice {
    fn of(invoice: Invoice, today: Day) -> Self {
        let unpaid = invoice.amount - invoice.paid;
        let (status, days_overdue) = if unpaid <= Money::default() {
            (Status::Paid, 0)
        } else if invoice.due_on < today {
            (Status::Overdue, today.days_since(invoice.due_on))
        } else {
            (Status::Open, 0)
        };
        Self {
            invoice,
            unpaid,
            status,
            days_overdue,
        }
    }
}

impl DashboardService {
    /// A page of the invoices whose number or partner contains `search`, those that owe most first.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "dashboard_detailed_data", scope(company), load_timeout)]
    pub async fn detailed(
        &self,
        tenant_id: &str,
        company: i64,
        search: &str,
        page: i64,
        page_size: i64,
    ) -> Result<Page<DetailedInvoice>, AppError> {
        require_company(&self.books.db, tenant_id, company).await?;
        let paging = Paging { page, page_size };
        let pattern = contains(search);
        let count = query::<(i64,)>(COUNT)
            .bind(tenant_id)
            .bind(company)
            .bind(pattern.as_str());
        let (total,) = self.books.db.one(count).await?;
        let list = query::<Invoice>(LIST)
            .bind(tenant_id)
            .bind(company)
            .bind(pattern.as_str())
            .bind(page_size)
            .bind(paging.offset());
        let today = self.books.today;
        let invoices = self.books.db.all(list).await?;
        Ok(paging.of(
            invoices
                .into_iter()
                .map(|invoice| DetailedInvoice::of(invoice, today))
                .collect(),
            total,
        ))
    }
}

/// The `LIKE` pattern for "contains this text", whatever its case; `\` is the escape character of the queries below.
fn contains(text: &str) -> String {
    let escaped = text
        .to_lowercase()
        .replace('\\', r"\\")
        .replace('%', r"\%")
        .replace('_', r"\_");
    format!("%{escaped}%")
}

const COUNT: &str = r"
    SELECT COUNT(*)
    FROM invoices i JOIN partners n ON n.id = i.partner_id
    WHERE i.tenant_id = $1 AND i.company_id = $2
      AND (LOWER(n.name) LIKE $3 ESCAPE '\' OR LOWER(i.number) LIKE $3 ESCAPE '\')";

/// `MATERIALIZED` for the same reason as in `each_invoice!`.
const LIST: &str = r"
    WITH e AS MATERIALIZED (
        SELECT i.id, i.number, i.company_id AS company, i.partner_id AS partner, n.name AS partner_name, i.amount,
               (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM payments p WHERE p.invoice_id = i.id) AS paid,
               i.issued_on, i.due_on
        FROM invoices i JOIN partners n ON n.id = i.partner_id
        WHERE i.tenant_id = $1 AND i.company_id = $2
          AND (LOWER(n.name) LIKE $3 ESCAPE '\' OR LOWER(i.number) LIKE $3 ESCAPE '\')
    )
    SELECT id, number, company, partner, partner_name, amount, paid, issued_on, due_on
    FROM e ORDER BY amount - paid DESC, id DESC LIMIT $4 OFFSET $5";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_types_is_never_a_wildcard() {
        assert_eq!(contains("50%_Off\\"), r"%50\%\_off\\%");
    }
}
