//! Hits in a cluster of three primaries, beside what one would write by hand.

use std::sync::Arc;

use anyhow::{Result, ensure};
use cache_runtime::{Cache, store::RedisConfig};
use cache_testkit::{PATIENCE, RedisCluster};
use redis::{
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    io::tcp::TcpSettings,
};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, patient, runtime, say},
    contestants::{Ours, get_or_load, keys},
    figure::{Figure, Must, OURS, Unit},
    measure::{Contender, Contestant, interleaved, throughput, warm},
    work::{Query, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "cluster-throughput",
    title: "Hits in a cluster of three primaries: calls per second",
    run,
};

/// How many callers there are, and what is to be reached with so many.
const CALLERS: [(u32, Option<f64>); 3] = [(16, None), (64, Some(1.3)), (256, Some(1.6))];

async fn reaching(cluster: &RedisCluster) -> Result<Cache> {
    let cache = patient().redis(RedisConfig::new(&cluster.url())?).build();
    ensure!(cache.ready(PATIENCE).await, "the cluster is not reached");
    Ok(cache)
}

/// `GET` over the cluster connection that all callers share, and the decoding. The keys are ready, and lie in slots of all primaries.
#[derive(Clone)]
struct Raw {
    connection: ClusterConnection,
    keys: Arc<[String]>,
}

impl Raw {
    async fn connect(cluster: &RedisCluster) -> Result<Self> {
        let nodes = cluster.primaries().into_iter().map(|node| node.url().to_owned());
        let client: ClusterClient = ClusterClientBuilder::new(nodes)
            .tcp_settings(TcpSettings::default().set_nodelay(true))
            .build()?;
        Ok(Self {
            connection: client.get_async_connection().await?,
            keys: keys(),
        })
    }
}

impl Contestant for Raw {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        get_or_load(&mut self.connection, &self.keys, query).await
    }
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let cluster = RedisCluster::start()?;
    let mut figures = Vec::new();
    for workers in [1, 2] {
        figures.extend(on(bench, &runtime(workers)?, &cluster, workers)?);
    }
    Ok(figures)
}

fn on(bench: Bench, runtime: &Runtime, cluster: &RedisCluster, workers: usize) -> Result<Vec<Figure>> {
    let contestant = Ours::install(runtime.block_on(reaching(cluster))?);
    let raw = runtime.block_on(Raw::connect(cluster))?;
    warm(runtime, &contestant, SMALL)?;
    warm(runtime, &raw, SMALL)?;
    let name = format!("{SMALL} rows, {workers} workers");
    let mut figures = Vec::new();
    for (callers, at_least) in CALLERS {
        say(&format!("{name}, {callers} callers"));
        let window = bench.window();
        let series = interleaved(
            bench.rounds(),
            &mut [
                Contender::new(OURS, || throughput(runtime, &contestant, callers, SMALL, window)),
                Contender::new("redis GET", || throughput(runtime, &raw, callers, SMALL, window)),
            ],
        )?;
        let [ours, raw] = series.try_into().expect("two contenders");
        let figure = Figure::new(MEASUREMENT.name, &name, Unit::PerSecond, ours)
            .at("callers", f64::from(callers))
            .against(raw);
        let must = at_least.map(Must::RatioAtLeast);
        figures.push(must.into_iter().fold(figure, Figure::must));
    }
    contestant.close(runtime);
    Ok(figures)
}
