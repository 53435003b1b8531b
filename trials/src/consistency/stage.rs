//! What the nodes of a run keep their results in.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use cache_testkit::{FaultProxy, RedisCluster, RedisServer};
use fastrand::Rng;

use super::options::{Fault, Options};
use crate::lab::servers::Servers;

/// How many databases a server has to be swapped with: none twice, as a run has fewer faults than that.
const DATABASES: (&str, &str) = ("databases", "16384");

/// One server, or a cluster.
pub(super) enum Stage {
    Server(Servers),
    Cluster(Members),
}

impl Stage {
    pub(super) async fn set(options: &Options) -> Result<Self> {
        let faults = &options.faults;
        if faults.contain(Fault::Takeover) {
            return Ok(Self::Cluster(Members::start(options.nodes).await?));
        }
        let config: &[_] = if faults.contain(Fault::Swapdb) {
            &[DATABASES]
        } else {
            &[]
        };
        let servers = Servers::start(config, options.nodes, faults.contain(Fault::Failover)).await?;
        Ok(Self::Server(servers))
    }

    /// A way for each node. Those to a cluster lead to one of its servers, which names the others.
    pub(super) fn ways(&self) -> Vec<Arc<FaultProxy>> {
        match self {
            Self::Server(servers) => servers.ways().to_vec(),
            Self::Cluster(members) => members.ways.clone(),
        }
    }
}

/// The servers of a cluster.
pub(super) struct Members {
    cluster: Arc<RedisCluster>,
    ways: Vec<Arc<FaultProxy>>,
}

impl Members {
    async fn start(ways: u64) -> Result<Self> {
        let cluster = tokio::task::spawn_blocking(RedisCluster::start).await??;
        let ways = (0..ways).zip(cluster.nodes().iter().cycle()).map(|(_, member)| {
            let port = member.port().context("a member listens on a port")?;
            let way = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], port)))?;
            anyhow::Ok(Arc::new(way))
        });
        Ok(Self {
            ways: ways.collect::<Result<_>>()?,
            cluster: Arc::new(cluster),
        })
    }

    /// Lets a primary claim the slot of a stamp that another one has, and returns once every primary knows. Says what it did;
    /// `None` if there is no stamp.
    pub(super) async fn take_over(&self, random: &mut Rng) -> Result<Option<String>> {
        let (cluster, random) = (Arc::clone(&self.cluster), random.fork());
        tokio::task::spawn_blocking(move || take_over(&cluster, random)).await?
    }
}

fn take_over(cluster: &RedisCluster, mut random: Rng) -> Result<Option<String>> {
    let primaries = cluster.primaries();
    let mut stamps = Vec::new();
    for primary in &primaries {
        // What was sent to it before is done when it has answered.
        let keys: Vec<String> = primary.command(["KEYS", "cachestamp:*"])?;
        stamps.extend(keys.into_iter().map(|key| (key, *primary)));
    }
    if stamps.is_empty() {
        return Ok(None);
    }
    let (stamp, from) = stamps.swap_remove(random.usize(0..stamps.len()));
    let others: Vec<&RedisServer> = primaries.into_iter().filter(|to| to.port() != from.port()).collect();
    let to = others[random.usize(0..others.len())];
    cluster.take_over(cluster.slot_of(&stamp)?, to)?;
    Ok(Some(format!("the slot of {stamp} is claimed by another primary")))
}
