//! Redis Cluster: each key at the primary of its slot, each primary with connections of its own.
//!
//! The client's own cluster connection is not used: while it looks for the new primary of some keys, or connects to one, the
//! commands for all others wait, and it does not say when it has begun to talk to another server.
//!
//! Every command is about one key, so none fails because keys of one command have different slots, or because some of them
//! have moved already (TRYAGAIN).

mod slots;
mod topology;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwapOption;
use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use futures_util::future::join_all;
use redis::{Cmd, ConnectionAddr, Pipeline, ServerError, Value, cmd, pipe};
use tokio::time::{Duration, Instant, sleep, timeout};

pub(super) use self::topology::{Node, Ownership, question};
use self::{
    slots::slot_of,
    topology::{Part, Shards, Topology},
};
use super::{
    RedisConfig,
    attempts::Attempts,
    connector::{self, Connector},
    error::{self, ASK, is_redirection},
    reads::{AllFound, Fetch, Wanted, bytes},
    server::{Lanes, Server},
    servers::Primary,
};
use crate::{
    key::Address,
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
    task::{Needs, handle_for},
};

/// How long nothing is asked after an answer: a cluster in trouble is not asked by every call that notices.
const REST: Duration = Duration::from_millis(50);

/// How old what is known of the servers becomes while nothing says that it has changed.
const MAXIMUM_AGE: Duration = Duration::from_secs(10);

pub(super) struct Cluster {
    config: RedisConfig,
    seeds: Vec<ConnectionAddr>,
    /// Who has which keys; `None` until a server has said so.
    topology: ArcSwapOption<Topology>,
    generations: Arc<AtomicU64>,
    attempts: Attempts,
    /// Why nothing is known of the servers.
    unknown: Mutex<StoreError>,
}

impl Cluster {
    pub(super) fn new(config: RedisConfig, seeds: Vec<ConnectionAddr>, generations: Arc<AtomicU64>) -> Self {
        Self {
            config,
            seeds,
            topology: ArcSwapOption::empty(),
            generations,
            attempts: Attempts::default(),
            unknown: Mutex::new(StoreError::new(StoreErrorKind::Connecting, "not connected yet")),
        }
    }

    pub(super) async fn read(self: &Arc<Self>, address: &Arc<Address>, wanted: Wanted) -> Result<AllFound, StoreError> {
        let topology = self.topology()?;
        let keys: Vec<&str> = wanted.keys(address).collect();
        let parts = topology.parts(keys.iter().map(|key| slot_of(key.as_bytes())))?;
        let reads = parts.iter().map(|(node, places)| {
            let places = Wanted::Places(places.as_slice().into());
            node.server.read_lane().read(address, places)
        });
        let mut found: Vec<Option<Bytes>> = vec![None; keys.len()];
        let mut redirected = Vec::new();
        for ((_, places), answer) in parts.iter().zip(join_all(reads).await) {
            for (&place, answer) in places.iter().zip(self.learn(answer)?) {
                match answer {
                    Ok(bytes) => found[place] = bytes,
                    Err(redirection) => redirected.push((place, *redirection)),
                }
            }
        }
        if !redirected.is_empty() {
            let get = |&(place, ref redirection): &(usize, ServerError)| {
                let mut get = cmd("GET");
                get.arg(keys[place]);
                (get, redirection.clone())
            };
            let replies = self.follow(redirected.iter().map(get).collect(), Lanes::Reads).await?;
            for ((place, _), reply) in redirected.into_iter().zip(replies) {
                found[place] = bytes(reply);
            }
        }
        Ok(found.into_iter().map(Ok).collect())
    }

    pub(super) async fn replies(self: &Arc<Self>, pipeline: &Pipeline, lanes: Lanes) -> Result<Vec<Value>, StoreError> {
        let topology = self.topology()?;
        let commands: Vec<&Cmd> = pipeline.cmd_iter().collect();
        let parts = topology.parts(commands.iter().map(|command| slot_of(topology::key(command))))?;
        let mut replies = if let [(node, _)] = &parts[..] {
            self.learn(node.server.replies(pipeline, lanes).await)?
        } else {
            self.replies_of(&parts, &commands, lanes).await?
        };
        let redirected: Vec<usize> = (0..replies.len())
            .filter(|&place| is_redirection(&replies[place]))
            .collect();
        if !redirected.is_empty() {
            let again = redirected.iter().filter_map(|&place| match &replies[place] {
                Value::ServerError(redirection) => Some((commands[place].clone(), redirection.clone())),
                _ => None,
            });
            let answers = self.follow(again.collect(), lanes).await?;
            for (place, answer) in redirected.into_iter().zip(answers) {
                replies[place] = answer;
            }
        }
        Ok(replies)
    }

    async fn replies_of(
        self: &Arc<Self>,
        parts: &[Part<'_>],
        commands: &[&Cmd],
        lanes: Lanes,
    ) -> Result<Vec<Value>, StoreError> {
        let sent = parts.iter().map(|(node, places)| {
            let mut part = pipe();
            for &place in places {
                part.add_command(commands[place].clone());
            }
            async move { node.server.replies(&part, lanes).await }
        });
        let mut replies = vec![Value::Nil; commands.len()];
        // To the end, whichever fails: a connection that works must not be taken for a silent one.
        let answers = join_all(sent).await;
        for ((_, places), answer) in parts.iter().zip(answers) {
            for (&place, reply) in places.iter().zip(self.learn(answer)?) {
                replies[place] = reply;
            }
        }
        Ok(replies)
    }

    pub(super) fn primaries(self: &Arc<Self>) -> Result<Vec<Primary>, StoreError> {
        Ok(self.topology()?.primaries.clone())
    }

    /// Every primary must take writes: who cannot invalidate must not read.
    pub(super) async fn probe(self: &Arc<Self>, with_holds: bool) -> Result<(), StoreError> {
        let topology = self.topology()?;
        if topology.known_since.elapsed() > MAXIMUM_AGE {
            self.look();
        }
        if let Some(slot) = topology.first_unserved() {
            self.look();
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("no server of the cluster has the slot {slot}"),
            ));
        }
        let probes = topology
            .primaries
            .iter()
            .map(|primary| primary.server.probe(&primary.probes, with_holds));
        let outcome: Result<(), StoreError> = join_all(probes).await.into_iter().collect();
        if outcome.is_err() {
            // Also for a key that is elsewhere by now.
            self.look();
        }
        outcome
    }

    /// Sends commands again, to where the servers have said; once, so that no call is sent round in circles.
    async fn follow(
        self: &Arc<Self>,
        commands: Vec<(Cmd, ServerError)>,
        lanes: Lanes,
    ) -> Result<Vec<Value>, StoreError> {
        self.look();
        let topology = self.topology()?;
        let mut replies = vec![Value::Nil; commands.len()];
        let mut parts: Vec<Detour<'_>> = Vec::new();
        for (place, (command, redirection)) in commands.into_iter().enumerate() {
            // A server that is not known yet is not asked: invalidations may have to be sent again before it is read.
            let Some(node) = topology.named_in(&redirection) else {
                return Err(moved_on(&redirection));
            };
            let known = parts.iter().position(|part| Arc::ptr_eq(part.node, node));
            let known = known.unwrap_or_else(|| {
                parts.push(Detour::to(node));
                parts.len() - 1
            });
            parts[known].add(place, command, redirection.code() == ASK);
        }
        let sent = parts.iter().map(|part| part.node.server.replies(&part.pipeline, lanes));
        let answers = join_all(sent).await;
        for (part, answer) in parts.iter().zip(answers) {
            let answer = self.learn(answer)?;
            for &(place, at) in &part.places {
                match &answer[at] {
                    Value::ServerError(error) if is_redirection(&answer[at]) => return Err(moved_on(error)),
                    reply => replies[place] = reply.clone(),
                }
            }
        }
        Ok(replies)
    }

    /// What is known of the servers. If nothing is, they are asked in the background.
    fn topology(self: &Arc<Self>) -> Result<Arc<Topology>, StoreError> {
        self.topology.load_full().ok_or_else(|| {
            self.look();
            self.unknown.lock().clone()
        })
    }

    /// A primary that is out of reach may have been replaced.
    fn learn<T>(self: &Arc<Self>, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.inspect_err(|_| self.look())
    }

    /// Asks the servers who has which keys, in the background, unless that is under way.
    pub(super) fn look(self: &Arc<Self>) {
        // Without a runtime there is nobody to ask; the next operation inside one does.
        let Ok(runtime) = handle_for(Needs::Connections) else {
            return;
        };
        if let Some(number) = self.attempts.begin(runtime.id()) {
            let task = Asking {
                cluster: Arc::clone(self),
                number,
            };
            runtime.spawn(async move {
                task.cluster.ask_with_backoff(number).await;
                sleep(REST).await;
            });
        }
    }

    async fn ask_with_backoff(self: &Arc<Self>, number: u64) {
        let schedule = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .without_max_times()
            .build();
        for longest in schedule {
            let answer = self.ask(number).await;
            if !self.attempts.goes_on(number) {
                return;
            }
            match answer {
                Ok(shards) => return self.adopt(shards),
                Err(cause) => *self.unknown.lock() = cause,
            }
            // Nobody but this task has the cluster any more: the store is gone.
            if Arc::strong_count(self) == 1 {
                return;
            }
            // Full jitter: processes that lost the cluster together do not come back together.
            sleep(longest.mul_f32(fastrand::f32())).await;
        }
    }

    /// Asks one server after the other, in random order: first the primaries over the connections that are there, then
    /// replicas and the addresses of the URL.
    async fn ask(&self, number: u64) -> Result<Shards, StoreError> {
        let deadline = self.config.discovery_deadline();
        let known = self.topology.load_full();
        let mut nodes: Vec<Arc<Node>> = known.iter().flat_map(|known| known.nodes.iter().cloned()).collect();
        fastrand::shuffle(&mut nodes);
        for node in nodes {
            self.attempts.goes_on(number);
            let lane = node.server.write_lane();
            let asking = lane.run(async |mut connection| question().query_async(&mut connection).await);
            if let Ok(Ok(answer)) = timeout(deadline, asking).await
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
            self.attempts.goes_on(number);
            let client = self.config.client(address.clone());
            let question = async |mut connection| question().query_async(&mut connection).await;
            let answer = connector::ask(client, deadline, question).await;
            match answer.and_then(|answer| Shards::parse(&answer, topology::host(&address))) {
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
            Server::new(&self.config, connector, Fetch::OneByOne, &self.generations)
        };
        let topology = Topology::new(shards, known.as_deref(), Instant::now(), connect);
        // Keys that move between primaries lose nothing. A server that has become one may lack the last writes of its
        // predecessor. Counted before anything can be read from it.
        if known.is_some_and(|known| !known.has_same_primaries(&topology)) {
            self.generations.fetch_add(1, Ordering::SeqCst);
        }
        self.topology.store(Some(Arc::new(topology)));
    }
}

/// Commands that are sent again, to one server.
struct Detour<'a> {
    node: &'a Arc<Node>,
    pipeline: Pipeline,
    /// Of each command its place among all, and in the pipeline.
    places: Vec<(usize, usize)>,
}

impl<'a> Detour<'a> {
    fn to(node: &'a Arc<Node>) -> Self {
        Self {
            node,
            pipeline: pipe(),
            places: Vec::new(),
        }
    }

    /// `asking` is said right before a command about a key that is on its way to the server.
    fn add(&mut self, place: usize, command: Cmd, asking: bool) {
        if asking {
            self.pipeline.cmd("ASKING");
        }
        self.places.push((place, self.pipeline.len()));
        self.pipeline.add_command(command);
    }
}

/// Not a failure of the store, for the breaker: the next call finds the way.
fn moved_on(redirection: &ServerError) -> StoreError {
    let cause = error::from_redis(&redirection.clone().into());
    cause
        .with_message(format!("keys of the cluster are on the move: {cause}"))
        .with_kind(StoreErrorKind::Other)
}

/// The background task's claim to be the only one; given up even when its runtime is shut down.
struct Asking {
    cluster: Arc<Cluster>,
    number: u64,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.cluster.attempts.end(self.number);
    }
}
