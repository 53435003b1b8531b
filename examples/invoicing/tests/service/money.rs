//! Amounts are exact, from the digits in a request to the digits in an answer.
use reqwest::Method;
use serde_json::json;

use crate::harness::{Service, cents};

#[tokio::test]
async fn ten_dimes_are_a_unit() {
    let service = Service::start().await;
    let before = cents(&service.get("/api/dashboard/summary?company=1").await.ok()["invoiced"]);
    for _ in 0..10 {
        service.issue(1, 0.1).await;
    }
    let after = cents(&service.get("/api/dashboard/summary?company=1").await.ok()["invoiced"]);
    assert_eq!(after - before, 100);
}

#[tokio::test]
async fn every_digit_of_a_large_amount_comes_back() {
    let service = Service::start().await;
    let body = |amount: &str| {
        format!(
            r#"{{"company": 1, "partner": 1, "amount": {amount}, "issued_on": "2025-12-01", "due_on": "2025-12-31"}}"#
        )
    };
    for amount in ["999999999.99", "0.01", "1250.5", "4503599.29"] {
        let answer = service.send(Method::POST, "/api/invoices", body(amount)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert!(
            answer.text.contains(&format!("\"amount\":{amount},")),
            "{}",
            answer.text
        );
    }
    for amount in ["1000000000.00", "0.001", "1e2", "1.005"] {
        let answer = service.send(Method::POST, "/api/invoices", body(amount)).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["field"]),
            (400, &json!("amount")),
            "{amount}"
        );
    }
}

#[tokio::test]
async fn a_cached_amount_has_the_same_digits() {
    let service = Service::start().await;
    let loaded = service.get("/api/invoices?company=1&page_size=500").await;
    let cached = service.get("/api/invoices?company=1&page_size=500").await;
    assert!(cached.is_hit());
    assert_eq!(loaded.text, cached.text);
}
