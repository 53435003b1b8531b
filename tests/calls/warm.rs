//! A warm start: the calls that were made most are made before anybody asks.

use std::{sync::Arc, time::Duration};

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    Warmed, cached, current_tenant, with_cache, with_tenant,
};
use cache_testkit::{
    Gate, LoadCounter, RedisServer, assert_loads, expect_outcomes, isolated_in, patient, reaching, until,
};
use serde::{Deserialize, Serialize};
use support::spy;
use tokio::time::advance;

use crate::cache_resources;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Filter {
    unpaid: bool,
    words: Vec<String>,
}

/// A service with a database.
#[derive(Debug, Clone)]
struct Service {
    loads: LoadCounter,
    /// Loads wait here.
    gate: Gate,
}

/// The arguments of `invoices`, in any order.
#[derive(Deserialize)]
struct InvoicesKey {
    filter: Filter,
    company: i64,
}

/// Those of `report`.
#[derive(Deserialize)]
struct ReportKey {
    number: u32,
}

impl Service {
    fn new() -> Self {
        let gate = Gate::closed();
        gate.open();
        Self {
            loads: LoadCounter::new(),
            gate,
        }
    }

    #[cached(resource = "warm_invoices", scope(company))]
    async fn invoices(&self, company: i64, filter: &Filter) -> Vec<String> {
        self.loads.record();
        self.gate.pass().await;
        vec![format!("{company} {filter:?}")]
    }

    #[cached(resource = "warm_reports", tenant = tenant_id)]
    async fn report(&self, tenant_id: &str, number: u32) -> String {
        self.loads.record();
        format!("{tenant_id} {number}")
    }

    fn warming(&self, cache: &Cache) -> cache_runtime::Warming<InvoicesKey, impl Fn(InvoicesKey) -> Calling + use<>> {
        let service = self.clone();
        cache.warm(&cache_resources::warm_invoices, move |key: InvoicesKey| -> Calling {
            let service = service.clone();
            Box::pin(async move { drop(service.invoices(key.company, &key.filter).await) })
        })
    }
}

type Calling = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn filter() -> Filter {
    Filter {
        unpaid: true,
        words: vec!["Müller \"&\" Söhne".to_owned()],
    }
}

/// One of 500, number n about as often as 1/n.
#[expect(clippy::cast_possible_truncation, reason = "it is at most 500")]
fn some_company() -> i64 {
    500_f64.powf(fastrand::f64()) as i64
}

/// The calls of a minute: 2,000, of which most are of few companies.
async fn a_minute_of_calls(service: &Service) {
    fastrand::seed(11);
    for _ in 0..2_000 {
        service.invoices(some_company(), &filter()).await;
    }
}

/// Remembers what calls are made, in a process that ends then.
async fn first_process(store: impl cache_runtime::store::Store) {
    let cache = Cache::builder().store(store).build();
    let service = Service::new();
    assert_eq!(
        service.warming(&cache).run().await,
        Warmed::default(),
        "nobody was before it"
    );
    isolated_in(cache, async |cache| {
        a_minute_of_calls(&service).await;
        cache.close().await;
    })
    .await;
}

/// The hit rate of the first minute after a release that can use nothing of what is stored.
async fn first_minute(store: impl cache_runtime::store::Store, warm: bool) -> f64 {
    let cache = Cache::builder().store(store).build();
    let service = Service::new();
    isolated_in(cache, async |cache| {
        cache.invalidate("warm_invoices").await.expect("it is declared");
        let mut before = cache.stats();
        if warm {
            let warmed = service.warming(&cache).run().await;
            assert_eq!((warmed.calls, warmed.skipped), (100, 0));
            assert_loads(&service.loads, 100);
            before = cache.stats();
        }
        a_minute_of_calls(&service).await;
        let stats = cache.stats();
        let (hits, misses) = (stats.hits - before.hits, stats.misses - before.misses);
        assert_eq!(hits + misses, 2_000);
        f64::from(u32::try_from(hits).expect("some thousands")) / 2_000.0
    })
    .await
}

#[tokio::test]
async fn the_first_minute_after_a_warm_start_has_fewer_misses() {
    let store = spy();
    first_process(store.clone()).await;
    let (cold, warm) = (
        first_minute(store.clone(), false).await,
        first_minute(store, true).await,
    );
    println!("hits of the first minute: {cold:.3} without a warm start, {warm:.3} with one");
    assert!(1.0 - warm < (1.0 - cold) * 0.8, "{cold} without, {warm} with");
}

#[tokio::test]
async fn the_calls_are_made_with_their_arguments_and_tenants_and_of_their_function_alone() {
    #[cached(resource = "warm_reports")]
    async fn summary(number: u32) -> u32 {
        number
    }
    let store = spy();
    let service = Service::new();
    let warming = |cache: &Cache, service: &Service| {
        let service = service.clone();
        let call = move |key: ReportKey| {
            let service = service.clone();
            async move {
                let tenant = current_tenant().expect("that of the call");
                service.report(&tenant, key.number).await
            }
        };
        cache.warm(&cache_resources::warm_reports, call).function("report")
    };
    let cache = Cache::builder().store(store.clone()).build();
    isolated_in(cache, async |cache| {
        warming(&cache, &service).run().await;
        // A sample is counted.
        for _ in 0..200 {
            service.report("a:b *{ü}", 7).await;
            service.report("other", 8).await;
            summary(9).await;
        }
        cache.close().await;
    })
    .await;
    let service = Service::new();
    let cache = Cache::builder().store(store).build();
    isolated_in(cache, async |cache| {
        cache.invalidate("warm_reports").tenant("a:b *{ü}").await.unwrap();
        let warmed = warming(&cache, &service).run().await;
        assert_eq!((warmed.calls, warmed.skipped), (2, 0));
        assert_loads(&service.loads, 1);
        let report = expect_outcomes(&[Hit], service.report("a:b *{ü}", 7)).await;
        assert_eq!(report, "a:b *{ü} 7");
    })
    .await;
}

#[tokio::test]
async fn a_file_remembers_for_a_cache_that_keeps_its_entries_in_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hot-keys.json");
    for process in 0..2 {
        let service = Service::new();
        isolated_in(Cache::builder().build(), async |cache| {
            let warmed = service.warming(&cache).file(&file).keys(1).run().await;
            assert_eq!(warmed.calls, process);
            let outcome = if process == 0 { Miss } else { Hit };
            expect_outcomes(&[outcome], service.invoices(1, &filter())).await;
            for _ in 0..200 {
                service.invoices(1, &filter()).await;
            }
            cache.close().await;
        })
        .await;
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn arguments_that_are_asked_for_no_longer_are_skipped() {
    #[derive(Deserialize)]
    struct OtherKey {
        _company: String,
    }
    let store = spy();
    first_process(store.clone()).await;
    let cache = Cache::builder().store(store).build();
    let call = |_: OtherKey| async { panic!("it cannot be called") };
    let warmed = cache.warm(&cache_resources::warm_invoices, call).keys(10).run().await;
    assert_eq!((warmed.calls, warmed.skipped), (0, 10));
}

#[tokio::test]
async fn a_few_are_loaded_at_a_time_and_nobody_waits_for_them() {
    let store = spy();
    first_process(store.clone()).await;
    let cache = Cache::builder().store(store).build();
    let service = Service::new();
    cache.invalidate("warm_invoices").await.unwrap();
    service.gate.close();
    let warming = tokio::spawn(service.warming(&cache).keys(8).at_once(2).run());
    service.gate.until_waiting(2).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_loads(&service.loads, 2);
    // Nobody waits for the start: other calls are answered meanwhile.
    assert!(cache.ready(Duration::from_secs(10)).await);
    service.gate.open();
    assert_eq!(warming.await.unwrap().calls, 8);
}

#[tokio::test]
async fn what_a_warm_start_loads_while_it_is_invalidated_is_given_to_nobody_after_it() {
    let store = spy();
    isolated_in(Cache::builder().store(store.clone()).build(), async |cache| {
        let service = Service::new();
        service.warming(&cache).run().await;
        for _ in 0..200 {
            service.invoices(1, &filter()).await;
        }
        cache.close().await;
    })
    .await;
    let elsewhere = Cache::builder().store(store.clone()).build();
    isolated_in(Cache::builder().store(store).build(), async |cache| {
        let service = Service::new();
        cache.invalidate("warm_invoices").await.unwrap();
        service.gate.close();
        let warming = tokio::spawn(service.warming(&cache).run());
        service.gate.until_waiting(1).await;
        elsewhere.invalidate("warm_invoices").scope("company", 1).await.unwrap();
        service.gate.open();
        assert_eq!(warming.await.unwrap().calls, 1);
        expect_outcomes(&[Miss], service.invoices(1, &filter())).await;
        assert_loads(&service.loads, 2);
        expect_outcomes(&[Hit], service.invoices(1, &filter())).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_is_saved_every_minute_by_a_process_that_goes_on() {
    let store = spy();
    let (first, service) = (Cache::builder().store(store.clone()).build(), Service::new());
    service.warming(&first).run().await;
    with_cache(first.clone(), a_minute_of_calls(&service)).await;
    let second = Cache::builder().store(store).build();
    until("it is saved", async || {
        advance(Duration::from_secs(20)).await;
        service.warming(&second).keys(10).run().await.calls == 10
    })
    .await;
}

#[tokio::test]
async fn processes_on_one_server_remember_together() {
    let server = RedisServer::start().expect("a server");
    for tenant in ["a", "b"] {
        let cache = reaching(&server, patient()).await;
        let service = Service::new();
        service.warming(&cache).run().await;
        isolated_in(cache, async |cache| {
            for _ in 0..200 {
                with_tenant(tenant, service.invoices(1, &filter())).await;
            }
            cache.close().await;
        })
        .await;
    }
    let (cache, service) = (reaching(&server, patient()).await, Arc::new(Service::new()));
    cache.invalidate_tenant("a").await.unwrap();
    let warmed = service.warming(&cache).run().await;
    assert_eq!(warmed.calls, 2);
    assert_loads(&service.loads, 1);
}

#[tokio::test]
async fn without_a_store_nothing_is_made_and_nothing_fails() {
    let service = Service::new();
    let warmed = service.warming(&Cache::disabled()).run().await;
    assert_eq!(warmed, Warmed::default());
}
