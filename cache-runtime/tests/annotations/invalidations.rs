use cache_runtime::invalidates;

use crate::{AppError, Filter, cache_resources};

struct Service {
    region: String,
}

impl Service {
    #[invalidates("invoice_data"(company = result.company), "companies_list")]
    async fn by_the_result(&self, id: i64) -> Result<Filter, AppError> {
        if id < 0 {
            Err(AppError("no such invoice"))
        } else {
            Ok(Filter {
                company: id,
                ..Filter::default()
            })
        }
    }

    #[invalidates("dashboard_*"(company), cache_resources::invoices_list(company), on = "always")]
    async fn patterns_and_paths(&self, company: i64) -> Result<i64, AppError> {
        Ok(company)
    }

    #[invalidates("sales"(company = result.0, region = self.region), "sales"(region = self.region))]
    async fn mixed(&self) -> (i64, String) {
        (1, self.region.clone())
    }

    #[invalidates("invoices_list"(company = result.company))]
    async fn of_an_option(&self, filter: Option<Filter>) -> Option<Filter> {
        filter
    }

    #[invalidates("everything", tenant = self.region)]
    async fn without_a_value(&mut self) {
        self.region.clear();
    }
}

#[invalidates("invoices_list"(company = filter.company))]
async fn owned_argument(filter: Filter, tenant_id: String) -> Result<String, AppError> {
    drop(filter);
    Ok(tenant_id)
}

#[invalidates("exchange_rates")]
async fn borrowed_return(text: &str) -> &str {
    text.trim()
}

#[tokio::test]
async fn a_mutation_returns_what_its_body_returns() {
    let mut service = Service { region: "north".into() };
    assert_eq!(service.by_the_result(1).await.map(|filter| filter.company), Ok(1));
    assert_eq!(service.by_the_result(-1).await, Err(AppError("no such invoice")));
    assert_eq!(service.patterns_and_paths(2).await, Ok(2));
    assert_eq!(service.mixed().await, (1, "north".to_owned()));
    assert_eq!(service.of_an_option(None).await, None);
    service.without_a_value().await;
    assert_eq!(service.region, "");
    assert_eq!(owned_argument(Filter::default(), "t".into()).await, Ok("t".to_owned()));
    assert_eq!(borrowed_return(" x ").await, "x");
}
