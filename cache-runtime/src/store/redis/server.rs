//! One server: its lanes, shared by all callers, and which of them carries what.

mod removal_lane;
mod rights;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use redis::{Pipeline, Value};

use self::removal_lane::RemovalLane;
pub(super) use self::rights::{ALL_RIGHTS, missing_rights};
use super::{
    config::RedisConfig,
    connection::{Connector, Era, Generations, Lane},
    keyspace::Keyspace,
    read::ReadBatcher,
};
use crate::{key::Namespace, store::StoreError};

/// What is sent, as far as it decides over which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Traffic {
    Reads,
    Writes,
    /// What counts once enough replicas have it.
    Removals,
}

pub(super) struct Server {
    connector: Arc<Connector>,
    keyspace: Keyspace,
    lanes: Vec<Arc<Lane>>,
    /// Of the lanes that carry reads.
    batchers: Vec<Arc<ReadBatcher>>,
    /// `None` without replicas to wait for: then every lane that carries writes removes stamps.
    removal_lane: Option<Arc<RemovalLane>>,
    namespace: Namespace,
    next_read: AtomicUsize,
    next_write: AtomicUsize,
}

impl Server {
    /// Connects in the background, from the first use on. `generations` counts the connections.
    pub(super) fn new(
        config: &RedisConfig,
        connector: Connector,
        keyspace: Keyspace,
        generations: &Generations,
    ) -> Self {
        let connector = Arc::new(connector);
        let era = Era::default();
        let lane = || {
            Arc::new(Lane::new(
                Arc::clone(&connector),
                config,
                era.clone(),
                generations.clone(),
            ))
        };
        let lanes: Vec<_> = (0..config.connections()).map(|_| lane()).collect();
        // Half of the connections carry reads, so that a large entry on its way in never stands before a small read.
        let reading = lanes.len().div_ceil(2);
        let batchers = lanes[..reading]
            .iter()
            .map(|lane| Arc::new(ReadBatcher::new(Arc::clone(lane), keyspace)))
            .collect();
        let replicas = config.replicas_to_wait_for();
        let removal_lane = (replicas > 0).then(|| Arc::new(RemovalLane::new(lane(), replicas)));
        Self {
            connector,
            keyspace,
            lanes,
            batchers,
            removal_lane,
            namespace: config.key_namespace().clone(),
            next_read: AtomicUsize::new(0),
            next_write: AtomicUsize::new(reading),
        }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Few reads take turns over the connections, so that one is answered while another is on its way. Many go over the first
    /// one that is not busy: the more go over one, the more of them travel together, and each connection costs both sides
    /// system calls of its own. The next one spares small reads a wait behind large ones.
    pub(super) fn read_batcher(&self) -> &Arc<ReadBatcher> {
        let many = self.batchers[0].has_many();
        let idle = self.batchers.iter().find(|batcher| many && !batcher.is_busy());
        idle.unwrap_or_else(|| &self.batchers[self.next_read.fetch_add(1, Ordering::Relaxed) % self.batchers.len()])
    }

    pub(super) fn write_lane(&self) -> &Arc<Lane> {
        let writing = match self.lanes.get(self.batchers.len()..) {
            None | Some([]) => &self.lanes[..],
            Some(lanes) => lanes,
        };
        &writing[self.next_write.fetch_add(1, Ordering::Relaxed) % writing.len()]
    }

    /// Sends a pipeline and returns the reply to each command, as [`Lane::replies`] does.
    pub(super) async fn replies(&self, pipeline: &Pipeline, traffic: Traffic) -> Result<Vec<Value>, StoreError> {
        let codes = self.keyspace.reply_codes();
        match (traffic, &self.removal_lane) {
            (Traffic::Reads, _) => self.read_batcher().lane().replies(pipeline, codes).await,
            (Traffic::Removals, Some(lane)) => lane.replies(pipeline, codes).await,
            (Traffic::Removals, None) | (Traffic::Writes, _) => self.write_lane().replies(pipeline, codes).await,
        }
    }

    /// Asks every lane, with keys of these names, which do not exist: whether the server takes writes, and the user may do what
    /// calls need. Every lane is asked, so that one that has lost its connection gets a new one before a call needs it.
    pub(super) async fn probe(&self, names: &[String], with_holds: bool) -> Result<(), StoreError> {
        let probes = self
            .lanes
            .iter()
            .map(|lane| rights::probe(lane, names, &self.namespace, self.keyspace, with_holds));
        // Not by a command, which would stand behind a `WAIT`.
        let removals = self.removal_lane.as_ref().map_or(Ok(()), |lane| lane.is_connected());
        // To the end, whichever fails: each lane learns for itself.
        join_all(probes).await.into_iter().collect::<Result<(), _>>()?;
        removals
    }
}
