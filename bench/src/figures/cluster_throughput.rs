//! Hits in a cluster of three primaries, beside what one would write by hand.

use std::sync::Arc;

use anyhow::Result;
use cache_runtime::{Cache, store::RedisConfig, with_cache};
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
    contestants::{get_or_load, keys},
    figure::{Figure, Must, OURS, Unit},
    measure::{Contender, Contestant, interleaved, throughput, warm},
    work::{Query, SMALL, invoices},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "cluster-throughput",
    title: "Hits in a cluster of three primaries: calls per second",
    run,
};

/// How many callers there are, and what is to be reached with so many.
const CALLERS: [(u32, Option<f64>); 3] = [(16, None), (64, Some(1.3)), (256, Some(1.6))];

#[derive(Clone)]
struct Ours(Cache);

impl Ours {
    async fn connect(cluster: &RedisCluster) -> Result<Self> {
        let cache = patient().redis(RedisConfig::new(&cluster.url())?).build();
        anyhow::ensure!(cache.ready(PATIENCE).await, "the cluster is not reached");
        Ok(Self(cache))
    }
}

impl Contestant for Ours {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let Query {
            company,
            year,
            filter,
            page,
            page_size,
        } = query;
        let call = invoices(*company, *year, filter, *page, *page_size);
        Ok(with_cache(self.0.clone(), call).await.rows.len())
    }
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
    let ours = runtime.block_on(Ours::connect(cluster))?;
    let raw = runtime.block_on(Raw::connect(cluster))?;
    warm(runtime, &ours, SMALL)?;
    warm(runtime, &raw, SMALL)?;
    let name = format!("{SMALL} rows, {workers} workers");
    let mut figures = Vec::new();
    for (callers, at_least) in CALLERS {
        say(&format!("{name}, {callers} callers"));
        let window = bench.window();
        let series = interleaved(
            bench.rounds(),
            &mut [
                Contender::new(OURS, || throughput(runtime, &ours, callers, SMALL, window)),
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
    runtime.block_on(ours.0.close());
    Ok(figures)
}
