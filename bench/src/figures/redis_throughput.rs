use anyhow::Result;
use cache_testkit::RedisServer;

use super::Measurement;
use crate::{
    bench::Bench,
    contestants::{Ours, Raw},
    figure::{Figure, Must, Unit},
    measure::{Contender, interleaved, throughput, warm},
    work::{LARGE, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "redis-throughput",
    title: "Redis hits, strict, distinct keys of one resource: throughput",
    run,
};

const CALLERS: [u32; 5] = [1, 16, 64, 256, 1024];

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let window = bench.window();
    let mut figures = Vec::new();
    for workers in [1, 2] {
        let runtime = bench.runtime(workers)?;
        let (ours, raw) = (Ours::connect(&runtime, &server), Raw::connect(&runtime, &server)?);
        for rows in [SMALL, LARGE] {
            server.command::<()>(["FLUSHALL"])?;
            warm(&runtime, &ours, rows)?;
            warm(&runtime, &raw, rows)?;
            for callers in CALLERS {
                bench.say(&format!("{rows} rows, {workers} workers, {callers} callers"));
                let series = interleaved(
                    bench.rounds(),
                    &mut [
                        Contender::new("cached", || throughput(&runtime, &ours, callers, rows, window)),
                        Contender::new("redis GET", || throughput(&runtime, &raw, callers, rows, window)),
                    ],
                )?;
                let [ours, raw] = series.try_into().expect("two contenders");
                let name = format!("{rows} rows, {workers} workers");
                let figure = Figure::new(MEASUREMENT.name, name, Unit::PerSecond, ours)
                    .at("callers", f64::from(callers))
                    .against(raw);
                figures.push(match against_raw(callers) {
                    Some(must) if rows == SMALL => figure.must(must),
                    _ => figure,
                });
            }
        }
        ours.close(&runtime);
    }
    Ok(figures)
}

fn against_raw(callers: u32) -> Option<Must> {
    match callers {
        16 => Some(Must::RatioAtLeast(0.95)),
        64 => Some(Must::RatioAtLeast(1.1)),
        256 => Some(Must::RatioAtLeast(1.3)),
        1024 => Some(Must::RatioAtLeast(1.5)),
        _ => None,
    }
}
