//! A made-up service. Nothing of it is ever called.
#![expect(dead_code, clippy::unused_async, reason = "it is looked at, and never called")]

use std::{collections::HashMap, fmt::Display, time::Duration};

use async_trait::async_trait;
use cache_runtime::{cached, invalidates};
use serde::Serialize;

const LEASE: Duration = Duration::from_secs(3);

pub(crate) struct Db;

impl Db {
    async fn run(&self, _statement: &str) -> i64 {
        1
    }
}

/// Generic, and never made of any type.
pub(crate) struct Invoices<T> {
    db: Db,
    region: Option<String>,
    rest: T,
}

impl<T: Sync> Invoices<T> {
    #[cached(
        resource = "invoices_list",
        ttl = "90s",
        scope(company = filter.0 + 1),
        skip(handle),
        near = "tracked",
        lease = LEASE,
        version = 3,
        when = filter.1 < 10,
        negative_ttl = "10s",
        jitter = "off"
    )]
    pub(crate) async fn list<F: Display + Sync>(
        &self,
        filter: (i64, u32),
        handle: &F,
        #[cfg(windows)] never: u8,
        #[cfg(not(windows))] always: u8,
    ) -> Option<i64> {
        let _ = (&self.rest, handle, always);
        Some(self.db.run("SELECT 1 FROM invoices FOR UPDATE").await + filter.0)
    }

    #[cached(resource = "invoices_summary", scope(company, region = self.region), stale_while_revalidate = "off", ttl = |sum| sum_ttl(*sum))]
    pub(crate) async fn summary(&self, company: i64) -> i64 {
        company
    }

    #[invalidates("invoice_data"(company = result), "pages"(when = invoice > 0), on = "always", detach)]
    pub(crate) async fn pay(invoice: i64) -> Result<i64, String> {
        Db.run("UPDATE accounting.invoices SET paid = true").await;
        Ok(invoice)
    }
}

const fn sum_ttl(sum: i64) -> Duration {
    Duration::from_secs(sum.unsigned_abs())
}

#[async_trait]
pub(crate) trait Articles {
    async fn article(&self, slug: String) -> Vec<i64>;
}

#[async_trait]
impl Articles for Db {
    #[cached(resource = "articles", tags(author = result.iter().copied(), label = slug.as_str()))]
    async fn article(&self, slug: String) -> Vec<i64> {
        vec![self.run("SELECT").await]
    }
}

/// Where an implementation stands that is not beside its type.
pub(crate) mod elsewhere {
    use super::*;

    impl<T> Invoices<T> {
        #[invalidates("pages")]
        pub(crate) async fn renumber() {}
    }
}

#[invalidates(tag("author", author))]
pub(crate) async fn rename_author(author: i64) {
    Db.run("UPDATE authors SET name = $1").await;
}

#[invalidates("invoices_s*"(company in companies.iter()), soft)]
pub(crate) async fn recount_softly(companies: &[i64]) {}

#[cfg(any())]
#[cached(resource = "drafts")]
async fn left_out() -> Missing {}

pub(crate) fn bodies_have_functions() {
    #[cached(resource = "pages", each = id in ids)]
    async fn of_a_body(ids: &[i64]) -> HashMap<i64, String> {
        ids.iter().map(|id| (*id, id.to_string())).collect()
    }
}

#[cached(resource = "pages")]
pub(crate) async fn page(name: &str) -> String {
    name.to_owned()
}

pub(crate) mod faults {
    use super::*;

    /// Nothing invalidates it.
    #[cached(resource = "rates")]
    pub(crate) async fn rate(currency: &str) -> usize {
        currency.len()
    }

    /// Nobody caches it.
    #[invalidates("exports")]
    pub(crate) async fn export() {}

    /// One of two with the same keys.
    #[cached(resource = "totals", scope(company))]
    pub(crate) async fn paid(company: i64) -> i64 {
        company
    }

    /// The other one.
    #[cached(resource = "totals", scope(company))]
    pub(crate) async fn unpaid(company: i64) -> String {
        company.to_string()
    }

    /// A hit counts nothing.
    #[cached(resource = "counters")]
    pub(crate) async fn count_visit(page: u32) -> i64 {
        let statement = "INSERT INTO visits (page) VALUES ($1)";
        Db.run(statement).await + i64::from(page)
    }

    /// Not annotated, and nobody declares the table.
    pub(crate) async fn rename_author_by_hand() {
        Db.run("UPDATE authors SET name = $1").await;
    }

    #[invalidates("counters", "books")]
    pub(crate) async fn forget() {
        #[derive(Serialize)]
        struct Row;
        Db.run("DELETE FROM visits").await;
    }
}
