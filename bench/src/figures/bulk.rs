//! A hundred entries at once: one call of a function with `each`, beside the `MGET` that one would write by hand, and beside a loop.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Result, ensure};
use cache_runtime::{Cache, cached, with_cache};
use cache_testkit::{RedisServer, reaching};
use redis::{AsyncCommands as _, Client, aio::MultiplexedConnection};

use super::Measurement;
use crate::{
    bench::{Bench, patient, runtime, say},
    contestants::without_delay,
    figure::{Figure, Must, OURS, Unit},
    measure::{Contender, Contestant, KEYS, interleaved, latency, warm},
    work::{Filter, Page, Query, SMALL, TTL, invoices, load},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "bulk",
    title: "A hundred hits at once: latency",
    run,
};

/// So many entries at once.
const MANY: u32 = 100;

/// Named apart, so that the keys are.
#[cached(resource = "invoices", each = page in pages, key(way = "bulk"))]
async fn pages_of(company: i64, year: i32, filter: &Filter, pages: &[u32], page_size: u32) -> HashMap<u32, Page> {
    let _ = (company, year, filter);
    pages.iter().map(|page| (*page, load(*page, page_size))).collect()
}

/// In what the entries by hand are in, too.
#[cached(resource = "invoices", codec = "json", each = page in pages, key(way = "bulk, JSON"))]
async fn json_pages_of(company: i64, year: i32, filter: &Filter, pages: &[u32], page_size: u32) -> HashMap<u32, Page> {
    let _ = (company, year, filter);
    pages.iter().map(|page| (*page, load(*page, page_size))).collect()
}

/// The pages from that of the query on.
fn pages(query: &Query) -> Vec<u32> {
    (query.page..query.page + MANY).map(|page| page % KEYS).collect()
}

fn rows(pages: &HashMap<u32, Page>) -> Result<usize> {
    ensure!(pages.len() == MANY as usize, "{} pages", pages.len());
    Ok(pages.values().map(|page| page.rows.len()).sum())
}

/// One call for all.
#[derive(Clone)]
struct Bulk(Cache);

impl Contestant for Bulk {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let pages = pages(query);
        let Query {
            company,
            year,
            filter,
            page_size,
            ..
        } = query;
        let call = pages_of(*company, *year, filter, &pages, *page_size);
        rows(&with_cache(self.0.clone(), call).await)
    }
}

/// One call for all, whose entries are JSON.
#[derive(Clone)]
struct JsonBulk(Cache);

impl Contestant for JsonBulk {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let pages = pages(query);
        let Query {
            company,
            year,
            filter,
            page_size,
            ..
        } = query;
        let call = json_pages_of(*company, *year, filter, &pages, *page_size);
        rows(&with_cache(self.0.clone(), call).await)
    }
}

/// A call for each, one after the other.
#[derive(Clone)]
struct Loop(Cache);

impl Contestant for Loop {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let Query {
            company,
            year,
            filter,
            page_size,
            ..
        } = query;
        let calls = async {
            let mut found = HashMap::with_capacity(MANY as usize);
            for page in pages(query) {
                found.insert(page, invoices(*company, *year, filter, page, *page_size).await);
            }
            found
        };
        rows(&with_cache(self.0.clone(), calls).await)
    }
}

/// What one would write by hand: the keys are ready, and nothing asks whether what is read is still valid.
#[derive(Clone)]
struct Mget {
    connection: MultiplexedConnection,
    keys: Arc<[String]>,
}

impl Contestant for Mget {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let pages = pages(query);
        let keys: Vec<&str> = pages.iter().map(|page| &*self.keys[*page as usize]).collect();
        let found: Vec<Option<Vec<u8>>> = self.connection.mget(&keys).await?;
        let mut decoded = HashMap::with_capacity(pages.len());
        for (page, json) in pages.into_iter().zip(found) {
            let value = match json {
                Some(json) => serde_json::from_slice(&json)?,
                None => self.fill(page, query.page_size).await?,
            };
            decoded.insert(page, value);
        }
        rows(&decoded)
    }
}

impl Mget {
    async fn fill(&mut self, page: u32, page_size: u32) -> Result<Page> {
        let value = load(page, page_size);
        let json = serde_json::to_vec(&value)?;
        let key = &self.keys[page as usize];
        let () = self.connection.set_ex(key, json, TTL.as_secs()).await?;
        Ok(value)
    }
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let window = bench.window();
    let mut figures = Vec::new();
    for workers in [1, 2] {
        let runtime = runtime(workers)?;
        let cache = runtime.block_on(reaching(&server, patient()));
        let client = Client::open(without_delay(&server)?)?;
        let mget = Mget {
            connection: runtime.block_on(client.get_multiplexed_async_connection())?,
            keys: (0..KEYS).map(|page| format!("raw:bulk:{page:08}")).collect(),
        };
        let (bulk, json, single) = (Bulk(cache.clone()), JsonBulk(cache.clone()), Loop(cache.clone()));
        server.command::<()>(["FLUSHALL"])?;
        warm(&runtime, &bulk, SMALL)?;
        warm(&runtime, &json, SMALL)?;
        warm(&runtime, &single, SMALL)?;
        warm(&runtime, &mget, SMALL)?;
        let name = format!("{MANY} entries of {SMALL} rows, {workers} workers");
        say(&name);
        let series = interleaved(
            bench.rounds(),
            &mut [
                Contender::new(OURS, || latency(&runtime, &bulk, SMALL, window)),
                Contender::new("ours, JSON", || latency(&runtime, &json, SMALL, window)),
                Contender::new("redis MGET, JSON", || latency(&runtime, &mget, SMALL, window)),
                Contender::new("a loop of single hits", || latency(&runtime, &single, SMALL, window)),
            ],
        )?;
        let [ours, json, mget, single] = series.try_into().expect("four contenders");
        let figure = |name: &str, ours| Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, ours);
        let of_json = figure(&format!("{name}, JSON"), json).against(mget);
        figures.push(of_json.must(Must::RatioAtMost(1.20)));
        let of_loop = figure(&name, ours).against(single);
        figures.push(of_loop.must(Must::RatioAtMost(1.0 / 15.0)));
        runtime.block_on(cache.close());
    }
    Ok(figures)
}
