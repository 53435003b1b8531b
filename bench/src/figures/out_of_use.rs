use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use cache_runtime::{Cache, cached};
use cache_testkit::{RedisServer, reaching};

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, say},
    figure::{Figure, Must, Series, Unit},
    measure::{Contender, busy, interleaved},
    near::queries,
    work::{Filter, Query, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "out-of-use",
    title: "Cache off, and breaker open: time added to the bare function",
    run,
};

/// A microsecond.
const MUST: Must = Must::AtMost(1000.0);

/// How long the breaker may take to open, which it does after five failures.
const PATIENCE: Duration = Duration::from_secs(10);

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = &one_thread()?;
    let queries = &queries(SMALL);
    let off = Cache::disabled();
    let open = runtime.block_on(with_open_breaker(&queries[0]))?;
    let window = bench.window();
    say(MEASUREMENT.name);
    let through = |cache: &Cache| {
        cache.install();
        busy(runtime, window, queries, async |query: &Query| {
            black_box(annotated(query.company, query.year, &query.filter, query.page, query.page_size).await);
        })
    };
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new("cache off", || Ok(through(&off))),
            Contender::new("breaker open", || Ok(through(&open))),
            Contender::new("bare function", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(bare(query.company, query.year, &query.filter, query.page, query.page_size).await);
                }))
            }),
            Contender::new("two Instant::now", || {
                Ok(busy(runtime, window, queries, async |_: &Query| {
                    black_box((Instant::now(), Instant::now()));
                }))
            }),
        ],
    )?;
    ensure!(!open.is_available(), "the breaker has closed");
    runtime.block_on(open.close());
    let [off, open, bare, instants] = series.try_into().expect("four contenders");
    let figure = |ours: &Series| {
        Figure::new(
            MEASUREMENT.name,
            ours.name.clone(),
            Unit::Nanoseconds,
            added(ours, &bare),
        )
        .against(instants.clone())
        .must(MUST)
    };
    Ok(vec![figure(&off), figure(&open)])
}

/// What is more than the bare function, round by round.
fn added(whole: &Series, bare: &Series) -> Series {
    let pairs = whole.samples.iter().zip(&bare.samples);
    Series {
        name: "cache-runtime".to_owned(),
        samples: pairs.map(|(whole, bare)| whole - bare).collect(),
    }
}

/// A cache whose server is gone.
async fn with_open_breaker(query: &Query) -> Result<Cache> {
    let server = RedisServer::start()?;
    let cache = reaching(&server, Cache::builder()).await;
    cache.install();
    server.kill();
    let started = Instant::now();
    while cache.is_available() {
        annotated(query.company, query.year, &query.filter, query.page, query.page_size).await;
        ensure!(started.elapsed() < PATIENCE, "the breaker does not open");
    }
    Ok(cache)
}

async fn bare(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> u32 {
    let _ = black_box((company, year, filter, page));
    page_size
}

#[cached(resource = "invoices")]
async fn annotated(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> u32 {
    let _ = black_box((company, year, filter, page));
    page_size
}
