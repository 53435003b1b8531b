//! Does a mutation show in the very next read?
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{instance::Instance, report::Report};
use crate::{
    db::{Books, query},
    money::Money,
};

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

/// How long a change by another program may take to show, with the load that shows it: far less than the time-to-live.
const LAG: Duration = Duration::from_secs(30);

/// Changes invoices by SQL alone, as another program would, and reads the totals until they show it.
pub(super) async fn shows_by_others(
    report: &mut Report,
    promise: &str,
    service: &Instance,
    books: &Books,
) -> anyhow::Result<()> {
    let relay = books.outbox.follow(&service.cache)?;
    let mut longest = Duration::ZERO;
    let mut shown = 0;
    for _ in 0..ROUNDS {
        let before = total(service).await?;
        let sql = "UPDATE invoices SET amount = amount + 100 WHERE id = (SELECT min(id) FROM invoices WHERE company_id = 1) \
                   RETURNING id";
        books.db.one::<(i64,)>(query(sql)).await?;
        let began = Instant::now();
        let expected = before + Money::from_minor(100);
        let mut now = invoiced(service).await?;
        while now != expected && began.elapsed() < LAG {
            tokio::time::sleep(Duration::from_millis(1)).await;
            now = invoiced(service).await?;
        }
        shown += i64::from(now == expected);
        longest = longest.max(began.elapsed());
    }
    relay.stop().await;
    let measured = format!("{shown} of {ROUNDS}, after {} at most", super::report::shown(longest));
    report.promise(promise, measured, shown == ROUNDS);
    Ok(())
}

/// What company 1 invoiced, read twice, so that the second answer comes from the cache if there is one.
async fn total(service: &Instance) -> anyhow::Result<Money> {
    let (first, second) = (invoiced(service).await?, invoiced(service).await?);
    anyhow::ensure!(first == second, "two reads in a row say {first} and {second}");
    Ok(first)
}

async fn invoiced(service: &Instance) -> anyhow::Result<Money> {
    let answer = service.get("/api/dashboard/summary?company=1").await?;
    Ok(answer.json::<Totals>()?.invoiced)
}
