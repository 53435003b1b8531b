//! A handler that answers with the JSON of a cached result: what it takes to have the bytes that are sent.

use anyhow::{Result, ensure};
use cache_runtime::{Cache, Encoded, cached, with_cache};
use cache_testkit::{RedisServer, reaching};

use super::Measurement;
use crate::{
    bench::{Bench, patient, runtime, say},
    figure::{Figure, OURS, Unit},
    measure::{Contender, Contestant, interleaved, latency, throughput, warm},
    work::{LARGE, Page, Query, SMALL, load},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "encoded",
    title: "`Encoded<T>` beside decoding and encoding: from the hit to the bytes of a response",
    run,
};

/// One thread works for them.
const CALLERS: u32 = 64;

/// Named apart, so that the keys are.
#[cached(resource = "invoices", key(way = "value"))]
async fn value(page: u32, page_size: u32) -> Page {
    load(page, page_size)
}

#[cached(resource = "invoices", key(way = "encoded"))]
async fn encoded(page: u32, page_size: u32) -> serde_json::Result<Encoded<Page>> {
    Encoded::new(&load(page, page_size))
}

/// What its function returns.
#[derive(Clone, Copy)]
enum Returns {
    Value,
    Encoded,
}

#[derive(Clone)]
struct Handler {
    cache: Cache,
    returns: Returns,
}

impl Contestant for Handler {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let Query { page, page_size, .. } = *query;
        let sent = with_cache(self.cache.clone(), async {
            match self.returns {
                Returns::Value => serde_json::to_vec(&value(page, page_size).await).map(Into::into),
                Returns::Encoded => encoded(page, page_size).await.map(Encoded::into_bytes),
            }
        })
        .await?;
        ensure!(sent.len() > page_size as usize, "{} bytes are no page", sent.len());
        Ok(page_size as usize)
    }
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let runtime = runtime(1)?;
    let cache = runtime.block_on(reaching(&server, patient()));
    let window = bench.window();
    let mut figures = Vec::new();
    for rows in [SMALL, LARGE] {
        let [decoded, encoded] = [Returns::Value, Returns::Encoded].map(|returns| Handler {
            cache: cache.clone(),
            returns,
        });
        server.command::<()>(["FLUSHALL"])?;
        warm(&runtime, &decoded, rows)?;
        warm(&runtime, &encoded, rows)?;
        say(&format!("{rows} rows"));
        let mut compare = |name: String, unit, measure: &dyn Fn(&Handler) -> Result<f64>| {
            let mut handlers = [
                Contender::new(OURS, || measure(&encoded)),
                Contender::new("decoded and encoded", || measure(&decoded)),
            ];
            let series = interleaved(bench.rounds(), &mut handlers)?;
            let [ours, theirs] = series.try_into().expect("two contenders");
            figures.push(Figure::new(MEASUREMENT.name, name, unit, ours).against(theirs));
            anyhow::Ok(())
        };
        compare(format!("{rows} rows"), Unit::Nanoseconds, &|handler| {
            latency(&runtime, handler, rows, window)
        })?;
        compare(format!("{rows} rows, {CALLERS} callers"), Unit::PerSecond, &|handler| {
            throughput(&runtime, handler, CALLERS, rows, window)
        })?;
    }
    runtime.block_on(cache.close());
    Ok(figures)
}
