use std::{pin::Pin, sync::Arc};

use cache_runtime::cached;

use crate::{AppError, Filter, assert_send};

#[derive(Debug, Clone)]
struct Service {
    region: String,
    base: i64,
}

impl Service {
    const STEP: i64 = 10;

    /// The documentation of the method.
    #[cached(resource = "invoices_list", scope(company), key(self.region))]
    #[must_use]
    pub(super) async fn by_reference(&self, company: i64) -> i64 {
        self.base + company + Self::STEP
    }

    #[cached(resource = "companies_list")]
    pub(crate) async fn by_value(self, n: i64) -> i64 {
        self.base + n
    }

    #[cached(resource = "companies_list")]
    async fn by_mutable_value(mut self, n: i64) -> i64 {
        self.base += n;
        self.base
    }

    #[cached(resource = "companies_list")]
    async fn by_mutable_reference(&mut self, n: i64) -> i64 {
        self.base += n;
        self.base
    }

    #[cached(resource = "companies_list", key(region = self.region.as_str()))]
    async fn by_arc(self: Arc<Self>, n: i64) -> i64 {
        self.base + n
    }

    #[cached(resource = "companies_list")]
    async fn by_box(self: Box<Self>, n: i64) -> i64 {
        self.base + n
    }

    #[cached(resource = "companies_list", key(self.region))]
    async fn by_pin(self: Pin<&Self>, n: i64) -> i64 {
        self.base + n
    }

    #[cached(resource = "companies_list")]
    async fn by_explicit_lifetime<'a>(&'a self, filter: &'a Filter) -> Result<i64, AppError> {
        if filter.page > 10 {
            return Err(AppError("no such page"));
        }
        let base = self.helper(filter).await?;
        Ok(base + 1)
    }

    async fn helper(&self, filter: &Filter) -> Result<i64, AppError> {
        tokio::task::yield_now().await;
        Ok(self.base + filter.company)
    }

    #[cached(resource = "companies_list")]
    async fn associated(n: i64) -> i64 {
        n + Self::STEP
    }
}

#[tokio::test]
async fn every_kind_of_receiver_works() {
    let mut service = Service {
        region: "north".into(),
        base: 1,
    };
    assert_eq!(service.by_reference(2).await, 13);
    assert_eq!(service.clone().by_value(2).await, 3);
    assert_eq!(service.clone().by_mutable_value(2).await, 3);
    assert_eq!(service.by_mutable_reference(4).await, 5);
    assert_eq!(Arc::new(service.clone()).by_arc(2).await, 7);
    assert_eq!(Box::new(service.clone()).by_box(2).await, 7);
    assert_eq!(Pin::new(&service).by_pin(2).await, 7);
    assert_eq!(Service::associated(2).await, 12);
}

#[tokio::test]
async fn a_body_may_await_return_early_and_use_the_question_mark() {
    let service = Service {
        region: "north".into(),
        base: 1,
    };
    let filter = Filter {
        company: 2,
        ..Filter::default()
    };
    assert_eq!(service.by_explicit_lifetime(&filter).await, Ok(4));
    let too_far = Filter { page: 11, ..filter };
    assert_eq!(
        service.by_explicit_lifetime(&too_far).await,
        Err(AppError("no such page"))
    );
}

#[tokio::test]
async fn the_future_of_a_send_body_is_send() {
    let service = Service {
        region: "north".into(),
        base: 1,
    };
    assert_eq!(assert_send(service.by_reference(2)).await, 13);
    let spawned = tokio::spawn(Arc::new(service).by_arc(2)).await;
    assert_eq!(spawned.unwrap(), 3);
}
