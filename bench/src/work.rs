//! The function that everybody caches: its arguments, its result, and what it looks like under this project's attribute.
//! The twins under the peers' attributes are in `peers`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cache_runtime::cached;
use hitbox_fn::{CacheableResponse, KeyExtract};
use serde::{Deserialize, Serialize};

/// The numbers of rows in a result: about 400 bytes of JSON, and about 40 kB.
pub(crate) const SMALL: u32 = 5;
pub(crate) const LARGE: u32 = 500;

/// For how long results are kept, by whatever keeps them.
pub(crate) const TTL: Duration = Duration::from_hours(1);

static LOADS: AtomicU64 = AtomicU64::new(0);

/// The five arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Query {
    pub(crate) company: i64,
    pub(crate) year: i32,
    pub(crate) filter: Filter,
    /// What tells the keys of a figure apart.
    pub(crate) page: u32,
    pub(crate) page_size: u32,
}

/// The nested one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, KeyExtract)]
pub(crate) struct Filter {
    pub(crate) status: String,
    pub(crate) search: Option<String>,
    pub(crate) currency: String,
    pub(crate) min_cents: i64,
    pub(crate) overdue: bool,
}

/// What the function returns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CacheableResponse)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
}

/// About 80 bytes of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) customer: String,
    pub(crate) amount: f64,
    pub(crate) due: String,
    pub(crate) paid: bool,
}

impl Query {
    pub(crate) fn new(page: u32, page_size: u32) -> Self {
        Self {
            company: 4711,
            year: 2026,
            filter: Filter {
                status: "open".to_owned(),
                search: Some("Müller & Söhne".to_owned()),
                currency: "EUR".to_owned(),
                min_cents: 10_000,
                overdue: true,
            },
            page,
            page_size,
        }
    }

    /// The key that one would write by hand.
    pub(crate) fn formatted(&self) -> String {
        let Self {
            company,
            year,
            filter,
            page,
            page_size,
        } = self;
        let Filter {
            status,
            search,
            currency,
            min_cents,
            overdue,
        } = filter;
        let search = search.as_deref().unwrap_or_default();
        format!("{company}:{year}:{status}:{search}:{currency}:{min_cents}:{overdue}:{page}:{page_size}")
    }
}

/// Stands in for the database.
pub(crate) fn load(page: u32, page_size: u32) -> Page {
    LOADS.fetch_add(1, Ordering::Relaxed);
    page_of(page, page_size)
}

/// As [`load`], where bodies are meant to run.
pub(crate) fn page_of(page: u32, page_size: u32) -> Page {
    let first = u64::from(page) * u64::from(page_size);
    let rows = (first..first + u64::from(page_size)).map(Row::new).collect();
    Page { rows }
}

/// How often a body has run, whoever has cached it.
pub(crate) fn loads() -> u64 {
    LOADS.load(Ordering::Relaxed)
}

impl Row {
    fn new(id: u64) -> Self {
        Self {
            id,
            customer: format!("Customer {:04}", id % 10_000),
            amount: 19.95,
            due: format!("2026-{:02}-{:02}", id % 12 + 1, id % 28 + 1),
            paid: id.is_multiple_of(2),
        }
    }
}

#[cached(resource = "invoices")]
pub(crate) async fn invoices(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Page {
    let _ = (company, year, filter);
    load(page, page_size)
}

#[cached(resource = "invoices_near", near = "tracked")]
pub(crate) async fn invoices_near(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Page {
    let _ = (company, year, filter);
    load(page, page_size)
}

/// A small value of one argument.
#[cached(resource = "total", near = "tracked")]
pub(crate) async fn total(id: i64) -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    id.unsigned_abs()
}

/// Three arguments, of which one is a text.
#[cached(resource = "by_status", near = "tracked")]
pub(crate) async fn by_status(company: i64, status: &str, page: u32) -> Arc<Page> {
    let _ = (company, status);
    Arc::new(load(page, SMALL))
}

#[cached(resource = "invoices_shared", near = "tracked")]
pub(crate) async fn invoices_shared(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Arc<Page> {
    let _ = (company, year, filter);
    Arc::new(load(page, page_size))
}
