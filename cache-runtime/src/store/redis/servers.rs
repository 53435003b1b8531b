//! The server, or the servers of a cluster, behind one face.
//!
//! What is sent is a pipeline of commands of which each is about one key, its second word. One server is sent all of it at
//! once; in a cluster each command goes to the primary that has its key, all of them at the same time.

use std::sync::{Arc, atomic::AtomicU64};

use redis::{Pipeline, Value};

use super::{
    RedisConfig,
    cluster::{Cluster, Node},
    config::Shape,
    connector::Connector,
    error,
    reads::{AllFound, Fetch, Wanted},
    server::{Lanes, Server},
};
use crate::{
    entry::Stamp,
    key::Address,
    store::{Snapshot, StoreError},
};

/// The name of the keys of a probe: no tenant has it.
const PROBE: &str = "~probe";

pub(super) enum Servers {
    One(Arc<Server>),
    Cluster(Arc<Cluster>),
}

/// A server that takes writes.
#[derive(Clone)]
pub(super) struct Primary {
    pub(super) server: Arc<Server>,
    /// What stands after the prefix in the keys of a probe, so that this server would have them. They never exist. One at
    /// least, and several for when the slot of the first one moves.
    pub(super) probes: Arc<[String]>,
    /// The server as its cluster knows it.
    pub(super) node: Option<Arc<Node>>,
}

impl Servers {
    /// `generations` counts their connections, and failovers that are seen otherwise.
    pub(super) fn new(config: &RedisConfig, generations: &Arc<AtomicU64>) -> Self {
        match config.shape() {
            Shape::Server | Shape::Sentinel { .. } => {
                let connector = Connector::new(config);
                Self::One(Arc::new(Server::new(config, connector, Fetch::Together, generations)))
            }
            Shape::Cluster { seeds } => Self::Cluster(Arc::new(Cluster::new(
                config.clone(),
                seeds.clone(),
                Arc::clone(generations),
            ))),
        }
    }

    /// Of an entry that is not wanted the snapshot has none.
    pub(super) async fn read(&self, address: &Arc<Address>, wanted: Wanted) -> Result<Snapshot, StoreError> {
        let found = match self {
            Self::One(server) => server.read_lane().read(address, wanted).await?,
            Self::Cluster(cluster) => cluster.read(address, wanted).await?,
        };
        snapshot(address, found)
    }

    /// Sends a pipeline and returns the reply to each command. That a key holds something of the wrong type is a reply like
    /// any other; every other error of a server fails the whole.
    pub(super) async fn replies(&self, pipeline: &Pipeline, lanes: Lanes) -> Result<Vec<Value>, StoreError> {
        match self {
            Self::One(server) => server.replies(pipeline, lanes).await,
            Self::Cluster(cluster) => cluster.replies(pipeline, lanes).await,
        }
    }

    /// As [`replies`](Self::replies) to the second pipeline, none of which is carried out before all of the first.
    pub(super) async fn replies_after(
        &self,
        first: &Pipeline,
        second: &Pipeline,
        lanes: Lanes,
    ) -> Result<Vec<Value>, StoreError> {
        match self {
            Self::One(server) => {
                let mut both = first.clone();
                for command in second.cmd_iter() {
                    both.add_command(command.clone());
                }
                let mut replies = server.replies(&both, lanes).await?;
                Ok(replies.split_off(first.len()))
            }
            Self::Cluster(cluster) => {
                cluster.replies(first, lanes).await?;
                cluster.replies(second, lanes).await
            }
        }
    }

    /// Every server that has keys.
    pub(super) fn primaries(&self) -> Result<Vec<Primary>, StoreError> {
        match self {
            Self::One(server) => Ok(vec![Primary {
                server: Arc::clone(server),
                probes: [PROBE.to_owned()].into(),
                node: None,
            }]),
            Self::Cluster(cluster) => cluster.primaries(),
        }
    }

    /// Finds out, in the background, which servers there are.
    pub(super) fn look(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.look();
        }
    }

    /// Whether keys may move from one server to another while they are looked at.
    pub(super) fn keys_may_move(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Whether every server takes writes, and the user may do what calls need.
    pub(super) async fn probe(&self, with_holds: bool) -> Result<(), StoreError> {
        match self {
            Self::One(server) => server.probe(&[PROBE.to_owned()], with_holds).await,
            Self::Cluster(cluster) => cluster.probe(with_holds).await,
        }
    }
}

fn snapshot(address: &Address, found: AllFound) -> Result<Snapshot, StoreError> {
    let mut found = found
        .into_iter()
        .map(|found| found.map_err(|error| error::from_redis(&(*error).into())));
    let stamps = found
        .by_ref()
        .take(address.stamps().len())
        .map(|found| Ok(found?.and_then(|text| Stamp::from_text(&text))))
        .collect::<Result<_, StoreError>>()?;
    Ok(Snapshot {
        stamps,
        entry: found.next().transpose()?.flatten(),
    })
}
