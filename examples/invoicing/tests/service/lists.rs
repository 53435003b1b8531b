//! Lists are pages, and filters filter.
use serde_json::Value;

use crate::harness::{Service, cents};

#[tokio::test]
async fn pages_together_hold_every_invoice_once() {
    let service = Service::start().await;
    let (mut ids, mut page) = (Vec::new(), 1);
    let total = loop {
        let answer = service
            .get(&format!("/api/invoices?company=2&page={page}&page_size=70"))
            .await
            .ok();
        assert_eq!(
            (&answer["page"], &answer["page_size"]),
            (&Value::from(page), &Value::from(70))
        );
        let items = answer["items"].as_array().unwrap();
        ids.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
        if items.len() < 70 {
            break answer["total"].as_u64().unwrap();
        }
        page += 1;
    };
    let listed = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((listed as u64, ids.len() as u64), (total, total));
}

#[tokio::test]
async fn the_latest_invoices_come_first() {
    let service = Service::start().await;
    let list = service.get("/api/invoices?company=1&page_size=500").await.ok();
    let days: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["issued_on"].as_str().unwrap())
        .collect();
    assert!(days.windows(2).all(|pair| pair[0] >= pair[1]));
}

#[tokio::test]
async fn filters_leave_out_what_does_not_match() {
    let service = Service::start().await;
    let all = service.get("/api/invoices?company=1&page_size=500").await.ok();
    let all = all["items"].as_array().unwrap();
    let ids = |list: &Value| -> Vec<Value> {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].clone())
            .collect()
    };
    let matching = |keep: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        all.iter()
            .filter(|item| keep(item))
            .map(|item| item["id"].clone())
            .collect()
    };

    let unpaid = service
        .get("/api/invoices?company=1&unpaid=true&page_size=500")
        .await
        .ok();
    assert_eq!(
        ids(&unpaid),
        matching(&|item| cents(&item["paid"]) < cents(&item["amount"]))
    );
    assert_eq!(unpaid["total"], ids(&unpaid).len());

    let path = "/api/invoices?company=1&from=2024-01-01&to=2024-06-30&page_size=500";
    let half = service.get(path).await.ok();
    let in_half = |item: &Value| ("2024-01-01"..="2024-06-30").contains(&item["issued_on"].as_str().unwrap());
    assert_eq!(ids(&half), matching(&in_half));

    let partner = all[0]["partner"].as_i64().unwrap();
    let theirs = service
        .get(&format!("/api/invoices?company=1&partner={partner}&page_size=500"))
        .await
        .ok();
    assert_eq!(ids(&theirs), matching(&|item| item["partner"] == partner));
}

#[tokio::test]
async fn an_empty_filter_is_no_filter() {
    let service = Service::start().await;
    let plain = service.get("/api/invoices?company=1").await.ok();
    let empty = service
        .get("/api/invoices?company=1&partner=&from=&to=&unpaid=&page=&page_size=")
        .await;
    assert_eq!(empty.ok(), plain);
    assert!(empty.is_hit(), "both are the same entry");
}

#[tokio::test]
async fn companies_are_a_list_like_any_other() {
    let service = Service::start().await;
    let page = service.get("/api/companies?page=2&page_size=2").await.ok();
    assert_eq!(page["total"], 3);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["id"], 3);
    assert_eq!((&page["page"], &page["page_size"]), (&Value::from(2), &Value::from(2)));
}
