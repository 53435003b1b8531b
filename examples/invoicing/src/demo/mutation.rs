//! Does a mutation show in the very next read?
use serde::Deserialize;

use super::{instance::Instance, report::Report};
use crate::money::Money;

/// How often it is looked at.
const ROUNDS: i64 = 10;

#[derive(Deserialize)]
struct Totals {
    invoiced: Money,
}

#[derive(Deserialize)]
struct Created {
    id: i64,
}

/// Issues an invoice, then changes its amount again and again, and reads the totals before and after.
pub(super) async fn shows_at_once(report: &mut Report, promise: &str, service: &Instance) -> anyhow::Result<()> {
    let before = total(service).await?;
    let body = r#"{"company": 1, "partner": 1, "amount": 1000.01, "issued_on": "2025-12-31", "due_on": "2026-01-30"}"#;
    let created: Created = service.post("/api/invoices", body.to_owned()).await?.json()?;
    let path = format!("/api/invoices/{}", created.id);
    let mut amount = Money::from_minor(100_001);
    let mut shown = i64::from(total(service).await? == before + amount);
    for round in 1..ROUNDS {
        amount = Money::from_minor(100_001 + round * 1001);
        service
            .put(&path, format!(r#"{{"amount": {amount}}}"#))
            .await?
            .json::<Created>()?;
        shown += i64::from(total(service).await? == before + amount);
    }
    let measured = format!("{shown} of {ROUNDS}: invoiced {before} -> {}", before + amount);
    report.promise(promise, measured, shown == ROUNDS);
    Ok(())
}

/// What company 1 invoiced, read twice, so that the second answer comes from the cache if there is one.
async fn total(service: &Instance) -> anyhow::Result<Money> {
    let path = "/api/dashboard/summary?company=1";
    let first = service.get(path).await?.json::<Totals>()?.invoiced;
    let second = service.get(path).await?.json::<Totals>()?.invoiced;
    anyhow::ensure!(first == second, "two reads in a row say {first} and {second}");
    Ok(first)
}
