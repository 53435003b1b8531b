//! Every mutation shows at once in the reads that its row of the route table names, and leaves the others alone.
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Service, cents};

/// The reads of a company, by the resource behind each.
const READS: [(&str, &str); 9] = [
    ("dashboard_summary", "/api/dashboard/summary?company="),
    ("dashboard_trends", "/api/dashboard/trends?period=3m&company="),
    ("dashboard_detailed_data", "/api/dashboard/detailed?company="),
    ("dashboard_performance", "/api/dashboard/performance?company="),
    ("dashboard_cashflow", "/api/dashboard/cashflow?company="),
    ("dashboard_maturity", "/api/dashboard/maturity?company="),
    ("invoices_list", "/api/invoices?company="),
    ("invoices_summary", "/api/invoices/summary?company="),
    ("treasury_data", "/api/treasury?company="),
];

const INVOICE_DATA: [&str; 4] = [
    "dashboard_summary",
    "dashboard_trends",
    "invoices_list",
    "invoices_summary",
];

async fn warm(service: &Service, company: i64) {
    for (_, path) in READS {
        service.get(&format!("{path}{company}")).await.ok();
        assert!(
            service.get(&format!("{path}{company}")).await.is_hit(),
            "{path}{company}"
        );
    }
    service.get("/api/companies").await.ok();
}

/// The resources of the company that have to be loaded again.
async fn cold(service: &Service, company: i64) -> Vec<&'static str> {
    let mut cold = Vec::new();
    for (resource, path) in READS {
        if !service.get(&format!("{path}{company}")).await.is_hit() {
            cold.push(resource);
        }
    }
    cold
}

async fn companies_are_warm(service: &Service) -> bool {
    service.get("/api/companies").await.is_hit()
}

async fn invoiced(service: &Service, company: i64) -> i64 {
    cents(
        &service
            .get(&format!("/api/dashboard/summary?company={company}"))
            .await
            .ok()["invoiced"],
    )
}

#[tokio::test]
async fn a_new_invoice_shows_at_once() {
    let service = Service::start().await;
    warm(&service, 1).await;
    warm(&service, 2).await;
    let before = invoiced(&service, 1).await;
    let id = service.issue(1, 1234.56).await;
    assert_eq!(cold(&service, 1).await, INVOICE_DATA);
    assert_eq!(cold(&service, 2).await, [""; 0], "another company's entries stay");
    assert!(companies_are_warm(&service).await);
    assert_eq!(invoiced(&service, 1).await - before, 123_456);
    let list = service
        .get("/api/invoices?company=1&from=2025-12-30&to=2025-12-30")
        .await
        .ok();
    assert!(list["items"].as_array().unwrap().iter().any(|item| item["id"] == id));
}

#[tokio::test]
async fn a_changed_amount_shows_at_once() {
    let service = Service::start().await;
    let id = service.issue(1, 100.0).await;
    warm(&service, 1).await;
    let before = invoiced(&service, 1).await;
    let changed = service
        .put(&format!("/api/invoices/{id}"), json!({"amount": 250.75}))
        .await
        .ok();
    assert_eq!(cents(&changed["amount"]), 25_075);
    assert_eq!(cold(&service, 1).await, INVOICE_DATA);
    assert_eq!(invoiced(&service, 1).await - before, 15_075);
}

#[tokio::test]
async fn an_invoice_that_moves_shows_in_both_companies() {
    let service = Service::start().await;
    let id = service.issue(1, 100.0).await;
    for company in [1, 2, 3] {
        warm(&service, company).await;
    }
    let before = (invoiced(&service, 1).await, invoiced(&service, 2).await);
    let moved = service
        .put(&format!("/api/invoices/{id}"), json!({"company": 2}))
        .await
        .ok();
    assert_eq!(moved["company"], 2);
    assert_eq!(cold(&service, 1).await, INVOICE_DATA);
    assert_eq!(cold(&service, 2).await, INVOICE_DATA);
    assert_eq!(cold(&service, 3).await, [""; 0]);
    assert_eq!(
        (invoiced(&service, 1).await, invoiced(&service, 2).await),
        (before.0 - 10_000, before.1 + 10_000)
    );
}

#[tokio::test]
async fn a_payment_shows_at_once() {
    let service = Service::start().await;
    let id = service.issue(1, 80.0).await;
    warm(&service, 1).await;
    warm(&service, 2).await;
    let balance = async || cents(&service.get("/api/treasury?company=1").await.ok()["balance"]);
    let before = balance().await;
    let paid = service
        .send(Method::POST, &format!("/api/invoices/{id}/pay"), "")
        .await
        .ok();
    assert_eq!(paid["paid"], paid["amount"]);
    let expected = [
        "dashboard_summary",
        "dashboard_cashflow",
        "invoices_list",
        "treasury_data",
    ];
    assert_eq!(cold(&service, 1).await, expected);
    assert_eq!(cold(&service, 2).await, [""; 0]);
    assert_eq!(balance().await - before, 8_000);
}

#[tokio::test]
async fn a_treasury_movement_shows_at_once() {
    let service = Service::start().await;
    warm(&service, 1).await;
    warm(&service, 2).await;
    let before = service.get("/api/treasury?company=1").await.ok();
    let movement =
        json!({"company": 1, "amount": -19.99, "kind": "supplier", "description": "Paper", "booked_on": "2025-12-31"});
    let booked = service.post("/api/treasury/transactions", movement).await;
    assert_eq!(booked.status, 201, "{}", booked.text);
    assert_eq!(
        cold(&service, 1).await,
        ["dashboard_summary", "dashboard_cashflow", "treasury_data"]
    );
    assert_eq!(cold(&service, 2).await, [""; 0]);
    let after = service.get("/api/treasury?company=1").await.ok();
    assert_eq!(cents(&after["balance"]) - cents(&before["balance"]), -1_999);
    assert_eq!(after["latest"][0], booked.json());
}

#[tokio::test]
async fn a_renamed_company_shows_at_once() {
    let service = Service::start().await;
    warm(&service, 1).await;
    warm(&service, 2).await;
    let renamed = service.put("/api/companies/1", json!({"name": "Renamed"})).await.ok();
    assert_eq!(renamed["name"], "Renamed");
    let dashboards: Vec<&str> = READS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| name.starts_with("dashboard_"))
        .collect();
    assert_eq!(cold(&service, 1).await, dashboards);
    assert_eq!(cold(&service, 2).await, [""; 0]);
    let companies = service.get("/api/companies").await;
    assert!(!companies.is_hit());
    assert_eq!(companies.ok()["items"][0]["name"], "Renamed");
}

#[tokio::test]
async fn a_mutation_that_fails_invalidates_nothing() {
    let service = Service::start().await;
    warm(&service, 1).await;
    let refused: Value = json!({
        "company": 1, "partner": 999_999, "amount": 1, "issued_on": "2025-01-01", "due_on": "2025-02-01"
    });
    assert_eq!(service.post("/api/invoices", refused).await.status, 404);
    assert_eq!(cold(&service, 1).await, [""; 0]);
}

#[tokio::test]
async fn concurrent_writers_and_readers_never_see_a_total_of_before() {
    let service = Service::start().await;
    let before = invoiced(&service, 1).await;
    for round in 1..=20 {
        let (_, _) = tokio::join!(service.issue(1, 1.0), invoiced(&service, 1));
        assert_eq!(invoiced(&service, 1).await - before, round * 100);
    }
}
