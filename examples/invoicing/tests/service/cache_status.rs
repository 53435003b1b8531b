//! Reads say what the cache did for them, and the service says how it is.
use cache_runtime::Cache;
use invoicing::user::Role;
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
        assert!(first.says("fwd=miss"), "{path}: {first:?}");
        assert!(second.is_hit(), "{path}: {second:?}");
        assert_eq!(first.text, second.text, "{path}");
    }
}

#[tokio::test]
async fn a_service_without_a_cache_says_bypass() {
    let service = Service::with(Cache::disabled(), None).await;
    for path in READS {
        for _ in 0..2 {
            let answer = service.get(path).await;
            assert!(
                answer.says("fwd=bypass") && answer.says("detail=disabled"),
                "{path}: {answer:?}"
            );
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
        let answer = service.get(path).await;
        assert!(answer.says("fwd=miss"), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn writes_do_not_say_it() {
    let service = Service::start().await;
    assert_eq!(
        service
            .put("/api/companies/1", json!({"name": "New"}))
            .await
            .cache_status,
        None
    );
}

#[tokio::test]
async fn who_has_the_list_of_companies_is_not_sent_it_again_until_one_has_changed() {
    let service = Service::start().await;
    let path = "/api/companies";
    let etag = service.get(path).await.etag.unwrap();
    assert_eq!(service.get_having(path, &etag).await.status, 304);
    let part = service.of_user("default", Role::Accountant, Some(&[1]));
    assert_eq!(
        part.get_having(path, &etag).await.status,
        200,
        "another user has another part of it"
    );
    service.put("/api/companies/1", json!({"name": "New"})).await.ok();
    let changed = service.get_having(path, &etag).await;
    assert!(
        changed.status == 200 && changed.etag.as_ref() != Some(&etag),
        "{changed:?}"
    );
}

#[tokio::test]
async fn a_service_without_its_cache_is_alive_and_ready() {
    let service = Service::with(Cache::disabled(), None).await;
    assert_eq!(service.get("/healthz").await.ok(), json!({"status": "ok"}));
    let ready = service.get("/readyz").await.ok();
    assert_eq!(
        (&ready["status"], &ready["concerns"][0]["concern"]),
        (&json!("degraded"), &json!("disabled"))
    );
}
