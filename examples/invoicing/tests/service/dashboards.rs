//! What the dashboards say agrees with the invoices and with each other.
use serde_json::Value;

use crate::harness::{Service, cents};

#[tokio::test]
async fn the_summary_agrees_with_the_list_of_invoices() {
    let service = Service::start().await;
    let summary = service.get("/api/dashboard/summary?company=1").await.ok();
    let list = service.get("/api/invoices?company=1&page_size=500").await.ok();
    let items = list["items"].as_array().unwrap();
    assert_eq!(summary["invoices"], list["total"]);
    assert_eq!(
        cents(&summary["invoiced"]),
        items.iter().map(|item| cents(&item["amount"])).sum::<i64>()
    );
    assert_eq!(
        cents(&summary["paid"]),
        items.iter().map(|item| cents(&item["paid"])).sum::<i64>()
    );
    assert_eq!(
        cents(&summary["unpaid"]),
        cents(&summary["invoiced"]) - cents(&summary["paid"])
    );
    let by_year = service.get("/api/invoices/summary?company=1").await.ok();
    assert_eq!(by_year["invoiced"], summary["invoiced"]);
    assert_eq!(by_year["by_year"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_ages_of_what_is_owed_add_up_to_what_is_unpaid() {
    let service = Service::start().await;
    let maturity = service.get("/api/dashboard/maturity?company=1").await.ok();
    let buckets = maturity["buckets"].as_array().unwrap();
    let names: Vec<&str> = buckets.iter().map(|bucket| bucket["days"].as_str().unwrap()).collect();
    assert_eq!(names, ["0-30", "31-60", "61-90", "90+"]);
    let owed = buckets.iter().map(|bucket| cents(&bucket["amount"])).sum::<i64>() + cents(&maturity["not_due"]);
    let summary = service.get("/api/dashboard/summary?company=1").await.ok();
    assert_eq!(owed, cents(&summary["unpaid"]));
    assert!(owed > 0);
}

#[tokio::test]
async fn trends_have_every_month_of_the_period() {
    let service = Service::start().await;
    for (period, months) in [("3m", 3), ("6m", 6), ("12m", 12), ("24m", 24)] {
        let trends = service
            .get(&format!("/api/dashboard/trends?company=1&period={period}"))
            .await
            .ok();
        let shown = trends["months"].as_array().unwrap();
        assert_eq!(shown.len(), months, "{period}");
        assert_eq!(shown[months - 1]["month"], "2025-12");
        assert_eq!(trends["previous"], Value::Null);
    }
    let trends = service
        .get("/api/dashboard/trends?company=1&period=12m&compare=true")
        .await
        .ok();
    assert_eq!(trends["previous"].as_array().unwrap().len(), 12);
    assert_eq!(trends["previous"][11]["month"], "2024-12");
    assert!(trends["change_percent"].is_number());
}

#[tokio::test]
async fn the_table_shows_what_became_of_each_invoice() {
    let service = Service::start().await;
    let page = service
        .get("/api/dashboard/detailed?company=1&page_size=500")
        .await
        .ok();
    for item in page["items"].as_array().unwrap() {
        let unpaid = cents(&item["amount"]) - cents(&item["paid"]);
        let expected = match item["due_on"].as_str().unwrap() {
            _ if unpaid == 0 => "paid",
            due if due < "2025-12-31" => "overdue",
            _ => "open",
        };
        assert_eq!(item["status"], expected, "{item}");
        assert_eq!(
            item["days_overdue"].as_i64().unwrap() > 0,
            expected == "overdue",
            "{item}"
        );
    }
}

#[tokio::test]
async fn a_search_finds_partners_and_numbers_whatever_their_case() {
    let service = Service::start().await;
    let all = service.get("/api/dashboard/detailed?company=1").await.ok();
    let first = &all["items"][0];
    let number = first["number"].as_str().unwrap().to_lowercase();
    let found = service
        .get(&format!("/api/dashboard/detailed?company=1&search={number}"))
        .await
        .ok();
    assert_eq!(found["total"], 1);
    assert_eq!(found["items"][0]["id"], first["id"]);
    let partner = first["partner_name"].as_str().unwrap().to_uppercase().replace(' ', "+");
    let found = service
        .get(&format!("/api/dashboard/detailed?company=1&search={partner}"))
        .await
        .ok();
    assert!(found["total"].as_i64().unwrap() >= 1);
    let nothing = service.get("/api/dashboard/detailed?company=1&search=%25").await.ok();
    assert_eq!(nothing["total"], 0, "a percent sign is not a wildcard");
}

#[tokio::test]
async fn cash_flow_and_treasury_agree_on_the_balance() {
    let service = Service::start().await;
    let cashflow = service.get("/api/dashboard/cashflow?company=1").await.ok();
    let treasury = service.get("/api/treasury?company=1").await.ok();
    assert_eq!(cashflow["balance"], treasury["balance"]);
    assert_eq!(cashflow["expected"].as_array().unwrap().len(), 3);
    let december = treasury["by_month"]
        .as_array()
        .unwrap()
        .iter()
        .find(|month| month["month"] == "2025-12");
    assert_eq!(cashflow["months"].as_array().unwrap().last(), december);
}

#[tokio::test]
async fn performance_compares_two_years() {
    let service = Service::start().await;
    let performance = service.get("/api/dashboard/performance?company=1").await.ok();
    assert!(cents(&performance["invoiced"]) > 0 && cents(&performance["invoiced_before"]) > 0);
    assert!((0.0..=100.0).contains(&performance["paid_on_time_percent"].as_f64().unwrap()));
    assert_eq!(performance["partners"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn the_page_at_the_root_links_to_what_works() {
    let service = Service::start().await;
    let page = service.get("/").await;
    assert_eq!(page.status, 200);
    let links: Vec<&str> = page
        .text
        .split("<a href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!links.is_empty());
    for link in links {
        service.get(&link.replace("&amp;", "&")).await.ok();
    }
}
