//! The services. Each is a handful of methods with SQL in them; the annotations are all that caching asks of them.
//!
//! Who may see what is decided *before* a cached method is called (see [`User`](crate::user::User)): a check inside
//! would be skipped by a hit, and a user in the key would give every user a copy of the same numbers.

/// The beginning of a query that needs to know what was paid of each invoice of the company `$2` of the tenant `$1`.
///
/// `MATERIALIZED` is for SQLite, which would compute `paid` once for every place that names it.
macro_rules! each_invoice {
    () => {
        "WITH each_invoice AS MATERIALIZED (
            SELECT i.partner_id, i.amount, i.issued_on, i.due_on,
                   (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM payments p WHERE p.invoice_id = i.id) AS paid
            FROM invoices i WHERE i.tenant_id = $1 AND i.company_id = $2
        )"
    };
}

mod companies;
pub mod dashboard;
mod invoices;
mod treasury;

pub use companies::{CompanyChange, CompanyService};
pub use dashboard::DashboardService;
pub use invoices::{
    Changed, InvoiceChange, InvoiceFilter, InvoiceService, InvoicesSummary, NewInvoice, NewSettlement, Settlement,
    YearTotal,
};
pub use treasury::{KindTotal, MonthFlow, NewMovement, Treasury, TreasuryService};

use crate::{
    db::{Books, Database, Transaction, query},
    error::AppError,
};

/// All services over the same books.
#[derive(Clone, Debug)]
pub struct Services {
    /// The dashboards.
    pub dashboard: DashboardService,
    /// Invoices and their payments.
    pub invoices: InvoiceService,
    /// Companies.
    pub companies: CompanyService,
    /// Treasury.
    pub treasury: TreasuryService,
}

impl Services {
    /// Services over `books`.
    pub fn new(books: &Books) -> Self {
        Self {
            dashboard: DashboardService::new(books.clone()),
            invoices: InvoiceService::new(books.clone()),
            companies: CompanyService::new(books.clone()),
            treasury: TreasuryService::new(books.clone()),
        }
    }
}

/// Sees to it that the company is one of the tenant's.
async fn require_company(db: &Database, tenant_id: &str, company: i64) -> Result<(), AppError> {
    let found = db
        .optional::<(i64,)>(query(COMPANY).bind(tenant_id).bind(company))
        .await?;
    found.map(|_| ()).ok_or(AppError::NotFound {
        field: "company",
        what: "company",
        id: company,
    })
}

/// The same inside a transaction: one that asked for a second connection could wait for those that wait for it.
async fn require_company_in(transaction: &mut Transaction, tenant_id: &str, company: i64) -> Result<(), AppError> {
    let found = transaction
        .optional::<(i64,)>(query(COMPANY).bind(tenant_id).bind(company))
        .await?;
    found.map(|_| ()).ok_or(AppError::NotFound {
        field: "company",
        what: "company",
        id: company,
    })
}

const COMPANY: &str = "SELECT id FROM companies WHERE tenant_id = $1 AND id = $2";
