//! The examples that the documentation of the macros shows.

use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};

use crate::{AppError, Filter};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Invoice {
    id: i64,
    company: i64,
}

struct Database;

impl Database {
    async fn invoices(&self, company: i64, filter: &Filter) -> Result<Vec<Invoice>, AppError> {
        tokio::task::yield_now().await;
        if filter.page > 0 {
            Err(AppError("no such page"))
        } else {
            Ok(vec![Invoice { id: 1, company }])
        }
    }

    async fn mark_paid(&self, id: i64) -> Result<Invoice, AppError> {
        tokio::task::yield_now().await;
        Ok(Invoice { id, company: 7 })
    }
}

struct InvoiceService {
    db: Database,
}

impl InvoiceService {
    #[cached(resource = "invoices_list", ttl = 60, scope(company))]
    async fn invoices(&self, company: i64, filter: &Filter, username: &str) -> Result<Vec<Invoice>, AppError> {
        self.db.invoices(company, filter).await
    }

    #[invalidates("invoice_data"(company = result.company), "companies_list", "dashboard_*")]
    async fn mark_paid(&self, invoice_id: i64) -> Result<Invoice, AppError> {
        self.db.mark_paid(invoice_id).await
    }
}

#[tokio::test]
async fn the_documented_service_compiles_and_runs() {
    let service = InvoiceService { db: Database };
    let filter = Filter::default();
    assert_eq!(
        service.invoices(7, &filter, "anna").await,
        Ok(vec![Invoice { id: 1, company: 7 }])
    );
    assert_eq!(service.mark_paid(1).await, Ok(Invoice { id: 1, company: 7 }));
}
