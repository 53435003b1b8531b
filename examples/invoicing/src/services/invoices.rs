//! Invoices: reading them. What changes them is in `changes`.
mod changes;

use cache_runtime::cached;
use serde::{Deserialize, Serialize};

pub use self::changes::{Changed, InvoiceChange, NewInvoice, NewSettlement, Settlement};
use super::require_company;
use crate::{
    day::Day,
    db::{Books, query, read_from_row},
    error::AppError,
    model::{Invoice, Page, Paging},
    money::Money,
};

/// Reads, issues and changes invoices, and takes payments.
#[derive(Clone, Debug)]
pub struct InvoiceService {
    books: Books,
}

/// Which invoices to list. All of it is in the cache key.
#[derive(Clone, Debug, Serialize)]
pub struct InvoiceFilter {
    /// Only this partner's.
    pub partner: Option<i64>,
    /// Only those issued on this day or later.
    pub from: Option<Day>,
    /// Only those issued on this day or earlier.
    pub to: Option<Day>,
    /// Only those that are not paid in full.
    pub unpaid: bool,
    /// Which page.
    #[serde(flatten)]
    pub paging: Paging,
}

/// A company's invoices in total and by year.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InvoicesSummary {
    /// The company.
    pub company: i64,
    /// How many invoices there are.
    pub invoices: i64,
    /// What they add up to.
    pub invoiced: Money,
    /// What has been paid of it.
    pub paid: Money,
    /// What has not.
    pub unpaid: Money,
    /// The same by year of issue, the latest first.
    pub by_year: Vec<YearTotal>,
}

/// The invoices of one year.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct YearTotal {
    /// `YYYY`.
    pub year: String,
    /// How many invoices there are.
    pub invoices: i64,
    /// What they add up to.
    pub invoiced: Money,
    /// What has been paid of it.
    pub paid: Money,
}

read_from_row!(YearTotal {
    year,
    invoices,
    invoiced,
    paid
});

impl InvoiceService {
    pub(super) fn new(books: Books) -> Self {
        Self { books }
    }

    /// A page of a company's invoices, the latest first.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "invoices_list", scope(company))]
    pub async fn list(&self, tenant_id: &str, company: i64, filter: &InvoiceFilter) -> Result<Page<Invoice>, AppError> {
        require_company(&self.books.db, tenant_id, company).await?;
        // What is not asked for is bound as a value that lets every row through, so that the SQL is a constant.
        let count = query::<(i64,)>(COUNT)
            .bind(tenant_id)
            .bind(company)
            .bind(filter.from.unwrap_or(Day::FIRST))
            .bind(filter.to.unwrap_or(Day::LAST))
            .bind(filter.partner.unwrap_or(0))
            .bind(i64::from(filter.unpaid));
        let (total,) = self.books.db.one(count).await?;
        let list = query(LIST)
            .bind(tenant_id)
            .bind(company)
            .bind(filter.from.unwrap_or(Day::FIRST))
            .bind(filter.to.unwrap_or(Day::LAST))
            .bind(filter.partner.unwrap_or(0))
            .bind(i64::from(filter.unpaid))
            .bind(filter.paging.page_size)
            .bind(filter.paging.offset());
        Ok(filter.paging.of(self.books.db.all(list).await?, total))
    }

    /// A company's invoices in total and by year.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "invoices_summary", scope(company), near = "checked")]
    pub async fn summary(&self, tenant_id: &str, company: i64) -> Result<InvoicesSummary, AppError> {
        require_company(&self.books.db, tenant_id, company).await?;
        let by_year = query(BY_YEAR).bind(tenant_id).bind(company);
        let by_year: Vec<YearTotal> = self.books.db.all(by_year).await?;
        let invoiced = by_year.iter().map(|year| year.invoiced).sum::<Money>();
        let paid = by_year.iter().map(|year| year.paid).sum::<Money>();
        Ok(InvoicesSummary {
            company,
            invoices: by_year.iter().map(|year| year.invoices).sum(),
            invoiced,
            paid,
            unpaid: invoiced - paid,
            by_year,
        })
    }
}

const COUNT: &str = "
    SELECT COUNT(*) FROM invoices i
    WHERE i.tenant_id = $1 AND i.company_id = $2 AND i.issued_on >= $3 AND i.issued_on <= $4
      AND ($5 = 0 OR i.partner_id = $5)
      AND ($6 = 0 OR i.amount > (SELECT COALESCE(SUM(p.amount), 0) FROM payments p WHERE p.invoice_id = i.id))";

const LIST: &str = "
    SELECT i.id, i.number, i.company_id AS company, i.partner_id AS partner, n.name AS partner_name, i.amount,
           (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM payments p WHERE p.invoice_id = i.id) AS paid,
           i.issued_on, i.due_on
    FROM invoices i JOIN partners n ON n.id = i.partner_id
    WHERE i.tenant_id = $1 AND i.company_id = $2 AND i.issued_on >= $3 AND i.issued_on <= $4
      AND ($5 = 0 OR i.partner_id = $5)
      AND ($6 = 0 OR i.amount > (SELECT COALESCE(SUM(p.amount), 0) FROM payments p WHERE p.invoice_id = i.id))
    ORDER BY i.issued_on DESC, i.id DESC LIMIT $7 OFFSET $8";

const BY_YEAR: &str = concat!(
    each_invoice!(),
    "
    SELECT SUBSTR(issued_on, 1, 4) AS year, COUNT(*) AS invoices,
           CAST(SUM(amount) AS BIGINT) AS invoiced, CAST(SUM(paid) AS BIGINT) AS paid
    FROM each_invoice
    GROUP BY SUBSTR(issued_on, 1, 4) ORDER BY year DESC"
);
