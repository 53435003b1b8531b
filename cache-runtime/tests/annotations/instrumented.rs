use async_trait::async_trait;
use cache_runtime::{cached, invalidates};
use tracing::instrument;

use crate::{AppError, Db, count};

struct Service;

impl Service {
    #[instrument(skip(self, db), fields(by = %username), err(Debug), ret)]
    #[cached(resource = "invoices_list", scope(company), skip(db))]
    async fn instrument_first(&self, db: &Db, company: i64, username: &str) -> Result<i64, AppError> {
        let Db = db;
        Ok(company)
    }

    #[cached(resource = "invoices_list", scope(company))]
    #[instrument(skip(self), fields(by = %username))]
    async fn cached_first(&self, company: i64, username: &str) -> Result<i64, AppError> {
        Ok(company)
    }

    #[instrument(skip(self))]
    #[invalidates("invoice_data"(company), detach)]
    async fn instrumented_to_the_end(self, company: i64, username: String) -> Result<i64, AppError> {
        Ok(company + count(username.len()))
    }

    #[instrument(skip(self))]
    #[invalidates("invoice_data"(company))]
    async fn instrumented_mutation(&self, company: i64, username: &str) -> Result<i64, AppError> {
        Ok(company + count(username.len()))
    }
}

#[async_trait]
trait Invoices {
    async fn instrument_first(&self, company: i64, pair: (i32, i32), username: &str) -> Result<i64, AppError>;
    async fn cached_first(&self, company: i64, pair: (i32, i32), username: &str) -> Result<i64, AppError>;
    async fn unit(&self, company: i64);
}

struct Boxed {
    base: i64,
}

#[async_trait]
impl Invoices for Boxed {
    #[instrument(skip(self), err(Debug), ret)]
    #[cached(resource = "invoices_list", scope(company), key(self.base))]
    async fn instrument_first(&self, company: i64, (a, b): (i32, i32), username: &str) -> Result<i64, AppError> {
        Ok(self.base + company + i64::from(a + b))
    }

    #[cached(resource = "invoices_list", scope(company), key(self.base))]
    #[instrument(skip(self))]
    async fn cached_first(&self, company: i64, (a, b): (i32, i32), username: &str) -> Result<i64, AppError> {
        Ok(self.base + company + i64::from(a + b))
    }

    #[instrument(skip(self))]
    #[invalidates("invoices_list"(company))]
    async fn unit(&self, company: i64) {
        tracing::info!(company, "changed");
    }
}

#[tokio::test]
async fn instrument_works_before_and_after() {
    assert_eq!(Service.instrument_first(&Db, 1, "anna").await, Ok(1));
    assert_eq!(Service.cached_first(2, "anna").await, Ok(2));
    assert_eq!(Service.instrumented_mutation(3, "anna").await, Ok(7));
    assert_eq!(Service.instrumented_to_the_end(3, "anna".to_owned()).await, Ok(7));
}

#[tokio::test]
async fn instrument_works_before_and_after_in_async_trait_implementations() {
    let service = Boxed { base: 10 };
    assert_eq!(service.instrument_first(1, (2, 3), "anna").await, Ok(16));
    assert_eq!(service.cached_first(1, (2, 3), "anna").await, Ok(16));
    service.unit(1).await;
}
