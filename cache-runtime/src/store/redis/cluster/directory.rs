//! The directory of a cluster: who has which keys, asked for in the background, and kept until somebody finds it to be wrong.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use redis::ConnectionAddr;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::{
    super::{
        config::RedisConfig,
        connection::{Connector, FIRST_PAUSE, Generations, LAST_PAUSE, STUCK, query_once},
        keyspace::Keyspace,
        primary::Node,
        server::Server,
    },
    shards::{Shards, question},
    topology::Topology,
};
use crate::{
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
    task::{Needs, TransferableClaim, TransferableTask, full_jitter, handle_for},
};

/// How long nothing is asked after an answer: a cluster in trouble is not asked by every call that notices.
const REST: Duration = Duration::from_millis(50);

pub(super) struct Directory {
    config: RedisConfig,
    seeds: Vec<ConnectionAddr>,
    /// `None` until a server has said so.
    topology: ArcSwapOption<Topology>,
    generations: Generations,
    refresh: TransferableTask,
    /// Why nothing is known of the servers.
    unknown: Mutex<StoreError>,
}

impl Directory {
    pub(super) fn new(config: RedisConfig, seeds: Vec<ConnectionAddr>, generations: Generations) -> Self {
        Self {
            config,
            seeds,
            topology: ArcSwapOption::empty(),
            generations,
            refresh: TransferableTask::new(STUCK),
            unknown: Mutex::new(StoreError::new(StoreErrorKind::Connecting, "not connected yet")),
        }
    }

    /// What is known of the servers. If nothing is, they are asked in the background.
    pub(super) fn topology(self: &Arc<Self>) -> Result<Arc<Topology>, StoreError> {
        self.topology.load_full().ok_or_else(|| {
            self.refresh();
            self.unknown.lock().clone()
        })
    }

    /// Asks the servers, in the background, unless that is under way.
    pub(super) fn refresh(self: &Arc<Self>) {
        // Without a runtime there is nobody to ask; the next operation inside one does.
        let Ok(runtime) = handle_for(Needs::Connections) else {
            return;
        };
        if let Some(claim) = self.refresh.claim(runtime.id()) {
            let directory = Arc::clone(self);
            runtime.spawn(async move {
                directory.refresh_with_backoff(&claim).await;
                sleep(REST).await;
            });
        }
    }

    async fn refresh_with_backoff(self: &Arc<Self>, claim: &TransferableClaim) {
        let mut pauses = full_jitter(FIRST_PAUSE, LAST_PAUSE);
        loop {
            let answer = self.discover(claim).await;
            if !claim.is_current() {
                return;
            }
            match answer {
                Ok(shards) => return self.adopt(shards),
                Err(cause) => *self.unknown.lock() = cause,
            }
            // Nobody but this task has the directory any more: the store is gone.
            if Arc::strong_count(self) == 1 {
                return;
            }
            sleep(pauses.pause()).await;
        }
    }

    /// Asks one server after the other, in random order: first the primaries over the connections that are there, then
    /// replicas and the addresses of the URL.
    async fn discover(&self, claim: &TransferableClaim) -> Result<Shards, StoreError> {
        let deadline = self.config.discovery_deadline();
        let known = self.topology.load_full();
        let mut nodes: Vec<Arc<Node>> = known.iter().flat_map(|known| known.nodes.iter().cloned()).collect();
        fastrand::shuffle(&mut nodes);
        for node in nodes {
            // It has moved.
            claim.is_current();
            let lane = node.server.write_lane();
            let answer = lane.run(async |mut connection| question().query_async(&mut connection).await);
            if let Ok(Ok(answer)) = timeout(deadline, answer).await
                && let Ok(shards) = Shards::parse(&answer, &node.host)
            {
                return Ok(shards);
            }
        }
        let replicas = known.iter().flat_map(|known| known.replicas.iter());
        let replicas = replicas.map(|(host, port)| self.config.address_of(host.clone(), *port));
        let mut addresses: Vec<ConnectionAddr> = replicas.chain(self.seeds.iter().cloned()).collect();
        fastrand::shuffle(&mut addresses);
        let mut last = StoreError::new(StoreErrorKind::Unavailable, "there are no servers to ask");
        for address in addresses {
            claim.is_current();
            let client = self.config.client(address.clone());
            let query = async |mut connection| question().query_async(&mut connection).await;
            let answer = query_once(client, deadline, query).await;
            match answer.and_then(|answer| Shards::parse(&answer, host(&address))) {
                Ok(shards) => return Ok(shards),
                Err(cause) => {
                    last = cause.with_message(format!(
                        "{address} did not say who has which keys of the cluster: {cause}"
                    ));
                }
            }
        }
        Err(last)
    }

    /// Takes over what a server has said.
    fn adopt(&self, shards: Shards) {
        let known = self.topology.load_full();
        let connect = |host: &str, port: u16| {
            let connector = Connector::to(&self.config, self.config.address_of(host.to_owned(), port));
            Server::new(&self.config, connector, Keyspace::Sharded, &self.generations)
        };
        let topology = Topology::new(shards, known.as_deref(), Instant::now(), connect);
        // Keys that move between primaries lose nothing. A server that has become one may lack the last writes of its
        // predecessor. Counted before anything can be read from it.
        if known.is_some_and(|known| !known.has_same_primaries(&topology)) {
            self.generations.advance();
        }
        self.topology.store(Some(Arc::new(topology)));
    }
}

fn host(address: &ConnectionAddr) -> &str {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}
