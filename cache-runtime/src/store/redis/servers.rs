//! The servers of a store: one, or those of a cluster, behind one face.
//!
//! What is sent is a pipeline of commands of which each is about one key, its second word. One server is sent all of it at
//! once; in a cluster each command goes to the primary that has its key, all of them at the same time.

use std::sync::Arc;

use bytes::Bytes;
use redis::{Pipeline, Value, pipe};

use super::{
    cluster::Cluster,
    config::{Deployment, RedisConfig},
    connection::{Connector, Generations},
    error,
    keyspace::Keyspace,
    primary::Primary,
    read::{KeyReplies, KeyReply, KeySet, KeyTable},
    server::{Server, Traffic},
};
use crate::{
    entry::Stamp,
    key::Address,
    store::{Snapshot, StoreError},
};

/// The name of the keys of a probe: no tenant has it.
const PROBE: &str = "~probe";

pub(super) struct Servers {
    config: RedisConfig,
    generations: Generations,
    members: Members,
}

enum Members {
    One(Arc<Server>),
    Cluster(Cluster),
}

impl Servers {
    /// Connects in the background, from the first use on.
    pub(super) fn new(config: RedisConfig) -> Self {
        let generations = Generations::default();
        let members = match config.deployment() {
            Deployment::Server | Deployment::Sentinel { .. } => {
                let connector = Connector::new(&config);
                Members::One(Arc::new(Server::new(&config, connector, Keyspace::Whole, &generations)))
            }
            Deployment::Cluster { seeds } => {
                Members::Cluster(Cluster::new(config.clone(), seeds.clone(), generations.clone()))
            }
        };
        Self {
            config,
            generations,
            members,
        }
    }

    pub(super) fn config(&self) -> &RedisConfig {
        &self.config
    }

    /// How many connections there have been, and failovers that were seen otherwise.
    pub(super) fn generation(&self) -> u64 {
        self.generations.current()
    }

    /// Of an entry that is not among the keys the snapshot has none.
    pub(super) async fn read(&self, address: &Arc<Address>, keys: KeySet) -> Result<Snapshot, StoreError> {
        let replies = match &self.members {
            Members::One(server) => server.read_batcher().read(address, keys).await?,
            Members::Cluster(cluster) => cluster.read(address, keys).await?,
        };
        snapshot(address, replies)
    }

    /// The stamps and the entry of each address; what addresses share is asked for once.
    pub(super) async fn read_many(&self, addresses: &[Arc<Address>]) -> Result<Vec<Snapshot>, StoreError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let table = KeyTable::of(addresses);
        let keys = table.distinct().into();
        let replies = match &self.members {
            Members::One(server) => server.read_batcher().read_many(addresses, &keys).await?,
            Members::Cluster(cluster) => cluster.read_many(addresses, &keys).await?,
        };
        let mut values: Vec<Option<Bytes>> = replies.into_iter().map(value).collect::<Result<_, _>>()?;
        // What several addresses share is read once, and not for each of them.
        let stamp = |value: &Option<Bytes>| Stamp::from_text(value.as_ref()?);
        let stamps: Vec<Option<Stamp>> = values.iter().map(stamp).collect();
        let mut places = table.places().iter();
        let snapshots = addresses.iter().map(|address| {
            let own = places.by_ref().take(address.stamps().len());
            Snapshot {
                stamps: own.map(|place| stamps[*place]).collect(),
                // An entry is its address's alone.
                entry: places.next().and_then(|place| values[*place].take()),
            }
        });
        Ok(snapshots.collect())
    }

    /// Sends a pipeline and returns the reply to each command. That a key holds something of the wrong type is a reply like
    /// any other; every other error of a server fails the whole.
    pub(super) async fn replies(&self, pipeline: &Pipeline, traffic: Traffic) -> Result<Vec<Value>, StoreError> {
        match &self.members {
            Members::One(server) => server.replies(pipeline, traffic).await,
            Members::Cluster(cluster) => cluster.replies(pipeline, traffic).await,
        }
    }

    /// As [`replies`](Self::replies) to the second pipeline, none of which is carried out before all of the first.
    pub(super) async fn replies_after(
        &self,
        first: &Pipeline,
        second: &Pipeline,
        traffic: Traffic,
    ) -> Result<Vec<Value>, StoreError> {
        match &self.members {
            Members::One(server) => {
                let mut both = first.clone();
                for command in second.cmd_iter() {
                    both.add_command(command.clone());
                }
                let mut replies = server.replies(&both, traffic).await?;
                Ok(replies.split_off(first.len()))
            }
            Members::Cluster(cluster) => {
                cluster.replies(first, traffic).await?;
                cluster.replies(second, traffic).await
            }
        }
    }

    /// Every server that has keys.
    pub(super) fn primaries(&self) -> Result<Vec<Primary>, StoreError> {
        match &self.members {
            Members::One(server) => Ok(vec![Primary {
                server: Arc::clone(server),
                probes: [PROBE.to_owned()].into(),
                node: None,
            }]),
            Members::Cluster(cluster) => cluster.primaries(),
        }
    }

    /// Finds out, in the background, which servers there are.
    pub(super) fn refresh(&self) {
        if let Members::Cluster(cluster) = &self.members {
            cluster.refresh();
        }
    }

    /// Whether keys may move from one server to another while they are looked at.
    pub(super) fn keys_may_move(&self) -> bool {
        matches!(self.members, Members::Cluster(_))
    }

    /// Removes keys, whatever stands under them.
    pub(super) async fn unlink(&self, keys: &[impl AsRef<str>], traffic: Traffic) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut pipeline = pipe();
        for key in keys {
            pipeline.cmd("UNLINK").arg(key.as_ref());
        }
        let replies = self.replies(&pipeline, traffic).await?;
        replies.iter().try_for_each(error::check)
    }

    /// Whether every server takes writes, and the user may do what calls need.
    pub(super) async fn probe(&self, with_holds: bool) -> Result<(), StoreError> {
        match &self.members {
            Members::One(server) => server.probe(&[PROBE.to_owned()], with_holds).await,
            Members::Cluster(cluster) => cluster.probe(with_holds).await,
        }
    }
}

fn snapshot(address: &Address, replies: KeyReplies) -> Result<Snapshot, StoreError> {
    let mut values = replies.into_iter().map(value);
    let stamps = values
        .by_ref()
        .take(address.stamps().len())
        .map(|value| Ok(value?.and_then(|text| Stamp::from_text(&text))))
        .collect::<Result<_, StoreError>>()?;
    Ok(Snapshot {
        stamps,
        entry: values.next().transpose()?.flatten(),
    })
}

fn value(reply: KeyReply) -> Result<Option<Bytes>, StoreError> {
    reply.map_err(|error| error::from_redis(&(*error).into()))
}
