//! Several annotated mutations in one database transaction.
use serde_json::{Value, json};

use crate::harness::{Service, cents};

const TREASURY: &str = "/api/treasury?company=1";
const SUMMARY: &str = "/api/dashboard/summary?company=1";

async fn settle(service: &Service, invoices: &[i64]) -> (u16, Value) {
    let body = json!({"company": 1, "invoices": invoices, "paid_on": "2025-12-31"});
    let answer = service.post("/api/invoices/settle", body).await;
    (answer.status, answer.json())
}

async fn balance(service: &Service) -> i64 {
    cents(&service.get(TREASURY).await.ok()["balance"])
}

#[tokio::test]
async fn invoices_that_are_settled_together_show_at_once() {
    let service = Service::start().await;
    let invoices = [service.issue(1, 10.0).await, service.issue(1, 20.5).await];
    let before = balance(&service).await;
    service.get(SUMMARY).await.ok();
    let (status, settled) = settle(&service, &invoices).await;
    assert_eq!(status, 201, "{settled}");
    assert_eq!(cents(&settled["movement"]["amount"]), 3_050);
    assert!(!service.get(SUMMARY).await.is_hit());
    let after = service.get(TREASURY).await.ok();
    assert_eq!(cents(&after["balance"]) - before, 3_050);
    assert_eq!(after["latest"][0], settled["movement"]);
}

#[tokio::test]
async fn a_settlement_that_is_rolled_back_changes_and_invalidates_nothing() {
    let service = Service::start().await;
    let (unpaid, elsewhere) = (service.issue(1, 10.0).await, service.issue(2, 10.0).await);
    let before = balance(&service).await;
    service.get(SUMMARY).await.ok();
    let (status, refused) = settle(&service, &[unpaid, elsewhere]).await;
    assert_eq!(status, 409, "{refused}");
    assert!(service.get(SUMMARY).await.is_hit());
    assert_eq!(balance(&service).await, before);
    let (status, settled) = settle(&service, &[unpaid]).await;
    assert_eq!(status, 201, "the first one was not paid: {settled}");
}
