//! What `#[invalidates]` and invalidation by hand make unusable, when, and what they leave alone.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use cache_runtime::{
    Cache, InvalidateError, Invalidated,
    Outcome::{Bypass, Hit, Miss},
    cached, invalidates,
    store::StoreErrorKind,
    with_cache, with_tenant,
};
use cache_testkit::{Gate, OperationKind, PATIENCE, expect_outcomes, isolated, isolated_in};
use support::{outcome_of, spy};

#[cached(resource = "dashboard_summary", scope(company))]
async fn summary(company: i64) -> u32 {
    1
}

#[cached(resource = "dashboard_trends", scope(company))]
async fn trends(company: i64) -> u32 {
    2
}

#[cached(resource = "invoices_list", scope(company))]
async fn invoices(company: i64, page: u32) -> u32 {
    page
}

#[cached(resource = "companies_list")]
async fn companies() -> u32 {
    4
}

#[cached(resource = "stock", scope(warehouse, product))]
async fn stock(warehouse: &str, product: u32) -> u32 {
    5
}

#[cached(resource = "rates")]
async fn rates() -> u32 {
    6
}

/// What a mutation of the tests is told to do.
#[derive(Clone, Copy)]
enum Ending {
    Ok,
    Err,
    Panic,
}

#[derive(Debug)]
struct Paid {
    company: i64,
}

fn end(ending: Ending, company: i64) -> Result<Paid, String> {
    match ending {
        Ending::Ok => Ok(Paid { company }),
        Ending::Err => Err("refused".to_owned()),
        Ending::Panic => panic!("by order of the test"),
    }
}

#[invalidates("invoice_data"(company), "companies_list")]
async fn pay(company: i64, ending: Ending) -> Result<Paid, String> {
    end(ending, company)
}

#[invalidates("dashboard_*"(company = result.company))]
async fn pay_by_id(invoice: i64, ending: Ending) -> Result<Paid, String> {
    end(ending, invoice / 100)
}

#[invalidates("companies_list", on = "always")]
async fn rename(ending: Ending) -> Result<Paid, String> {
    end(ending, 1)
}

#[invalidates("companies_list")]
async fn no_result() -> Option<u32> {
    None
}

#[invalidates("stock"(warehouse, product))]
async fn book(warehouse: String, product: u32) {}

#[invalidates("stock"(product))]
async fn recall(product: u32) {}

#[invalidates("stock")]
async fn recount() {}

#[invalidates("rates")]
async fn publish_rates() {}

#[invalidates("companies_list")]
async fn held_mutation(gate: &Gate) {
    gate.pass().await;
}

/// Everything once, so that all of it is cached.
async fn warm_up() {
    for company in [1, 2] {
        summary(company).await;
        trends(company).await;
        invoices(company, 1).await;
    }
    companies().await;
}

#[tokio::test]
async fn a_mutation_makes_the_named_scope_unusable_and_nothing_else() {
    isolated(async |_| {
        warm_up().await;
        pay(1, Ending::Ok).await.unwrap();
        expect_outcomes(&[Miss, Miss, Miss, Miss], async {
            (
                summary(1).await,
                trends(1).await,
                invoices(1, 1).await,
                companies().await,
            )
        })
        .await;
        expect_outcomes(&[Hit, Hit, Hit], async {
            (summary(2).await, trends(2).await, invoices(2, 1).await)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn every_entry_of_the_scope_goes_at_once() {
    isolated(async |cache| {
        for page in 0..500 {
            invoices(1, page).await;
        }
        let before = cache.stats().invalidations;
        pay(1, Ending::Ok).await.unwrap();
        assert_eq!(cache.stats().invalidations, before + 1);
        for page in 0..500 {
            expect_outcomes(&[Miss], invoices(1, page)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn scope_values_can_come_from_the_result() {
    isolated(async |_| {
        warm_up().await;
        pay_by_id(107, Ending::Ok).await.unwrap();
        expect_outcomes(&[Miss], summary(1)).await;
        expect_outcomes(&[Hit], summary(2)).await;
    })
    .await;
}

#[tokio::test]
async fn a_mutation_that_fails_invalidates_nothing() {
    isolated(async |cache| {
        warm_up().await;
        assert!(pay(1, Ending::Err).await.is_err());
        expect_outcomes(&[Hit, Hit], async { (summary(1).await, companies().await) }).await;
        assert_eq!(cache.stats().invalidations, 0);
    })
    .await;
}

#[tokio::test]
async fn on_always_invalidates_after_an_error_too() {
    isolated(async |_| {
        warm_up().await;
        assert!(rename(Ending::Err).await.is_err());
        expect_outcomes(&[Miss], companies()).await;
    })
    .await;
}

#[tokio::test]
async fn a_function_without_a_result_invalidates_after_every_return() {
    isolated(async |_| {
        warm_up().await;
        assert_eq!(no_result().await, None);
        expect_outcomes(&[Miss], companies()).await;
    })
    .await;
}

#[tokio::test]
async fn a_mutation_that_panics_invalidates_because_its_outcome_is_unknown() {
    isolated(async |cache| {
        warm_up().await;
        let mutation = tokio::spawn(with_cache(cache, async { pay(1, Ending::Panic).await }));
        assert!(mutation.await.unwrap_err().is_panic());
        assert_ne!(outcome_of(summary(1)).await.1, Hit);
        expect_outcomes(&[Hit], summary(2)).await;
    })
    .await;
}

#[tokio::test]
async fn a_panic_before_the_result_is_known_widens_to_the_whole_resource() {
    isolated(async |cache| {
        warm_up().await;
        let mutation = tokio::spawn(with_cache(cache, async { pay_by_id(107, Ending::Panic).await }));
        assert!(mutation.await.unwrap_err().is_panic());
        for company in [1, 2] {
            assert_ne!(outcome_of(summary(company)).await.1, Hit);
        }
        expect_outcomes(&[Hit], companies()).await;
    })
    .await;
}

#[tokio::test]
async fn a_mutation_that_is_dropped_half_way_invalidates() {
    isolated(async |cache| {
        warm_up().await;
        let gate = Gate::closed();
        let mutation = {
            let gate = gate.clone();
            tokio::spawn(with_cache(cache, async move { held_mutation(&gate).await }))
        };
        gate.until_waiting(1).await;
        expect_outcomes(&[Hit], companies()).await;
        mutation.abort();
        assert!(mutation.await.unwrap_err().is_cancelled());
        assert_ne!(outcome_of(companies()).await.1, Hit);
    })
    .await;
}

#[tokio::test]
async fn a_mutation_that_is_never_polled_invalidates_nothing() {
    isolated(async |cache| {
        warm_up().await;
        drop(pay(1, Ending::Ok));
        expect_outcomes(&[Hit], summary(1)).await;
        assert_eq!(cache.stats().invalidations, 0);
    })
    .await;
}

#[tokio::test]
async fn several_scopes_can_be_invalidated_together_or_each_on_its_own() {
    isolated(async |_| {
        let cells = [("a", 1), ("a", 2), ("b", 1)];
        let warm = async || {
            for (warehouse, product) in cells {
                stock(warehouse, product).await;
            }
        };
        let cached = async || {
            let mut cached = Vec::new();
            for (warehouse, product) in cells {
                cached.push(outcome_of(stock(warehouse, product)).await.1 == Hit);
            }
            cached
        };
        warm().await;
        book("a".to_owned(), 1).await;
        assert_eq!(cached().await, [false, true, true]);
        recall(1).await;
        assert_eq!(cached().await, [false, true, false]);
        recount().await;
        assert_eq!(cached().await, [false, false, false]);
    })
    .await;
}

#[tokio::test]
async fn a_tenant_s_mutation_leaves_other_tenants_alone() {
    isolated(async |_| {
        for tenant in ["a", "b"] {
            with_tenant(tenant, warm_up()).await;
        }
        with_tenant("a", pay(1, Ending::Ok)).await.unwrap();
        with_tenant("a", expect_outcomes(&[Miss], summary(1))).await;
        with_tenant("b", expect_outcomes(&[Hit], summary(1))).await;
    })
    .await;
}

#[tokio::test]
async fn what_tenants_share_is_invalidated_for_all_of_them() {
    isolated(async |_| {
        with_tenant("a", rates()).await;
        with_tenant("b", publish_rates()).await;
        with_tenant("a", expect_outcomes(&[Miss], rates())).await;
    })
    .await;
}

#[tokio::test]
async fn by_hand_a_pattern_a_group_or_a_name_can_be_invalidated() {
    isolated(async |cache| {
        warm_up().await;
        assert_eq!(
            cache.invalidate("dashboard_*").scope("company", 1).await,
            Ok(Invalidated::Acknowledged)
        );
        expect_outcomes(&[Miss, Miss, Hit, Hit], async {
            (
                summary(1).await,
                trends(1).await,
                summary(2).await,
                invoices(1, 1).await,
            )
        })
        .await;
        cache.invalidate("invoice_data").await.unwrap();
        expect_outcomes(&[Miss, Miss, Hit], async {
            (summary(2).await, invoices(1, 1).await, companies().await)
        })
        .await;
        cache.invalidate("companies_list").tenant("default").await.unwrap();
        expect_outcomes(&[Miss], companies()).await;
    })
    .await;
}

#[tokio::test]
async fn by_hand_a_preview_says_what_would_be_invalidated_and_invalidates_nothing() {
    isolated(async |cache| {
        warm_up().await;
        let preview = cache
            .invalidate("dashboard_*")
            .tenant("default")
            .scope("company", 1)
            .preview();
        let preview = preview.unwrap();
        assert_eq!(preview.resources, ["dashboard_summary", "dashboard_trends"]);
        assert_eq!((&preview.tenants[..], preview.stamps), (&["default".to_owned()][..], 2));
        assert!(preview.tags.is_empty() && !preview.everything);
        let preview = cache.invalidate("rates").tenant("default").preview().unwrap();
        assert_eq!(preview.tenants, ["~shared"]);
        let preview = cache.invalidate_tag("author", 3).tenant("a").preview().unwrap();
        assert_eq!(
            (preview.tags, preview.tenants),
            (vec!["author".to_owned()], vec!["a".to_owned(), "~shared".to_owned()])
        );
        let preview = cache.invalidate_tenant("default").preview().unwrap();
        assert!(
            preview.resources.iter().any(|name| name == "stock")
                && !preview.resources.iter().any(|name| name == "rates")
        );
        cache.invalidate("companies_lst").preview().unwrap_err();
        expect_outcomes(&[Hit, Hit], async { (summary(1).await, trends(1).await) }).await;
        assert_eq!(cache.stats().invalidations, 0);
    })
    .await;
}

#[tokio::test]
async fn by_hand_a_wrong_name_pattern_or_scope_is_an_error_that_names_it() {
    isolated(async |cache| {
        let message = async |invalidate: cache_runtime::Invalidate| invalidate.await.unwrap_err().to_string();
        assert_eq!(
            message(cache.invalidate("companies_lst")).await,
            "there is no resource or group `companies_lst`; the most similar name is `companies_list`"
        );
        assert_eq!(
            message(cache.invalidate("dashbord_*")).await,
            "the pattern `dashbord_*` matches no resource; the most similar name is `dashboard_trends`"
        );
        assert_eq!(
            message(cache.invalidate("dashboard_*").scope("compny", 1)).await,
            "resource `dashboard_summary` has no scope `compny`: it declares company"
        );
        assert_eq!(
            message(cache.invalidate("companies_list").scope("company", 1)).await,
            "resource `companies_list` has no scope `company`: it declares none"
        );
    })
    .await;
}

#[tokio::test]
async fn by_hand_what_is_wrong_can_be_told_apart_by_programs() {
    isolated(async |cache| {
        let unknown = cache.invalidate("companies_lst").await.unwrap_err();
        assert!(
            matches!(&unknown, InvalidateError::UnknownName { name, similar: Some("companies_list"), .. } if name == "companies_lst"),
            "{unknown}"
        );
        let unmatched = cache.invalidate("dashbord_*").await.unwrap_err();
        assert!(
            matches!(&unmatched, InvalidateError::UnmatchedPattern { pattern, .. } if pattern == "dashbord_*"),
            "{unmatched}"
        );
        let scope = cache.invalidate("dashboard_*").scope("compny", 1).await.unwrap_err();
        assert!(
            matches!(&scope, InvalidateError::UnknownScope { declared: ["company"], scope, .. } if scope == "compny"),
            "{scope}"
        );
        let never = cache.invalidate("dashboard_*").scope_none("company").await.unwrap_err();
        assert!(
            matches!(never, InvalidateError::NeverNone { scope: "company", .. }),
            "{never}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_whole_tenant_can_be_invalidated() {
    isolated(async |cache| {
        let minute = std::time::Duration::from_mins(1);
        for tenant in ["a", "b"] {
            with_tenant(tenant, warm_up()).await;
            assert!(with_tenant(tenant, cache.set("key", &1, minute)).await);
        }
        rates().await;
        assert_eq!(cache.invalidate_tenant("a").await, Ok(Invalidated::Acknowledged));
        with_tenant(
            "a",
            expect_outcomes(&[Miss, Miss], async { (summary(1).await, companies().await) }),
        )
        .await;
        assert_eq!(with_tenant("a", cache.get::<i32>("key")).await, None);
        with_tenant(
            "b",
            expect_outcomes(&[Hit, Hit], async { (summary(1).await, companies().await) }),
        )
        .await;
        assert_eq!(with_tenant("b", cache.get::<i32>("key")).await, Some(1));
        expect_outcomes(&[Hit], rates()).await;
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_that_the_store_does_not_take_is_sent_until_it_does() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        companies().await;
        spy.fail_next(OperationKind::RemoveStamps, 3, StoreErrorKind::Unavailable);
        assert!(
            rename(Ending::Ok).await.is_ok(),
            "the mutation's own result is what its caller gets"
        );
        expect_outcomes(&[Bypass], companies()).await;
        spy.until_ended(OperationKind::RemoveStamps, 4).await;
        cache.ready(PATIENCE).await;
        assert_ne!(
            outcome_of(companies()).await.1,
            Hit,
            "what was stored before stays unusable"
        );
    })
    .await;
}

#[tokio::test]
async fn close_sends_what_is_still_waiting() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        companies().await;
        spy.fail_next(OperationKind::RemoveStamps, 1, StoreErrorKind::Unavailable);
        assert_eq!(cache.invalidate("companies_list").await, Ok(Invalidated::Pending));
        assert!(cache.close().await);
        let last = spy
            .operations()
            .into_iter()
            .rfind(|operation| operation.kind == OperationKind::RemoveStamps);
        assert_eq!(last.unwrap().ended, Some(cache_testkit::Ended::Done));
    })
    .await;
}

#[tokio::test]
async fn a_mutation_s_body_runs_once_and_its_value_is_its_own() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    #[invalidates("companies_list")]
    async fn create(name: Arc<str>) -> Result<Arc<str>, ()> {
        RUNS.fetch_add(1, Ordering::Relaxed);
        Ok(name)
    }
    isolated(async |_| {
        let name: Arc<str> = "new".into();
        assert!(Arc::ptr_eq(&create(Arc::clone(&name)).await.unwrap(), &name));
        assert_eq!(RUNS.load(Ordering::Relaxed), 1);
    })
    .await;
}
