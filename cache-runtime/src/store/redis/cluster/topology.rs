//! The table of a cluster's slots, and the connections to its primaries.

use std::sync::Arc;

use redis::{Arg, Cmd, ServerError};
use tokio::time::Instant;

use super::{
    super::{
        primary::{Node, Primary},
        server::Server,
    },
    shards::{Endpoint, Shards},
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

/// The key of a command: its second word.
pub(super) fn key(command: &Cmd) -> &[u8] {
    match command.args_iter().nth(1) {
        Some(Arg::Simple(key)) => key,
        _ => &[],
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
