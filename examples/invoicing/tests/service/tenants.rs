//! Tenants, users and what they may see; a hit is no way around.
use cache_runtime::Cache;
use invoicing::{
    http::{Claims, Tokens},
    user::Role,
};
use serde_json::json;

use crate::harness::Service;

#[tokio::test]
async fn each_tenant_has_its_own_books() {
    let service = Service::start().await;
    let (a, b) = (service.of_tenant("client-a"), service.of_tenant("client-b"));
    let ids = async |service: &Service| {
        let page = service.get("/api/companies").await.ok();
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&service).await, [1, 2, 3]);
    assert_eq!(ids(&a).await, [4, 5]);
    assert_eq!(ids(&b).await, [6, 7]);
    assert_eq!(ids(&service.of_tenant("nobody")).await, [0_i64; 0]);
}

#[tokio::test]
async fn a_cached_result_of_one_tenant_is_not_shown_to_another() {
    let service = Service::start().await;
    service.get("/api/dashboard/summary?company=1").await.ok();
    assert!(service.get("/api/dashboard/summary?company=1").await.is_hit());
    let other = service
        .of_tenant("client-a")
        .get("/api/dashboard/summary?company=1")
        .await;
    assert_eq!(other.status, 404);
    let same_by_token = service
        .of_tenant("default")
        .get("/api/dashboard/summary?company=1")
        .await;
    assert!(same_by_token.is_hit());
}

#[tokio::test]
async fn a_tenant_cannot_change_the_books_of_another() {
    let service = Service::start().await;
    let id = service.issue(1, 10.0).await;
    let other = service.of_tenant("client-a");
    assert_eq!(
        other
            .put(&format!("/api/invoices/{id}"), json!({"amount": 1}))
            .await
            .status,
        404
    );
    assert_eq!(
        other.post(&format!("/api/invoices/{id}/pay"), json!({})).await.status,
        404
    );
    assert_eq!(other.put("/api/companies/1", json!({"name": "Mine"})).await.status, 404);
}

#[tokio::test]
async fn a_mutation_of_one_tenant_leaves_the_entries_of_another() {
    let service = Service::start().await;
    let other = service.of_tenant("client-a");
    other.get("/api/dashboard/summary?company=4").await.ok();
    service.issue(1, 10.0).await;
    assert!(other.get("/api/dashboard/summary?company=4").await.is_hit());
}

#[tokio::test]
async fn a_token_that_is_not_ours_is_a_401() {
    let service = Service::start().await;
    let claims = |exp| Claims {
        tenant_id: "client-a".to_owned(),
        sub: "eve".to_owned(),
        companies: None,
        role: Role::Accountant,
        exp,
    };
    let forged = Tokens::new(Some("another secret")).sign(&claims(None)).unwrap();
    let expired = Tokens::new(Some("a secret of this test"))
        .sign(&claims(Some(1_000_000)))
        .unwrap();
    for token in [forged.as_str(), expired.as_str(), "x.y.z", ""] {
        let answer = service.with_token(token).get("/api/companies").await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (401, &json!("unauthenticated")),
            "{token}"
        );
    }
}

#[tokio::test]
async fn a_service_without_a_secret_takes_no_token() {
    let signer = Tokens::new(Some("a secret"));
    let service = Service::with(Cache::builder().build(), None).await;
    let claims = serde_json::from_value(json!({"tenant_id": "client-a"})).unwrap();
    let answer = service
        .with_token(signer.sign(&claims).unwrap())
        .get("/api/companies")
        .await;
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("JWT_SECRET"), "{}", answer.text);
    assert_eq!(service.get("/api/companies").await.status, 200);
}

#[tokio::test]
async fn a_hit_does_not_skip_the_permission_check() {
    let service = Service::start().await;
    let path = "/api/treasury?company=2";
    service.get(path).await.ok();
    assert!(service.get(path).await.is_hit());
    let only_one = service.of_user("default", Role::Accountant, Some(&[1]));
    let answer = only_one.get(path).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["field"]),
        (403, &json!("company"))
    );
    assert!(only_one.get("/api/treasury?company=1").await.status == 200);
}

#[tokio::test]
async fn users_see_their_part_of_the_one_cached_list() {
    let service = Service::start().await;
    service.get("/api/companies").await.ok();
    let answer = service
        .of_user("default", Role::Viewer, Some(&[2]))
        .get("/api/companies")
        .await;
    assert!(answer.is_hit(), "users share the entry");
    let page = answer.ok();
    assert_eq!((&page["total"], &page["items"][0]["id"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let service = Service::start().await;
    let id = service.issue(1, 10.0).await;
    let viewer = service.of_user("default", Role::Viewer, None);
    viewer.get("/api/dashboard/summary?company=1").await.ok();
    let invoice = json!({
        "company": 1, "partner": 1, "amount": 1, "issued_on": "2025-01-01", "due_on": "2025-02-01"
    });
    assert_eq!(viewer.post("/api/invoices", invoice).await.status, 403);
    assert_eq!(
        viewer
            .put(&format!("/api/invoices/{id}"), json!({"amount": 1}))
            .await
            .status,
        403
    );
    assert_eq!(
        viewer.post(&format!("/api/invoices/{id}/pay"), json!({})).await.status,
        403
    );
    assert_eq!(viewer.put("/api/companies/1", json!({"name": "x"})).await.status, 403);
    let movement = json!({"company": 1, "amount": 1, "booked_on": "2025-01-01"});
    assert_eq!(viewer.post("/api/treasury/transactions", movement).await.status, 403);
    assert!(
        viewer.get("/api/dashboard/summary?company=1").await.is_hit(),
        "what failed invalidates nothing"
    );
}
