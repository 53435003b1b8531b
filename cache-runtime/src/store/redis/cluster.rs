//! Redis Cluster: each key at the primary of its slot, each primary with connections of its own.
//!
//! The client's own cluster connection is not used: while it looks for the new primary of some keys, or connects to one, the
//! commands for all others wait, and it does not say when it has begun to talk to another server.
//!
//! Every command is about one key, so none fails because keys of one command have different slots, or because some of them
//! have moved already (TRYAGAIN).

mod detour;
mod directory;
mod shards;
mod slots;
mod topology;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use redis::{Cmd, ConnectionAddr, Pipeline, ServerError, Value, cmd, pipe};
use tokio::time::Duration;

pub(super) use self::shards::{Ownership, question};
use self::{
    detour::Detour,
    directory::Directory,
    slots::slot_of,
    topology::{Part, Topology},
};
use super::{
    config::RedisConfig,
    connection::Generations,
    error::{self, ASK, is_redirection},
    primary::Primary,
    read::{KeyPlace, KeyReplies, KeySet, bytes},
    server::Traffic,
};
use crate::{
    key::Address,
    store::{StoreError, StoreErrorKind},
};

/// How old what is known of the servers becomes while nothing says that it has changed.
const MAXIMUM_AGE: Duration = Duration::from_secs(10);

pub(super) struct Cluster {
    directory: Arc<Directory>,
}

impl Cluster {
    pub(super) fn new(config: RedisConfig, seeds: Vec<ConnectionAddr>, generations: Generations) -> Self {
        Self {
            directory: Arc::new(Directory::new(config, seeds, generations)),
        }
    }

    pub(super) async fn read(&self, address: &Arc<Address>, keys: KeySet) -> Result<KeyReplies, StoreError> {
        let topology = self.topology()?;
        let keys: Vec<&str> = keys.of(address).collect();
        let parts = topology.parts(keys.iter().map(|key| slot_of(key.as_bytes())))?;
        let reads = parts.iter().map(|(node, places)| {
            let places = KeySet::Places(places.as_slice().into());
            node.server.read_batcher().read(address, places)
        });
        self.gathered(&keys, &parts, join_all(reads).await).await
    }

    /// What stands under these keys of the addresses, in their order.
    pub(super) async fn read_many(
        &self,
        addresses: &[Arc<Address>],
        keys: &[KeyPlace],
    ) -> Result<KeyReplies, StoreError> {
        let topology = self.topology()?;
        let texts: Vec<&str> = keys.iter().map(|key| key.key(addresses)).collect();
        let parts = topology.parts(texts.iter().map(|key| slot_of(key.as_bytes())))?;
        let reads = parts.iter().map(|(node, places)| {
            let own = places.iter().map(|place| keys[*place]).collect();
            async move { node.server.read_batcher().read_many(addresses, &own).await }
        });
        self.gathered(&texts, &parts, join_all(reads).await).await
    }

    /// The replies of all servers in the order of the keys; where one has said that another is to be asked, that one's.
    async fn gathered(
        &self,
        keys: &[&str],
        parts: &[Part<'_>],
        answers: Vec<Result<KeyReplies, StoreError>>,
    ) -> Result<KeyReplies, StoreError> {
        let mut values: Vec<Option<Bytes>> = vec![None; keys.len()];
        let mut redirected = Vec::new();
        for ((_, places), answer) in parts.iter().zip(answers) {
            for (&place, answer) in places.iter().zip(self.refresh_on_error(answer)?) {
                match answer {
                    Ok(bytes) => values[place] = bytes,
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
            let replies = self
                .follow(redirected.iter().map(get).collect(), Traffic::Reads)
                .await?;
            for ((place, _), reply) in redirected.into_iter().zip(replies) {
                values[place] = bytes(reply);
            }
        }
        Ok(values.into_iter().map(Ok).collect())
    }

    pub(super) async fn replies(&self, pipeline: &Pipeline, traffic: Traffic) -> Result<Vec<Value>, StoreError> {
        let topology = self.topology()?;
        let commands: Vec<&Cmd> = pipeline.cmd_iter().collect();
        let parts = topology.parts(commands.iter().map(|command| slot_of(topology::key(command))))?;
        let mut replies = if let [(node, _)] = &parts[..] {
            self.refresh_on_error(node.server.replies(pipeline, traffic).await)?
        } else {
            self.replies_of(&parts, &commands, traffic).await?
        };
        let redirected: Vec<usize> = (0..replies.len())
            .filter(|&place| is_redirection(&replies[place]))
            .collect();
        if !redirected.is_empty() {
            let again = redirected.iter().filter_map(|&place| match &replies[place] {
                Value::ServerError(redirection) => Some((commands[place].clone(), redirection.clone())),
                _ => None,
            });
            let answers = self.follow(again.collect(), traffic).await?;
            for (place, answer) in redirected.into_iter().zip(answers) {
                replies[place] = answer;
            }
        }
        Ok(replies)
    }

    async fn replies_of(
        &self,
        parts: &[Part<'_>],
        commands: &[&Cmd],
        traffic: Traffic,
    ) -> Result<Vec<Value>, StoreError> {
        let sent = parts.iter().map(|(node, places)| {
            let mut part = pipe();
            for &place in places {
                part.add_command(commands[place].clone());
            }
            async move { node.server.replies(&part, traffic).await }
        });
        let mut replies = vec![Value::Nil; commands.len()];
        // To the end, whichever fails: a connection that works must not be taken for a silent one.
        let answers = join_all(sent).await;
        for ((_, places), answer) in parts.iter().zip(answers) {
            for (&place, reply) in places.iter().zip(self.refresh_on_error(answer)?) {
                replies[place] = reply;
            }
        }
        Ok(replies)
    }

    pub(super) fn primaries(&self) -> Result<Vec<Primary>, StoreError> {
        Ok(self.topology()?.primaries.clone())
    }

    /// Every primary must take writes: who cannot invalidate must not read.
    pub(super) async fn probe(&self, with_holds: bool) -> Result<(), StoreError> {
        let topology = self.topology()?;
        if topology.known_since.elapsed() > MAXIMUM_AGE {
            self.refresh();
        }
        if let Some(slot) = topology.first_unserved() {
            self.refresh();
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
            self.refresh();
        }
        outcome
    }

    /// Sends commands again, to where the servers have said; once, so that no call is sent round in circles.
    async fn follow(&self, commands: Vec<(Cmd, ServerError)>, traffic: Traffic) -> Result<Vec<Value>, StoreError> {
        self.refresh();
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
        let sent = parts
            .iter()
            .map(|part| part.node.server.replies(&part.pipeline, traffic));
        let answers = join_all(sent).await;
        for (part, answer) in parts.iter().zip(answers) {
            let answer = self.refresh_on_error(answer)?;
            for &(place, at) in &part.places {
                match &answer[at] {
                    Value::ServerError(error) if is_redirection(&answer[at]) => return Err(moved_on(error)),
                    reply => replies[place] = reply.clone(),
                }
            }
        }
        Ok(replies)
    }

    fn topology(&self) -> Result<Arc<Topology>, StoreError> {
        self.directory.topology()
    }

    /// Finds out, in the background, who has which keys now.
    pub(super) fn refresh(&self) {
        self.directory.refresh();
    }

    /// A primary that is out of reach may have been replaced.
    fn refresh_on_error<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.inspect_err(|_| self.refresh())
    }
}

/// Not a failure of the store, for the breaker: the next call finds the way.
fn moved_on(redirection: &ServerError) -> StoreError {
    let cause = error::from_redis(&redirection.clone().into());
    cause
        .with_message(format!("keys of the cluster are on the move: {cause}"))
        .with_kind(StoreErrorKind::Other)
}
