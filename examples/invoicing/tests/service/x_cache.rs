//! Reads say what the cache did for them.
use cache_runtime::Cache;
use serde_json::json;

use crate::harness::Service;

const READS: [&str; 10] = [
    "/api/dashboard/summary?company=1",
    "/api/dashboard/trends?company=1&period=6m&compare=true",
    "/api/dashboard/detailed?company=1&search=a",
    "/api/dashboard/performance?company=1",
    "/api/dashboard/cashflow?company=1",
    "/api/dashboard/maturity?company=1",
    "/api/invoices?company=1&unpaid=true",
    "/api/invoices/summary?company=1",
    "/api/companies",
    "/api/treasury?company=1",
];

#[tokio::test]
async fn the_first_read_is_a_miss_and_the_second_a_hit_with_the_same_answer() {
    let service = Service::start().await;
    for path in READS {
        let first = service.get(path).await;
        let second = service.get(path).await;
        assert_eq!(first.x_cache.as_deref(), Some("miss"), "{path}: {}", first.text);
        assert!(second.is_hit(), "{path}: {:?}", second.x_cache);
        assert_eq!(first.text, second.text, "{path}");
    }
}

#[tokio::test]
async fn a_service_without_a_cache_says_bypass() {
    let service = Service::with(Cache::disabled(), None).await;
    for path in READS {
        for _ in 0..2 {
            assert_eq!(service.get(path).await.x_cache.as_deref(), Some("bypass"), "{path}");
        }
    }
}

#[tokio::test]
async fn other_arguments_are_another_entry() {
    let service = Service::start().await;
    for path in [
        "/api/dashboard/summary?company=1",
        "/api/dashboard/summary?company=2",
        "/api/dashboard/trends?company=1&period=3m",
        "/api/dashboard/trends?company=1&period=6m",
        "/api/dashboard/trends?company=1&period=6m&compare=true",
        "/api/invoices?company=1&page=1",
        "/api/invoices?company=1&page=2",
    ] {
        assert_eq!(service.get(path).await.x_cache.as_deref(), Some("miss"), "{path}");
    }
}

#[tokio::test]
async fn writes_do_not_say_it() {
    let service = Service::start().await;
    assert_eq!(
        service.put("/api/companies/1", json!({"name": "New"})).await.x_cache,
        None
    );
}
