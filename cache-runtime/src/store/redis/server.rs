//! The connections to one server, shared by all callers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use redis::{Pipeline, Value};

use super::{
    RedisConfig,
    connector::Connector,
    lane::{Era, Lane},
    reads::{Fetch, Reads},
    removals::Removals,
    rights,
};
use crate::{key::Keyspace, store::StoreError};

/// The errors of a server of a cluster that are replies like any other: they say where to ask.
pub(super) const REPLIES_IN_CLUSTER: [&str; 3] = ["WRONGTYPE", "MOVED", "ASK"];

/// Which of a server's connections carry something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lanes {
    Reads,
    Writes,
    /// What counts once enough replicas have it.
    Removals,
}

pub(super) struct Server {
    connector: Arc<Connector>,
    fetch: Fetch,
    lanes: Vec<Arc<Lane>>,
    reads: Vec<Arc<Reads>>,
    /// `None` without replicas to wait for: then every lane that carries writes removes stamps.
    removals: Option<Arc<Removals>>,
    keys: Keyspace,
    next_read: AtomicUsize,
    next_write: AtomicUsize,
}

impl Server {
    /// Connects in the background, from the first use on. `generations` counts the connections.
    pub(super) fn new(config: &RedisConfig, connector: Connector, fetch: Fetch, generations: &Arc<AtomicU64>) -> Self {
        let connector = Arc::new(connector);
        let era = Era::default();
        let lane = || {
            let (connector, generations) = (Arc::clone(&connector), Arc::clone(generations));
            Arc::new(Lane::new(connector, config, era.clone(), generations))
        };
        let lanes: Vec<_> = (0..config.connections()).map(|_| lane()).collect();
        // Half of the connections carry reads, so that a large entry on its way in never stands before a small read.
        let reading = lanes.len().div_ceil(2);
        let reads = lanes[..reading]
            .iter()
            .map(|lane| Arc::new(Reads::new(Arc::clone(lane), fetch)))
            .collect();
        let replicas = config.replicas_to_wait_for();
        let removals = (replicas > 0).then(|| Arc::new(Removals::new(lane(), replicas)));
        Self {
            connector,
            fetch,
            lanes,
            reads,
            removals,
            keys: config.keys().clone(),
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
    pub(super) fn read_lane(&self) -> &Arc<Reads> {
        let many = self.reads[0].are_many();
        let idle = self.reads.iter().find(|reads| many && !reads.is_busy());
        idle.unwrap_or_else(|| &self.reads[self.next_read.fetch_add(1, Ordering::Relaxed) % self.reads.len()])
    }

    pub(super) fn write_lane(&self) -> &Arc<Lane> {
        let writing = match self.lanes.get(self.reads.len()..) {
            None | Some([]) => &self.lanes[..],
            Some(lanes) => lanes,
        };
        &writing[self.next_write.fetch_add(1, Ordering::Relaxed) % writing.len()]
    }

    /// Sends a pipeline and returns the reply to each command, as [`Lane::replies`] does.
    pub(super) async fn replies(&self, pipeline: &Pipeline, lanes: Lanes) -> Result<Vec<Value>, StoreError> {
        let codes = match self.fetch {
            Fetch::Together => &REPLIES_IN_CLUSTER[..1],
            Fetch::OneByOne => &REPLIES_IN_CLUSTER[..],
        };
        match (lanes, &self.removals) {
            (Lanes::Reads, _) => self.read_lane().lane().replies(pipeline, codes).await,
            (Lanes::Removals, Some(removals)) => removals.replies(pipeline, codes).await,
            (Lanes::Removals, None) | (Lanes::Writes, _) => self.write_lane().replies(pipeline, codes).await,
        }
    }

    /// Asks every lane, with keys of these names, which do not exist: whether the server takes writes, and the user may do what
    /// calls need. Every lane is asked, so that one that has lost its connection gets a new one before a call needs it.
    pub(super) async fn probe(&self, names: &[String], with_holds: bool) -> Result<(), StoreError> {
        let probes = self
            .lanes
            .iter()
            .map(|lane| rights::probe(lane, names, &self.keys, self.fetch, with_holds));
        // Not by a command, which would stand behind a `WAIT`.
        let removing = self
            .removals
            .as_ref()
            .map_or(Ok(()), |removals| removals.is_connected());
        // To the end, whichever fails: each lane learns for itself.
        join_all(probes).await.into_iter().collect::<Result<(), _>>()?;
        removing
    }
}
