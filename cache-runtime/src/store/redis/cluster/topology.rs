//! Who has which keys, as a server of the cluster says.

use std::{collections::BTreeMap, sync::Arc};

use redis::{Arg, Cmd, ConnectionAddr, ServerError, Value, cmd};
use tokio::time::Instant;

use super::{
    super::{
        error::{self, unexpected},
        server::Server,
        servers::Primary,
    },
    slots::{SLOTS, slot_of},
};
use crate::store::{StoreError, StoreErrorKind};

/// How many names for probes a primary has: while the slot of one moves, the other does.
const PROBES: usize = 2;

/// In the table of slots: no server.
const NOBODY: u16 = u16::MAX;

pub(super) struct Topology {
    /// The place among `nodes` of the primary of each slot.
    slots: Vec<u16>,
    pub(super) nodes: Vec<Arc<Node>>,
    /// The same servers, each with names of its own for the keys of probes.
    pub(super) primaries: Vec<Primary>,
    pub(super) replicas: Vec<(String, u16)>,
    pub(super) known_since: Instant,
}

/// A primary.
pub(in super::super) struct Node {
    id: String,
    pub(super) host: String,
    port: u16,
    pub(super) server: Arc<Server>,
}

impl Node {
    pub(in super::super) fn id(&self) -> &str {
        &self.id
    }

    /// Who has which keys, as this server has answered the [`question`].
    pub(in super::super) fn ownership(&self, answer: &Value) -> Result<Ownership, StoreError> {
        match answer {
            Value::ServerError(refused) => Err(error::from_redis(&refused.clone().into())),
            answer => Shards::parse(answer, &self.host).map(Ownership::from),
        }
    }
}

/// The slots of each primary, by its id: what all servers say alike once they agree, whatever they call one another's hosts.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Ownership(BTreeMap<String, Vec<(u16, u16)>>);

impl Ownership {
    /// Whether nobody has keys but these.
    pub(in super::super) fn is_among(&self, ids: &[&str]) -> bool {
        self.0.keys().all(|id| ids.contains(&id.as_str()))
    }
}

/// From ids with the first and the last slot of a range.
impl FromIterator<(String, (u16, u16))> for Ownership {
    fn from_iter<I: IntoIterator<Item = (String, (u16, u16))>>(ranges: I) -> Self {
        let mut ranges_by_id = BTreeMap::<_, Vec<_>>::new();
        for (id, range) in ranges {
            ranges_by_id.entry(id).or_default().push(range);
        }
        for ranges in ranges_by_id.values_mut() {
            ranges.sort_unstable();
        }
        Self(ranges_by_id)
    }
}

impl From<Shards> for Ownership {
    fn from(shards: Shards) -> Self {
        let ranges_of = |(Endpoint { id, .. }, ranges): (Endpoint, Vec<(u16, u16)>)| {
            ranges.into_iter().map(move |range| (id.clone(), range))
        };
        shards.primaries.into_iter().flat_map(ranges_of).collect()
    }
}

/// A primary, and the places, among all that is sent, of what it is sent.
pub(super) type Part<'a> = (&'a Arc<Node>, Vec<usize>);

impl Topology {
    /// Keeps the connections to servers that were known before.
    pub(super) fn new(
        shards: Shards,
        before: Option<&Self>,
        known_since: Instant,
        connect: impl Fn(&str, u16) -> Server,
    ) -> Self {
        let mut slots = vec![NOBODY; usize::from(SLOTS)];
        let mut nodes = Vec::new();
        for (place, (Endpoint { id, host, port }, ranges)) in (0_u16..).zip(shards.primaries) {
            for (first, last) in ranges {
                slots[usize::from(first)..=usize::from(last)].fill(place);
            }
            let known = before.and_then(|before| {
                let mut nodes = before.nodes.iter();
                nodes.find(|node| node.id == id && node.host == host && node.port == port)
            });
            nodes.push(known.cloned().unwrap_or_else(|| {
                Arc::new(Node {
                    server: Arc::new(connect(&host, port)),
                    id,
                    host,
                    port,
                })
            }));
        }
        let primaries = (0_u16..).zip(&nodes).map(|(place, node)| Primary {
            server: Arc::clone(&node.server),
            probes: probe_names(&slots, place).into(),
            node: Some(Arc::clone(node)),
        });
        Self {
            primaries: primaries.collect(),
            slots,
            nodes,
            replicas: shards.replicas,
            known_since,
        }
    }

    pub(super) fn has_same_primaries(&self, other: &Self) -> bool {
        let ids = |topology: &Self| {
            let mut ids: Vec<String> = topology.nodes.iter().map(|node| node.id.clone()).collect();
            ids.sort();
            ids
        };
        ids(self) == ids(other)
    }

    pub(super) fn first_unserved(&self) -> Option<usize> {
        self.slots.iter().position(|&node| node == NOBODY)
    }

    /// Each primary that has any of these slots, with the places of its slots among them.
    pub(super) fn parts(&self, slots: impl Iterator<Item = u16>) -> Result<Vec<Part<'_>>, StoreError> {
        let mut parts: Vec<(u16, Vec<usize>)> = Vec::new();
        for (place, slot) in slots.enumerate() {
            let node = self.slots[usize::from(slot)];
            if node == NOBODY {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    format!("no server of the cluster has the slot {slot}"),
                ));
            }
            match parts.iter_mut().find(|(known, _)| *known == node) {
                Some((_, places)) => places.push(place),
                None => parts.push((node, vec![place])),
            }
        }
        let nodes = parts.into_iter();
        Ok(nodes
            .map(|(node, places)| (&self.nodes[usize::from(node)], places))
            .collect())
    }

    /// The primary that a redirection names: `MOVED 3999 host:port`, or `ASK` likewise.
    pub(super) fn named_in(&self, redirection: &ServerError) -> Option<&Arc<Node>> {
        let (_, address) = redirection.details()?.split_once(' ')?;
        let (host, port) = address.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        self.nodes.iter().find(|node| node.host == host && node.port == port)
    }
}

/// What `CLUSTER SLOTS` has answered.
pub(super) struct Shards {
    /// With the first and the last slot of each range.
    primaries: BTreeMap<Endpoint, Vec<(u16, u16)>>,
    replicas: Vec<(String, u16)>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint {
    id: String,
    host: String,
    port: u16,
}

pub(in super::super) fn question() -> Cmd {
    let mut question = cmd("CLUSTER");
    question.arg("SLOTS");
    question
}

impl Shards {
    /// `asked` is the host that answered: a server that does not know its own address leaves it out.
    pub(super) fn parse(answer: &Value, asked: &str) -> Result<Self, StoreError> {
        let mut shards = Self {
            primaries: BTreeMap::new(),
            replicas: Vec::new(),
        };
        let Value::Array(ranges) = answer else {
            return Err(unexpected("CLUSTER SLOTS", "no array"));
        };
        for range in ranges {
            let Some((first, last, primary, replicas)) = parse_range(range, asked) else {
                return Err(unexpected("CLUSTER SLOTS", "something that is no range of slots"));
            };
            shards.primaries.entry(primary).or_default().push((first, last));
            shards.replicas.extend(replicas);
        }
        if shards.primaries.is_empty() {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the server knows of no server that has keys: it has not joined a cluster",
            ));
        }
        shards.replicas.sort();
        shards.replicas.dedup();
        Ok(shards)
    }
}

type Range = (u16, u16, Endpoint, Vec<(String, u16)>);

fn parse_range(range: &Value, asked: &str) -> Option<Range> {
    let Value::Array(range) = range else { return None };
    let [Value::Int(first), Value::Int(last), primary, replicas @ ..] = &range[..] else {
        return None;
    };
    let slot = |slot: i64| u16::try_from(slot).ok().filter(|&slot| slot < SLOTS);
    let (first, last) = (slot(*first)?, slot(*last)?);
    let replicas = replicas.iter().filter_map(|replica| parse_endpoint(replica, asked));
    let replicas = replicas.map(|Endpoint { host, port, .. }| (host, port)).collect();
    (first <= last).then_some(())?;
    Some((first, last, parse_endpoint(primary, asked)?, replicas))
}

fn parse_endpoint(endpoint: &Value, asked: &str) -> Option<Endpoint> {
    let Value::Array(endpoint) = endpoint else { return None };
    let [host, Value::Int(port), rest @ ..] = &endpoint[..] else {
        return None;
    };
    let host = text(host)
        .filter(|host| !matches!(*host, "" | "?"))
        .unwrap_or(asked)
        .to_owned();
    let port = u16::try_from(*port).ok()?;
    let id = rest
        .first()
        .and_then(text)
        .map_or_else(|| format!("{host}:{port}"), str::to_owned);
    Some(Endpoint { id, host, port })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The key of a command: its second word.
pub(super) fn key(command: &Cmd) -> &[u8] {
    match command.args_iter().nth(1) {
        Some(Arg::Simple(key)) => key,
        _ => &[],
    }
}

pub(super) fn host(address: &ConnectionAddr) -> &str {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}

/// Names whose keys, after any prefix, are in slots of this primary, each in another one: as many as there are probes, unless
/// it has fewer slots.
fn probe_names(slots: &[u16], primary: u16) -> Vec<String> {
    let count = slots.iter().filter(|&&owner| owner == primary).take(PROBES).count();
    let mut taken = Vec::new();
    let names = (0_u32..).map(|number| format!("{{~probe:{number}}}"));
    let others = names.filter(|name| {
        let slot = slot_of(name.as_bytes());
        let wanted = slots[usize::from(slot)] == primary && !taken.contains(&slot);
        if wanted {
            taken.push(slot);
        }
        wanted
    });
    others.take(count).collect()
}
