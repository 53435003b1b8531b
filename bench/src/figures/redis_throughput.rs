use anyhow::Result;
use cache_testkit::RedisServer;
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, runtime, say},
    contestants::{ByCached, ByDeadpool, ByHitbox, Ours, Raw},
    figure::{Figure, Must, Series, Unit},
    measure::{Contender, Contestant, interleaved, throughput, warm},
    work::{LARGE, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "redis-throughput",
    title: "Redis hits, strict, distinct keys of one resource: calls per second",
    run,
};

const CALLERS: [u32; 5] = [1, 16, 64, 256, 1024];

const OURS: &str = "cache-runtime";
const RAW: &str = "redis GET";
const DEADPOOL: &str = "deadpool-redis";
const CACHED: &str = "cached";
const HITBOX: &str = "hitbox-redis";

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let mut figures = Vec::new();
    for workers in [1, 2] {
        let runtime = runtime(workers)?;
        let all = All::connect(&runtime, &server)?;
        for rows in [SMALL, LARGE] {
            server.command::<()>(["FLUSHALL"])?;
            all.warm(&runtime, rows)?;
            for callers in CALLERS {
                let name = format!("{rows} rows, {workers} workers");
                say(&format!("{name}, {callers} callers"));
                let (ours, peers) = all.compare(bench, &runtime, callers, rows)?;
                figures.extend(peers.into_iter().map(|peer| {
                    let must = must(&peer.name, callers, rows);
                    let figure = Figure::new(MEASUREMENT.name, &name, Unit::PerSecond, ours.clone())
                        .at("callers", f64::from(callers))
                        .against(peer);
                    must.into_iter().fold(figure, Figure::must)
                }));
            }
        }
        all.ours.close(&runtime);
    }
    Ok(figures)
}

/// What is to be reached with small results; with large ones everybody decodes for most of the time.
fn must(peer: &str, callers: u32, rows: u32) -> Option<Must> {
    let at_least = match (peer, callers) {
        _ if rows != SMALL => return None,
        (RAW, 16) => 0.95,
        (RAW, 64) => 1.1,
        (RAW, 256) => 1.3,
        (RAW, 1024) => 1.5,
        (DEADPOOL, _) => 10.0,
        (CACHED | HITBOX, _) => 1.0,
        _ => return None,
    };
    Some(Must::RatioAtLeast(at_least))
}

struct All {
    ours: Ours,
    raw: Raw,
    deadpool: ByDeadpool,
    cached: ByCached,
    hitbox: ByHitbox,
}

impl All {
    fn connect(runtime: &Runtime, server: &RedisServer) -> Result<Self> {
        Ok(Self {
            ours: Ours::connect(runtime, server),
            raw: Raw::connect(runtime, server)?,
            deadpool: ByDeadpool::connect(server)?,
            cached: ByCached::connect(runtime, server)?,
            hitbox: ByHitbox::connect(server)?,
        })
    }

    fn warm(&self, runtime: &Runtime, rows: u32) -> Result<()> {
        warm(runtime, &self.ours, rows)?;
        warm(runtime, &self.raw, rows)?;
        warm(runtime, &self.deadpool, rows)?;
        warm(runtime, &self.cached, rows)?;
        warm(runtime, &self.hitbox, rows)
    }

    /// Ours, and the others.
    fn compare(&self, bench: Bench, runtime: &Runtime, callers: u32, rows: u32) -> Result<(Series, Vec<Series>)> {
        fn contender<'a>(
            name: &'static str,
            contestant: &'a impl Contestant,
            (bench, runtime, callers, rows): (Bench, &'a Runtime, u32, u32),
        ) -> Contender<'a> {
            Contender::new(name, move || {
                throughput(runtime, contestant, callers, rows, bench.window())
            })
        }
        let given = (bench, runtime, callers, rows);
        let mut contenders = vec![
            contender(OURS, &self.ours, given),
            contender(RAW, &self.raw, given),
            contender(CACHED, &self.cached, given),
            contender(HITBOX, &self.hitbox, given),
        ];
        if matches!(callers, 64 | 256) {
            contenders.push(contender(DEADPOOL, &self.deadpool, given));
        }
        let mut series = interleaved(bench.rounds(), &mut contenders)?;
        Ok((series.remove(0), series))
    }
}
