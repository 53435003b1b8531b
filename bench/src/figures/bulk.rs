//! A hundred entries at once: one call of a function with `each`, beside the `MGET` that one would write by hand, and beside a loop.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Result, ensure};
use cache_runtime::{Cache, Codec, cached, with_cache};
use cache_testkit::{RedisServer, reaching};
use redis::{AsyncCommands as _, Client, aio::MultiplexedConnection};
use tokio::runtime::Runtime;

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

/// `way` tells the entries of the contenders apart.
#[cached(resource = "invoices", each = page in pages)]
async fn pages_of(
    way: &str,
    company: i64,
    year: i32,
    filter: &Filter,
    pages: &[u32],
    page_size: u32,
) -> HashMap<u32, Page> {
    let _ = (way, company, year, filter);
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

/// One call for all, whose entries are in this codec.
#[derive(Clone)]
struct Bulk(Codec, Cache);

impl Bulk {
    fn connect(runtime: &Runtime, server: &RedisServer, codec: Codec) -> Self {
        Self(codec, runtime.block_on(reaching(server, patient().codec(codec))))
    }
}

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
        let Self(codec, cache) = self;
        let call = pages_of(codec.as_str(), *company, *year, filter, &pages, *page_size);
        rows(&with_cache(cache.clone(), call).await)
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
        let bulk = Bulk::connect(&runtime, &server, Codec::Packed);
        let json = Bulk::connect(&runtime, &server, Codec::Json);
        let single = Loop(bulk.1.clone());
        let client = Client::open(without_delay(&server)?)?;
        let mget = Mget {
            connection: runtime.block_on(client.get_multiplexed_async_connection())?,
            keys: (0..KEYS).map(|page| format!("raw:bulk:{page:08}")).collect(),
        };
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
        let [ours, in_json, mget, single] = series.try_into().expect("four contenders");
        let figure = |name: &str, ours| Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, ours);
        let of_json = figure(&format!("{name}, JSON"), in_json).against(mget);
        figures.push(of_json.must(Must::RatioAtMost(1.20)));
        let of_loop = figure(&name, ours).against(single);
        figures.push(of_loop.must(Must::RatioAtMost(1.0 / 15.0)));
        for Bulk(_, cache) in [bulk, json] {
            runtime.block_on(cache.close());
        }
    }
    Ok(figures)
}
