//! One process of the service under test: a node.

mod counters;
mod deletes;
mod notes;
mod pace;
mod service;
mod source;
mod stamps;
mod workload;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, bail};
use cache_runtime::{Cache, store::RedisConfig};
use clap::Args;
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, stdin},
    sync::watch,
    task::JoinSet,
};

use self::{counters::Counters, deletes::Deletes, service::Service, source::Source, stamps::Stamps, workload::Worker};
pub(super) use self::{
    notes::{Note, Notebook},
    pace::Pace,
    service::{Hit, found},
};
use super::{
    database::Database,
    options::{Fault, Near, Options, Protocol, name_of},
};
use crate::lab::{reach, redis::Redis, runtime};

/// How many callers a node has at a time.
pub(super) const WORKERS: usize = 8;

/// How long an entry may be served if nothing invalidates it. Short enough for entries to expire in a run.
pub(super) const TTL: std::time::Duration = std::time::Duration::from_secs(5);

/// What a version is a version of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Subject {
    /// One item. Each has several cached views.
    Item(u32),
    /// What has happened to an item, where writers use a database.
    Events(u32),
    /// All items together.
    Total,
}

/// The hidden subcommand that makes this process a node.
#[derive(Debug, Args)]
pub(crate) struct NodeOptions {
    /// The number of this process among all nodes that there have ever been.
    #[arg(long)]
    pub(super) node: u64,
    #[arg(long)]
    pub(super) seed: u64,
    #[arg(long)]
    pub(super) database: SocketAddr,
    #[arg(long)]
    pub(super) redis: SocketAddr,
    #[arg(long, value_enum)]
    pub(super) protocol: Protocol,
    #[arg(long, value_enum)]
    pub(super) near: Near,
    /// The server is one of a cluster.
    #[arg(long)]
    pub(super) cluster: bool,
    /// Old values are returned as the policies allow.
    #[arg(long)]
    pub(super) policies: bool,
    /// Items that this node writes it does not read.
    #[arg(long)]
    pub(super) apart: bool,
}

/// The arguments that start this program as a node.
pub(super) fn arguments(options: &Options, number: u64, database: SocketAddr, redis: SocketAddr) -> Vec<String> {
    let mut arguments = vec![
        "consistency-node".to_owned(),
        format!("--node={number}"),
        format!("--seed={}", options.seed),
        format!("--database={database}"),
        format!("--redis={redis}"),
        format!("--protocol={}", name_of(&options.protocol)),
        format!("--near={}", name_of(&options.near)),
    ];
    let flags = [
        ("--policies", options.policies),
        ("--cluster", options.faults.contain(Fault::Takeover)),
        ("--apart", options.faults.go_unreported()),
    ];
    arguments.extend(
        flags
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(flag, _)| flag.to_owned()),
    );
    arguments
}

/// Works until standard input ends, which it does with the process that started this one at the latest.
///
/// # Errors
///
/// If the database is not reached, or if something was read that is no old value either, but somebody else's.
pub(crate) fn run(options: &NodeOptions) -> Result<()> {
    runtime::run_node(serve(options))
}

async fn serve(options: &NodeOptions) -> Result<()> {
    let scheme = if options.cluster { "redis-cluster" } else { "redis" };
    let url = format!("{scheme}://{}", options.redis);
    let mut random = Rng::with_seed(options.seed ^ (options.node << 32));
    let source = Source::new(Database::at(options.database), random.fork());
    match options.protocol {
        Protocol::Stamps => {
            reach::listen();
            let config = RedisConfig::new(&url).map_err(anyhow::Error::msg)?;
            let cache = Cache::builder().redis(config).build();
            cache.install();
            let service = Stamps::new(cache.clone(), source, options.near, options.policies);
            work(options, random, service).await?;
            cache.close().await;
            Ok(())
        }
        Protocol::Delete => work(options, random, Deletes::new(Redis::at(&url)?, source)).await,
        Protocol::DoubleDelete => work(options, random, Deletes::doubled(Redis::at(&url)?, source)).await,
        Protocol::Counter => work(options, random, Counters::new(Redis::at(&url)?, source)).await,
        Protocol::AcknowledgeFirst | Protocol::Untriggered => bail!("this node follows no changes"),
    }
}

async fn work(options: &NodeOptions, mut random: Rng, service: impl Service) -> Result<()> {
    let (notebook, writing) = Notebook::on_stdout();
    let (stop, stopping) = watch::channel(false);
    let service = Arc::new(service);
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let worker = Worker {
            service: Arc::clone(&service),
            random: random.fork(),
            node: options.node,
            apart: options.apart,
            notebook: notebook.clone(),
        };
        workers.spawn(worker.run(stopping.clone()));
    }
    drop(notebook);
    until_told(workers, &stop).await?;
    writing.join().ok().context("the notebook's writer panicked")
}

/// Waits until standard input ends, tells the workers, and returns when all have stopped.
pub(super) async fn until_told(mut workers: JoinSet<Result<()>>, stop: &watch::Sender<bool>) -> Result<()> {
    let ended = async {
        let mut input = Vec::new();
        // An error is an end as well.
        let _ = stdin().read_to_end(&mut input).await;
    };
    tokio::select! {
        () = ended => {}
        Some(worker) = workers.join_next() => worker.context("a worker panicked")??,
    }
    stop.send_replace(true);
    while let Some(worker) = workers.join_next().await {
        worker.context("a worker panicked")??;
    }
    Ok(())
}
