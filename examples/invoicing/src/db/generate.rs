//! Made-up books: the same numbers on every machine and in every run.
mod ledger;
mod names;

use anyhow::Context as _;
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::AnyConnection;

use self::ledger::Ledger;
use super::{Size, bulk::Bulk};
use crate::day::Day;

/// The day of the first invoice.
pub(super) const FIRST_DAY: Day = Day::of(2023, 1, 1);
/// The last day of the data; what is due after it is not overdue yet.
pub(super) const LAST_DAY: Day = Day::of(2025, 12, 31);
/// The tenants that the data is for.
pub const TENANTS: [&str; 3] = ["default", "client-a", "client-b"];
const DAYS: u32 = 1096;
/// What the tables look like: another one is made anew.
pub(super) const LAYOUT: &str = "2";

/// The numbers that rows of one kind have had so far, over all tenants.
#[derive(Default)]
struct Counters {
    companies: i64,
    partners: i64,
    invoices: i64,
    payments: i64,
    movements: i64,
}

/// Fills empty tables. The tenant `default` gets the whole size; `client-a` and `client-b` get two companies and a
/// twentieth of the invoices each, numbered on from there.
pub(super) async fn fill(connection: &mut AnyConnection, size: Size) -> anyhow::Result<()> {
    let small = Size {
        companies: 2,
        invoices: (size.invoices / 20).max(100),
    };
    let sizes = [size, small, small];
    let bar = progress_bar(sizes.iter().map(|size| u64::from(size.invoices)).sum());
    let mut counters = Counters::default();
    for (seed, (tenant, size)) in (1..).zip(TENANTS.into_iter().zip(sizes)) {
        bar.set_message(tenant);
        fill_tenant(connection, &mut counters, tenant, size, seed, &bar).await?;
    }
    save(connection, &counters, size).await?;
    bar.finish_and_clear();
    Ok(())
}

fn progress_bar(invoices: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("making invoices {bar:40} {human_pos}/{human_len} {per_sec} {msg}");
    ProgressBar::new(invoices).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn fill_tenant(
    connection: &mut AnyConnection,
    counters: &mut Counters,
    tenant: &'static str,
    size: Size,
    seed: u64,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed);
    let first_company = counters.companies + 1;
    let first_partner = counters.partners + 1;
    let partners = (size.invoices / 1000).clamp(20, 400);

    let mut rows = Bulk::into("companies", &["id", "tenant_id", "name", "tax_number", "currency"]);
    for _ in 0..size.companies {
        counters.companies += 1;
        rows.value(counters.companies)?
            .value(tenant)?
            .value(names::company(&mut rng, counters.companies))?;
        rows.value(format!("EU{:09}", rng.u32(0..1_000_000_000)))?
            .value("EUR")?;
        if rows.end_row() {
            rows.send(connection).await?;
        }
    }
    rows.send(connection).await?;

    let mut rows = Bulk::into("partners", &["id", "tenant_id", "name"]);
    for _ in 0..partners {
        counters.partners += 1;
        rows.value(counters.partners)?
            .value(tenant)?
            .value(names::partner(&mut rng, counters.partners))?;
        if rows.end_row() {
            rows.send(connection).await?;
        }
    }
    rows.send(connection).await?;

    let mut ledger = Ledger::new(&mut rng, tenant, first_company, size.companies, first_partner, partners);
    for index in 0..size.invoices {
        let day = u64::from(index) * u64::from(DAYS) / u64::from(size.invoices);
        ledger
            .invoice(
                connection,
                counters,
                i64::try_from(day).context("a day of three years")?,
            )
            .await?;
        if index % 1000 == 999 {
            bar.inc(1000);
        }
    }
    ledger.finish(connection, counters).await?;
    Ok(())
}

/// Writes down what was made, and where new rows are to be numbered from.
async fn save(connection: &mut AnyConnection, counters: &Counters, size: Size) -> Result<(), sqlx::Error> {
    let mut rows = Bulk::into("counters", &["name", "last_id"]);
    for (name, last) in [
        ("invoices", counters.invoices),
        ("payments", counters.payments),
        ("treasury_movements", counters.movements),
    ] {
        rows.value(name)?.value(last)?.end_row();
    }
    rows.send(connection).await?;

    let mut rows = Bulk::into("invoicing_dataset", &["name", "value"]);
    for (name, value) in [
        ("companies", size.companies.to_string()),
        ("invoices", size.invoices.to_string()),
        ("today", LAST_DAY.to_string()),
        ("layout", LAYOUT.to_owned()),
    ] {
        rows.value(name)?.value(value)?.end_row();
    }
    rows.send(connection).await
}
