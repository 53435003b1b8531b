//! What the expansions mean to the engine: which calls share a result, and what a mutation takes away.

use std::{
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use cache_runtime::{Cache, Outcome, cached, invalidates, observe, with_cache, with_tenant};
use serde::Serialize;
use tracing::instrument;

use crate::{AppError, Filter};

/// The bodies count their runs and return the count, so that an answer tells which run it comes from.
#[derive(Default)]
struct Service {
    runs: AtomicU32,
}

impl Service {
    fn run(&self) -> u32 {
        self.runs.fetch_add(1, Ordering::Relaxed) + 1
    }

    #[cached(resource = "companies_list", independent(trace))]
    async fn arguments(&self, (a, b): (u8, u8), filter: &Filter, trace: u32, username: &str) -> u32 {
        let _ = (a, b, filter, trace);
        self.run()
    }

    #[cached(resource = "companies_list", key(username))]
    async fn for_each_user(&self, username: &str) -> u32 {
        let _ = username;
        self.run()
    }

    #[cached(resource = "companies_list", tenant = customer)]
    async fn for_each_customer(&self, customer: &str) -> u32 {
        let _ = customer;
        self.run()
    }

    #[cached(resource = "companies_list", when = page < 2, unless = |run| *run == 1)]
    async fn conditional(&self, page: u32) -> u32 {
        let _ = page;
        self.run()
    }

    #[cached(resource = "companies_list")]
    async fn fallible(&self, fail: bool) -> Result<u32, AppError> {
        let run = self.run();
        if fail { Err(AppError("asked to fail")) } else { Ok(run) }
    }

    #[cached(resource = "companies_list")]
    async fn generic<T: Serialize>(&self, value: T) -> u32 {
        drop(value);
        self.run()
    }

    #[instrument(skip_all)]
    #[cached(resource = "companies_list")]
    async fn instrument_first(&self, n: u32) -> u32 {
        let _ = n;
        self.run()
    }

    #[cached(resource = "companies_list")]
    #[instrument(skip_all)]
    async fn cached_first(&self, n: u32) -> u32 {
        let _ = n;
        self.run()
    }

    #[cached(resource = "companies_list")]
    fn boxed(&self, n: u32) -> Pin<Box<dyn Future<Output = u32> + Send + '_>> {
        Box::pin(async move {
            let _ = n;
            self.run()
        })
    }

    #[cached(resource = "sales", scope(company, region = filter.region))]
    async fn sales(&self, company: i64, filter: &Filter) -> u32 {
        let _ = (company, filter);
        self.run()
    }

    #[invalidates("sales"(company = result.company))]
    async fn sell(&self, company: i64, fail: bool) -> Result<Filter, AppError> {
        if fail {
            return Err(AppError("out of stock"));
        }
        Ok(Filter {
            company,
            ..Filter::default()
        })
    }

    #[invalidates("sales"(company = company, region = Self::region()))]
    async fn sell_in_region(&self, company: i64) {
        let _ = company;
    }

    fn region() -> &'static str {
        "north"
    }
}

#[async_trait]
trait Numbers {
    async fn plain(&self, pair: (u8, u8), other: String) -> u32;
    async fn instrumented(&self, pair: (u8, u8)) -> u32;
}

#[async_trait]
impl Numbers for Service {
    #[cached(resource = "companies_list", key(region = Self::region()))]
    async fn plain(&self, (a, b): (u8, u8), other: String) -> u32 {
        let _ = (a, b, other);
        self.run()
    }

    #[instrument(skip_all)]
    #[cached(resource = "companies_list")]
    async fn instrumented(&self, (a, b): (u8, u8)) -> u32 {
        let _ = (a, b);
        self.run()
    }
}

/// Runs `test` with a cache of its own.
async fn isolated<F: Future>(test: F) -> F::Output {
    with_cache(Cache::builder().build(), test).await
}

/// The value and what became of the one cached call inside. Boxed, to keep the tests' own futures small.
fn outcome<'a, F: Future + 'a>(call: F) -> Pin<Box<dyn Future<Output = (F::Output, Outcome)> + 'a>> {
    Box::pin(async move {
        let (value, outcomes) = observe(call).await;
        let mut outcomes = outcomes.into_iter();
        let outcome = outcomes.next().expect("one cached call").outcome;
        assert_eq!(outcomes.next(), None);
        (value, outcome)
    })
}

#[tokio::test]
async fn equal_arguments_share_a_result_and_different_ones_do_not() {
    let service = Service::default();
    let filter = Filter::default();
    let other = Filter {
        page: 1,
        ..Filter::default()
    };
    isolated(async {
        assert_eq!(
            outcome(service.arguments((1, 2), &filter, 0, "anna")).await,
            (1, Outcome::Miss)
        );
        assert_eq!(
            outcome(service.arguments((1, 2), &filter, 0, "anna")).await,
            (1, Outcome::Hit)
        );
        assert_eq!(
            outcome(service.arguments((2, 1), &filter, 0, "anna")).await,
            (2, Outcome::Miss)
        );
        assert_eq!(
            outcome(service.arguments((1, 2), &other, 0, "anna")).await,
            (3, Outcome::Miss)
        );
    })
    .await;
}

#[tokio::test]
async fn skipped_and_unused_user_arguments_do_not_separate_results() {
    let service = Service::default();
    let filter = Filter::default();
    isolated(async {
        assert_eq!(service.arguments((1, 2), &filter, 0, "anna").await, 1);
        assert_eq!(service.arguments((1, 2), &filter, 1, "bert").await, 1);
    })
    .await;
}

#[tokio::test]
async fn key_expressions_and_tenants_separate_results() {
    let service = Service::default();
    isolated(async {
        assert_eq!(service.for_each_user("anna").await, 1);
        assert_eq!(service.for_each_user("bert").await, 2);
        assert_eq!(service.for_each_user("anna").await, 1);
        assert_eq!(service.for_each_customer("a").await, 3);
        assert_eq!(service.for_each_customer("b").await, 4);
        assert_eq!(service.for_each_customer("a").await, 3);
        assert_eq!(with_tenant("other", service.for_each_user("anna")).await, 5);
    })
    .await;
}

#[tokio::test]
async fn when_and_unless_are_obeyed() {
    let service = Service::default();
    isolated(async {
        assert_eq!(outcome(service.conditional(1)).await, (1, Outcome::Miss));
        assert_eq!(
            outcome(service.conditional(1)).await,
            (2, Outcome::Miss),
            "1 was not stored"
        );
        assert_eq!(outcome(service.conditional(1)).await, (2, Outcome::Hit));
        assert_eq!(outcome(service.conditional(5)).await, (3, Outcome::Bypass));
        assert_eq!(outcome(service.conditional(5)).await, (4, Outcome::Bypass));
    })
    .await;
}

#[tokio::test]
async fn an_error_is_never_stored() {
    let service = Service::default();
    isolated(async {
        assert_eq!(service.fallible(true).await, Err(AppError("asked to fail")));
        assert_eq!(service.fallible(true).await, Err(AppError("asked to fail")));
        assert_eq!(service.fallible(false).await, Ok(3));
        assert_eq!(service.fallible(false).await, Ok(3));
    })
    .await;
}

#[tokio::test]
async fn functions_of_one_resource_do_not_share_results() {
    let service = Service::default();
    isolated(async {
        assert_eq!(service.instrument_first(1).await, 1);
        assert_eq!(service.cached_first(1).await, 2);
        assert_eq!(service.boxed(1).await, 3);
        assert_eq!(service.boxed(1).await, 3);
        assert_eq!(service.instrument_first(1).await, 4, "the entry was another function's");
        assert_eq!(service.instrument_first(1).await, 4);
        assert_eq!(service.generic(1_u8).await, 5);
        assert_eq!(
            service.generic(1_u16).await,
            6,
            "an instance of a generic function is a function"
        );
        assert_eq!(service.generic(1_u16).await, 6);
    })
    .await;
}

#[tokio::test]
async fn methods_of_async_trait_implementations_are_cached() {
    let service = Service::default();
    isolated(async {
        assert_eq!(outcome(service.plain((1, 2), "x".into())).await, (1, Outcome::Miss));
        assert_eq!(outcome(service.plain((1, 2), "x".into())).await, (1, Outcome::Hit));
        assert_eq!(outcome(service.plain((1, 3), "x".into())).await, (2, Outcome::Miss));
        assert_eq!(outcome(service.plain((1, 2), "y".into())).await, (3, Outcome::Miss));
        assert_eq!(outcome(service.instrumented((1, 2))).await, (4, Outcome::Miss));
        assert_eq!(outcome(service.instrumented((1, 2))).await, (4, Outcome::Hit));
    })
    .await;
}

#[tokio::test]
async fn a_mutation_takes_away_what_it_names_and_nothing_else() {
    let service = Service::default();
    let north = Filter {
        region: "north".into(),
        ..Filter::default()
    };
    let south = Filter {
        region: "south".into(),
        ..Filter::default()
    };
    isolated(async {
        assert_eq!(service.sales(1, &north).await, 1);
        assert_eq!(service.sales(1, &south).await, 2);
        assert_eq!(service.sales(2, &north).await, 3);

        service.sell(1, true).await.unwrap_err();
        assert_eq!(service.sales(1, &north).await, 1, "a failed mutation changes nothing");

        service.sell(1, false).await.unwrap();
        assert_eq!(service.sales(2, &north).await, 3, "another company");
        assert_eq!(service.sales(1, &north).await, 4);
        assert_eq!(service.sales(1, &south).await, 5);
    })
    .await;
}

#[tokio::test]
async fn a_mutation_with_two_scope_values_takes_away_at_least_their_common_entries() {
    let service = Service::default();
    let north = Filter {
        region: "north".into(),
        ..Filter::default()
    };
    isolated(async {
        assert_eq!(service.sales(1, &north).await, 1);
        service.sell_in_region(1).await;
        assert_eq!(service.sales(1, &north).await, 2);
    })
    .await;
}
