use anyhow::Result;
use cache_testkit::RedisServer;

use super::Measurement;
use crate::{
    bench::{Bench, runtime, say},
    contestants::{Ours, Raw, RawOfTwo},
    figure::{Figure, Must, OURS, Unit},
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
        let of_two = RawOfTwo::connect(&runtime, &server)?;
        for rows in [SMALL, LARGE] {
            server.command::<()>(["FLUSHALL"])?;
            warm(&runtime, &ours, rows)?;
            warm(&runtime, &raw, rows)?;
            warm(&runtime, &of_two, rows)?;
            let name = format!("{rows} rows, {workers} workers");
            say(&name);
            let series = interleaved(
                bench.rounds(),
                &mut [
                    Contender::new(OURS, || latency(&runtime, &ours, rows, window)),
                    Contender::new("redis GET", || latency(&runtime, &raw, rows, window)),
                    Contender::new("redis MGET of two keys", || latency(&runtime, &of_two, rows, window)),
                ],
            )?;
            let [ours, raw, of_two] = series.try_into().expect("three contenders");
            let figure =
                |peer| Figure::new(MEASUREMENT.name, name.as_str(), Unit::Nanoseconds, ours.clone()).against(peer);
            figures.push(figure(raw).must(MUST));
            figures.push(figure(of_two));
        }
        ours.close(&runtime);
    }
    Ok(figures)
}
