//! Bad input is answered with a 4xx that names the field.
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Service;

#[tokio::test]
async fn a_bad_query_is_a_400_that_names_the_parameter() {
    let service = Service::start().await;
    for (path, field) in [
        ("/api/dashboard/summary", "company"),
        ("/api/dashboard/summary?company=one", "company"),
        ("/api/dashboard/summary?company=1&company=2", "company"),
        ("/api/dashboard/summary?company=1&compnay=2", "compnay"),
        ("/api/dashboard/trends?company=1&period=5m", "period"),
        ("/api/dashboard/trends?company=1&compare=maybe", "compare"),
        ("/api/dashboard/detailed?company=1&page=0", "page"),
        ("/api/dashboard/detailed?company=1&page_size=501", "page_size"),
        ("/api/invoices?company=1&page_size=ten", "page_size"),
        ("/api/invoices?company=1&partner=-1", "partner"),
        ("/api/invoices?company=1&from=2024-13-01", "from"),
        ("/api/invoices?company=1&to=yesterday", "to"),
        ("/api/invoices?company=1&unpaid=2", "unpaid"),
        ("/api/companies?size=3", "size"),
        ("/api/treasury?company=99999999999999999999", "company"),
    ] {
        let answer = service.get(path).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["field"]),
            (400, &Value::from(field)),
            "{path}: {}",
            answer.text
        );
        assert!(
            error["message"].as_str().unwrap().contains(field),
            "{path}: {}",
            answer.text
        );
        assert_eq!(answer.cache_status, None, "nothing was read");
    }
}

#[tokio::test]
async fn a_bad_body_is_a_400_that_names_the_field() {
    let service = Service::start().await;
    let good = json!({
        "company": 1, "partner": 1, "amount": 10.5, "issued_on": "2025-01-01", "due_on": "2025-02-01"
    });
    for (field, value) in [
        ("company", json!("1")),
        ("company", json!(null)),
        ("partner", json!(1.5)),
        ("amount", json!("10.50")),
        ("amount", json!(10.505)),
        ("amount", json!(0)),
        ("amount", json!(-1)),
        ("amount", json!(1e12)),
        ("issued_on", json!("01.01.2025")),
        ("due_on", json!("2024-12-31")),
        ("due_on", json!(20_250_201)),
        ("note", json!("thanks")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = service.post("/api/invoices", body).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["field"]),
            (400, &Value::from(field)),
            "{value}: {}",
            answer.text
        );
    }
    for (method, path, body) in [
        (Method::POST, "/api/invoices", "not json"),
        (Method::POST, "/api/invoices", "[1]"),
        (Method::PUT, "/api/companies/1", "\"name\""),
    ] {
        let answer = service.send(method, path, body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["field"]),
            (400, &json!("body")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_other_writes_name_their_fields_too() {
    let service = Service::start().await;
    for (method, path, body, field) in [
        (Method::PUT, "/api/invoices/one", json!({}), "id"),
        (Method::PUT, "/api/invoices/1", json!({"amount": "x"}), "amount"),
        (Method::PUT, "/api/invoices/1", json!({}), "body"),
        (
            Method::POST,
            "/api/invoices/1/pay",
            json!({"paid_on": "soon"}),
            "paid_on",
        ),
        (Method::POST, "/api/invoices/1/pay", json!({"amount": 1}), "amount"),
        (
            Method::POST,
            "/api/treasury/transactions",
            json!({"company": 1, "booked_on": "2025-01-01"}),
            "amount",
        ),
        (
            Method::POST,
            "/api/treasury/transactions",
            json!({"company": 1, "amount": 1}),
            "booked_on",
        ),
        (
            Method::POST,
            "/api/treasury/transactions",
            json!({"company": 1, "amount": 0, "booked_on": "2025-01-01"}),
            "amount",
        ),
        (Method::PUT, "/api/companies/1", json!({"name": "  "}), "name"),
        (Method::PUT, "/api/companies/1", json!({}), "body"),
    ] {
        let answer = service.send(method, path, body.to_string()).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["field"]),
            (400, &Value::from(field)),
            "{path} {body}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_is_a_404() {
    let service = Service::start().await;
    let invoice = json!({
        "company": 99, "partner": 1, "amount": 1, "issued_on": "2025-01-01", "due_on": "2025-02-01"
    });
    let mut other_partner = invoice.clone();
    other_partner["company"] = json!(1);
    other_partner["partner"] = json!(9_999);
    for (method, path, body, field) in [
        (Method::GET, "/api/dashboard/summary?company=99", Value::Null, "company"),
        (Method::GET, "/api/invoices?company=0", Value::Null, "company"),
        (Method::POST, "/api/invoices", invoice, "company"),
        (Method::POST, "/api/invoices", other_partner, "partner"),
        (Method::PUT, "/api/invoices/999999", json!({"amount": 1}), "id"),
        (Method::PUT, "/api/invoices/1", json!({"company": 99}), "company"),
        (Method::POST, "/api/invoices/999999/pay", json!({}), "id"),
        (Method::PUT, "/api/companies/99", json!({"name": "x"}), "id"),
    ] {
        let answer = service.send(method, path, body.to_string()).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["field"]),
            (404, &Value::from(field)),
            "{path}: {}",
            answer.text
        );
    }
    assert_eq!(service.get("/api/nothing").await.json()["error"]["code"], "not_found");
    assert_eq!(service.get("/nothing").await.status, 404);
    let answer = service.send(Method::DELETE, "/api/invoices", "").await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (405, &json!("method_not_allowed"))
    );
}

#[tokio::test]
async fn what_contradicts_the_books_is_a_409() {
    let service = Service::start().await;
    let id = service.issue(1, 100.0).await;
    let pay = format!("/api/invoices/{id}/pay");
    assert_eq!(service.send(Method::POST, &pay, "").await.status, 200);
    let twice = service.send(Method::POST, &pay, "").await;
    assert_eq!(
        (twice.status, &twice.json()["error"]["code"]),
        (409, &json!("conflict"))
    );
    let less = service
        .put(&format!("/api/invoices/{id}"), json!({"amount": 99.99}))
        .await;
    assert_eq!((less.status, &less.json()["error"]["field"]), (409, &json!("amount")));
}

#[tokio::test]
async fn an_error_is_not_cached() {
    let service = Service::start().await;
    for _ in 0..2 {
        let answer = service.get("/api/dashboard/summary?company=99").await;
        assert_eq!(answer.status, 404);
        assert!(answer.says("fwd=miss"), "{answer:?}");
    }
}
