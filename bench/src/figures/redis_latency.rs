use anyhow::Result;
use cache_testkit::RedisServer;

use super::Measurement;
use crate::{
    bench::{Bench, runtime, say},
    contestants::{Ours, Raw},
    figure::{Figure, Must, Unit},
    measure::{Contender, interleaved, latency, warm},
    work::{LARGE, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "redis-latency",
    title: "Redis hit, one caller: latency",
    run,
};

/// Ours proves more than the peer does; it may cost a tenth more.
const MUST: Must = Must::RatioAtMost(1.10);

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let window = bench.window();
    let mut figures = Vec::new();
    for workers in [1, 2] {
        let runtime = runtime(workers)?;
        let (ours, raw) = (Ours::connect(&runtime, &server), Raw::connect(&runtime, &server)?);
        for rows in [SMALL, LARGE] {
            server.command::<()>(["FLUSHALL"])?;
            warm(&runtime, &ours, rows)?;
            warm(&runtime, &raw, rows)?;
            let name = format!("{rows} rows, {workers} workers");
            say(&name);
            let series = interleaved(
                bench.rounds(),
                &mut [
                    Contender::new("cached", || latency(&runtime, &ours, rows, window)),
                    Contender::new("redis GET", || latency(&runtime, &raw, rows, window)),
                ],
            )?;
            let [ours, raw] = series.try_into().expect("two contenders");
            figures.push(
                Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, ours)
                    .against(raw)
                    .must(MUST),
            );
        }
        ours.close(&runtime);
    }
    Ok(figures)
}
