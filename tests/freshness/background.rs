//! Loads in the background: whose they are, how many there are, and when they end.

use std::time::Duration;

use cache_runtime::{
    Cache,
    Outcome::{Hit, StaleHit},
    cached, current_tenant, transaction, with_tenant,
};
use cache_testkit::{Gate, LoadCounter, isolated, isolated_in, until};
use support::outcome_of;
use tokio::time::advance;

const TTL: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Pages {
    loads: LoadCounter,
    gate: Gate,
}

impl Pages {
    fn new() -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            loads: LoadCounter::new(),
            gate,
        }
    }

    #[cached(resource = "revalidated", stale_while_revalidate)]
    async fn page(&self, number: u32) -> (u32, Option<String>) {
        self.loads.record();
        self.gate.pass().await;
        (number, current_tenant().map(|tenant| tenant.to_string()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_in_the_background_is_of_the_tenant_and_the_cache_of_its_caller() {
    isolated(async |cache: Cache| {
        let pages = Pages::new();
        let of = |tenant: &'static str| with_tenant(tenant, pages.page(1));
        for tenant in ["a", "b"] {
            assert_eq!(of(tenant).await.1.as_deref(), Some(tenant));
        }
        advance(TTL).await;
        for tenant in ["a", "b"] {
            assert_eq!(outcome_of(of(tenant)).await.1, StaleHit);
        }
        until("both are loaded again", async || cache.stats().fills == 4).await;
        for tenant in ["a", "b"] {
            let ((_, loaded_for), outcome) = outcome_of(of(tenant)).await;
            assert_eq!((loaded_for.as_deref(), outcome), (Some(tenant), Hit));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_the_cache_ends_them_where_they_are() {
    let cache = Cache::builder().jitter(0.0).build();
    isolated_in(cache, async |cache: Cache| {
        let pages = Pages::new();
        pages.page(1).await;
        advance(TTL).await;
        pages.gate.close();
        assert_eq!(outcome_of(pages.page(1)).await.1, StaleHit);
        pages.gate.until_waiting(1).await;
        cache.close().await;
        assert_eq!(pages.gate.waiting(), 0, "the body is dropped");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_than_may_be_and_old_values_are_returned_meanwhile() {
    let cache = Cache::builder().jitter(0.0).max_refreshes(2).build();
    isolated_in(cache, async |cache: Cache| {
        let pages = Pages::new();
        for number in 0..5 {
            pages.page(number).await;
        }
        advance(TTL).await;
        pages.gate.close();
        for number in 0..5 {
            assert_eq!(outcome_of(pages.page(number)).await.1, StaleHit);
        }
        pages.gate.until_waiting(2).await;
        assert_eq!((cache.stats().refreshes, pages.loads.count()), (2, 7));
        pages.gate.open();
        until("they are over", async || cache.stats().fills == 7).await;
        for number in 0..5 {
            pages.page(number).await;
        }
        until("the others are loaded again, too", async || cache.stats().fills >= 9).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn inside_of_a_transaction_nothing_is_loaded_in_the_background() {
    isolated(async |cache: Cache| {
        let pages = Pages::new();
        pages.page(1).await;
        advance(TTL).await;
        let read = transaction(async { Ok::<_, std::convert::Infallible>(pages.page(1).await) });
        drop(read.await);
        assert_eq!((cache.stats().refreshes, pages.loads.count()), (0, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_in_the_background_leaves_the_old_value() {
    #[cached(resource = "revalidated", stale_while_revalidate, skip(loads))]
    async fn fragile(loads: LoadCounter) -> u64 {
        let load = loads.record();
        assert!(load == 1, "only the first load succeeds");
        load
    }
    let loads = LoadCounter::new();
    isolated(async |_| {
        let call = || fragile(loads.clone());
        call().await;
        advance(TTL).await;
        assert_eq!(outcome_of(call()).await, (1, StaleHit));
        loads.until(2).await;
        assert_eq!(outcome_of(call()).await, (1, StaleHit));
    })
    .await;
}
