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

impl Service {
    #[invalidates("sales"(company = result.0, region = self.region), "companies_list"(when = n > 1), detach)]
    async fn run_to_the_end<T: Send + Into<i64> + Copy + 'static>(
        self,
        n: i64,
        more: T,
        f: fn(&str) -> i64,
    ) -> (i64, T) {
        (n + f(&self.region), more)
    }
}

#[invalidates("companies_list"(when = amount > 0 && !dry), "invoices_list"(company = *result, when = result.is_positive()))]
async fn under_conditions(amount: i64, dry: bool) -> Result<i64, AppError> {
    Ok(if dry { 0 } else { amount })
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
    assert_eq!(under_conditions(3, false).await, Ok(3));
    let service = Service { region: "north".into() };
    let detached = crate::assert_send(service.run_to_the_end(1, 2_u8, |region| crate::count(region.len())));
    assert_eq!(detached.await, (6, 2));
}
