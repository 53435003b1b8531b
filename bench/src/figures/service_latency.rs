//! What a call of a real service takes, with the cache and without, by how much there is to add up.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cache_testkit::RedisServer;
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, say},
    figure::{Figure, Spread, Unit},
    measure::{Contender, interleaved, nanoseconds},
    service::{Books, Caching, Requests, Service, build, prepare},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "service-latency",
    title: "The example `invoicing`, one connection: the time of a dashboard, by the invoices of its company",
    run,
};

/// The example's page that sums up a company.
const PAGE: &str = "/api/dashboard/summary?company=1";

const INVOICES: [u32; 4] = [1000, 10_000, 100_000, 400_000];

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let program = build()?;
    let runtime = one_thread()?;
    let mut figures = Vec::new();
    for invoices in INVOICES {
        say(&format!("{invoices} invoices"));
        let folder = tempfile::tempdir()?;
        let database = &folder.path().join("invoicing.db");
        let companies = 1;
        let books = Books {
            database,
            companies,
            invoices,
        };
        prepare(&program, books)?;
        let server = RedisServer::start()?;
        let start = |caching| Service::start(&program, books, caching);
        let services = [
            start(Caching::Redis(server.url()))?,
            start(Caching::Process)?,
            start(Caching::Off)?,
        ];
        let [redis, process, off] = services.each_ref().map(Service::requests);
        for cached in [&redis, &process] {
            runtime.block_on(cached.get(PAGE))?;
        }
        let timed = |requests: &Requests, hit| latency(&runtime, requests, hit, bench.window());
        let series = interleaved(
            bench.rounds(),
            &mut [
                Contender::new("hit in Redis", || timed(&redis, true)),
                Contender::new("hit in the process", || timed(&process, true)),
                Contender::new("cache off", || timed(&off, false)),
            ],
        )?;
        let [redis, process, off] = series.try_into().expect("three contenders");
        for cached in [redis, process] {
            figures.push(
                Figure::new(MEASUREMENT.name, "dashboard", Unit::Nanoseconds, cached)
                    .at("invoices", f64::from(invoices))
                    .against(off.clone()),
            );
        }
    }
    Ok(figures)
}

/// The median time of a request, in nanoseconds.
fn latency(runtime: &Runtime, requests: &Requests, hit: bool, window: Duration) -> Result<f64> {
    let mut times = Vec::new();
    let over = Instant::now() + window;
    runtime.block_on(async {
        while times.is_empty() || Instant::now() < over {
            let started = Instant::now();
            let answer = requests.get(PAGE).await?;
            times.push(nanoseconds(started.elapsed()));
            ensure!(
                answer.hit == hit,
                "a hit: {}; there should have been one: {hit}",
                answer.hit
            );
        }
        Ok(())
    })?;
    Ok(Spread::of(times).map_or(f64::NAN, |spread| spread.median))
}
