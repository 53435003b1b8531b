//! What is kept in the process: the function's results under this project's attribute, and under those of the peers.

use std::sync::Arc;

use anyhow::{Result, ensure};
use cache_runtime::{Cache, Outcome, observe};
use cache_testkit::{RedisServer, reaching};
use cached::macros::concurrent_cached;

use crate::{
    bench::patient,
    work::{Filter, Page, Query, SMALL, TTL, by_status, invoices_near, invoices_shared, load, total},
};

/// How many different results are asked for, in turn.
const KEYS: u32 = 16;

/// A cache that keeps values near, and the server that reports what changes.
pub(crate) struct Tracked {
    cache: Cache,
    _server: RedisServer,
}

impl Tracked {
    /// Installs a cache whose near values for these queries are used without asking.
    ///
    /// # Errors
    ///
    /// If they are not.
    pub(crate) async fn start(queries: &[Query]) -> Result<Self> {
        let server = RedisServer::start()?;
        let cache = reaching(&server, patient()).await;
        cache.install();
        for query in queries {
            // A value is kept once it was read while all changes are reported.
            for _ in 0..1000 {
                let ((), outcomes) = observe(every(query)).await;
                if outcomes.iter().all(|call| call.outcome == Outcome::NearHit) {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let tracked = Self { cache, _server: server };
        for query in queries {
            let ((), outcomes) = observe(every(query)).await;
            let near = outcomes.iter().all(|call| call.outcome == Outcome::NearHit);
            ensure!(near, "{query:?} is not kept near: {outcomes:?}");
        }
        Ok(tracked)
    }

    /// How many calls have asked Redis so far.
    pub(crate) fn asked(&self) -> u64 {
        self.cache.stats().hits
    }

    pub(crate) async fn close(self) {
        self.cache.close().await;
    }
}

/// All near calls of a query.
async fn every(query: &Query) {
    page(query).await;
    shared(query).await;
    three(query).await;
    number(query).await;
}

pub(crate) fn queries(page_size: u32) -> Vec<Query> {
    (0..KEYS).map(|page| Query::new(page, page_size)).collect()
}

/// A near hit that returns a copy.
pub(crate) async fn page(query: &Query) -> Page {
    invoices_near(query.company, query.year, &query.filter, query.page, query.page_size).await
}

/// A near hit that returns what all callers share.
pub(crate) async fn shared(query: &Query) -> Arc<Page> {
    invoices_shared(query.company, query.year, &query.filter, query.page, query.page_size).await
}

/// A near hit of three arguments that returns what all callers share.
pub(crate) async fn three(query: &Query) -> Arc<Page> {
    by_status(query.company, &query.filter.status, query.page).await
}

/// A near hit of one argument that returns a number.
pub(crate) async fn number(query: &Query) -> u64 {
    total(query.page.into()).await
}

/// As [`three`], with a key of the arguments' own types: what its users write first.
pub(crate) async fn three_by_cached(query: &Query) -> Arc<Page> {
    cached_three(query.company, &query.filter.status, query.page).await
}

/// As [`page`], with a key that is made of the arguments: quicker than the attribute's own, which takes them by value.
pub(crate) async fn page_by_cached(query: &Query) -> Page {
    cached_page(query.company, query.year, &query.filter, query.page, query.page_size).await
}

pub(crate) async fn shared_by_cached(query: &Query) -> Arc<Page> {
    cached_shared(query.company, query.year, &query.filter, query.page, query.page_size).await
}

/// As the attribute is written without options: the arguments are the key.
pub(crate) async fn shared_by_cached_plainly(query: &Query) -> Arc<Page> {
    let filter = query.filter.clone();
    cached_plainly(query.company, query.year, filter, query.page, query.page_size).await
}

#[concurrent_cached(ttl_secs = 3600)]
async fn cached_plainly(company: i64, year: i32, filter: Filter, page: u32, page_size: u32) -> Arc<Page> {
    let _ = (company, year, filter);
    Arc::new(load(page, page_size))
}

#[concurrent_cached(
    ttl_secs = 3600,
    key = "Query",
    convert = { Query { company, year, filter: filter.clone(), page, page_size } }
)]
async fn cached_page(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Page {
    let _ = (company, year, filter);
    load(page, page_size)
}

#[concurrent_cached(
    ttl_secs = 3600,
    key = "Query",
    convert = { Query { company, year, filter: filter.clone(), page, page_size } }
)]
async fn cached_shared(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Arc<Page> {
    let _ = (company, year, filter);
    Arc::new(load(page, page_size))
}

#[concurrent_cached(
    ttl_secs = 3600,
    key = "(i64, String, u32)",
    convert = { (company, status.to_owned(), page) }
)]
async fn cached_three(company: i64, status: &str, page: u32) -> Arc<Page> {
    let _ = (company, status);
    Arc::new(load(page, SMALL))
}

/// `quick_cache` under the keys that its users format. It knows of no time.
pub(crate) struct QuickCache(quick_cache::sync::Cache<String, Arc<Page>>);

impl QuickCache {
    pub(crate) fn new() -> Self {
        Self(quick_cache::sync::Cache::new(10_000))
    }

    pub(crate) fn three(&self, query: &Query) -> Arc<Page> {
        let Query {
            company, filter, page, ..
        } = query;
        let key = format!("by_status:{company}:{}:{page}", filter.status);
        if let Some(page) = self.0.get(&key) {
            return page;
        }
        let page = Arc::new(load(*page, SMALL));
        self.0.insert(key, Arc::clone(&page));
        page
    }
}

/// `amalgam-cache` under keys that are ready: what a call costs that does not make one.
pub(crate) struct Amalgam(amalgam::Cache<Arc<Page>>);

impl Amalgam {
    /// # Errors
    ///
    /// What it says of its options.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(amalgam::Cache::builder().try_build()?))
    }

    /// # Panics
    ///
    /// If it fails, which it has no reason for.
    pub(crate) async fn shared(&self, (key, query): &(String, Query)) -> Arc<Page> {
        let (page, page_size) = (query.page, query.page_size);
        let answer = self
            .0
            .get_or_set(key.as_str(), move |_| async move {
                Ok::<_, std::convert::Infallible>(Arc::new(load(page, page_size)))
            })
            .await;
        answer.expect("nothing can fail in memory")
    }
}

/// `moka` under the keys that its users format.
pub(crate) struct Moka(moka::future::Cache<String, Arc<Page>>);

impl Moka {
    pub(crate) fn new() -> Self {
        Self(
            moka::future::Cache::builder()
                .max_capacity(10_000)
                .time_to_live(TTL)
                .build(),
        )
    }

    pub(crate) async fn shared(&self, query: &Query) -> Arc<Page> {
        let key = query.formatted();
        if let Some(page) = self.0.get(&key).await {
            return page;
        }
        let page = Arc::new(load(query.page, query.page_size));
        self.0.insert(key, Arc::clone(&page)).await;
        page
    }
}
