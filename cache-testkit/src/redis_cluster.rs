//! A Redis Cluster of its own for a test.

use std::{
    thread,
    time::{Duration, Instant},
};

use redis::{RedisError, Value};

use crate::redis_server::{RedisServer, RedisServerBuilder, Role, StartError};

const PRIMARIES: usize = 3;

/// After so much silence a member is taken for dead by the others.
const NODE_TIMEOUT: &str = "1000";

/// Between two looks at a cluster that is coming about.
const POLL: Duration = Duration::from_millis(10);

/// How long the members may take to agree on something.
const AGREEMENT: Duration = Duration::from_secs(30);

/// The number of slots that keys are spread over.
const SLOTS: u16 = 16384;

/// Three primaries, each with a replica, on free loopback ports. Dropping it ends all the servers.
///
/// The methods block: the start takes some seconds.
#[derive(Debug)]
pub struct RedisCluster {
    member: RedisServerBuilder,
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the six servers, and returns once all of them agree and every replica has its primary's data.
    ///
    /// # Errors
    ///
    /// As [`RedisServerBuilder::start`](crate::RedisServerBuilder::start); and if the members do not agree within 30 s.
    pub fn start() -> Result<Self, StartError> {
        Self::start_from(&RedisServer::builder())
    }

    /// The same with six servers that have these settings.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_from(server: &RedisServerBuilder) -> Result<Self, StartError> {
        let member = server
            .clone()
            .role(Role::Member)
            .config("cluster-node-timeout", NODE_TIMEOUT)
            .config("cluster-replica-validity-factor", "0")
            .config("cluster-allow-replica-migration", "no")
            .config("repl-diskless-sync-delay", "0")
            // A replica counts as one, in `CLUSTER SLOTS`, once its primary has sent it something: that is a ping, by default after
            // ten seconds.
            .config("repl-ping-replica-period", "1");
        let nodes = (0..2 * PRIMARIES).map(|_| member.clone().start());
        let cluster = Self {
            nodes: nodes.collect::<Result<_, _>>()?,
            member,
        };
        cluster
            .form()
            .map_err(|error| cluster.nodes[0].failed(error.to_string()))?;
        cluster.wait_until_healthy()?;
        Ok(cluster)
    }

    /// The address, as `REDIS_URL` takes it, with all servers.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(address).collect();
        let (scheme, credentials) = self.nodes[0].scheme_and_credentials();
        format!("{scheme}-cluster://{credentials}{}", hosts.join(","))
    }

    /// All servers; the first three began as primaries, each of the next three as the replica of the one three places before;
    /// then come those that were [added](Self::add_primary).
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The servers that are primaries now, as far as those that can be asked know of themselves.
    pub fn primaries(&self) -> Vec<&RedisServer> {
        self.nodes.iter().filter(|node| is_primary(node)).collect()
    }

    /// The primary that has `slot` now.
    ///
    /// # Panics
    ///
    /// If no server that answers says that it has it.
    pub fn primary_of_slot(&self, slot: u16) -> &RedisServer {
        let has_it = |node: &&RedisServer| owner(node, slot) == node.port();
        let mut primaries = self.primaries().into_iter();
        primaries
            .find(has_it)
            .unwrap_or_else(|| panic!("no server has the slot {slot}"))
    }

    /// A server that follows `primary` now.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn replica_of(&self, primary: &RedisServer) -> &RedisServer {
        let follows = |node: &&RedisServer| {
            let role: Vec<Value> = node.command(["ROLE"]).unwrap_or_default();
            matches!(&role[..], [Value::BulkString(role), _, Value::Int(port), ..]
                if role == b"slave" && u16::try_from(*port).ok() == primary.port())
        };
        let mut nodes = self.nodes.iter();
        nodes.find(follows).expect("a primary has a replica")
    }

    /// The slot of a key.
    ///
    /// # Errors
    ///
    /// If the first server does not answer.
    pub fn slot_of(&self, key: &str) -> Result<u16, RedisError> {
        self.nodes[0].command(["CLUSTER", "KEYSLOT", key])
    }

    /// Begins to move a slot: about keys that `from` does not have it answers `ASK` from now on. [`move_slot`](Self::move_slot)
    /// takes it from there.
    ///
    /// # Errors
    ///
    /// If a server refuses.
    pub fn begin_to_move_slot(&self, slot: u16, from: &RedisServer, to: &RedisServer) -> Result<(), RedisError> {
        let slot = slot.to_string();
        let (source, target) = (id(from)?, id(to)?);
        let () = to.command(["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source])?;
        from.command(["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target])
    }

    /// Moves a slot with all its keys from one primary to another, as a resharding does: first its keys, one by one.
    ///
    /// # Errors
    ///
    /// If a server refuses.
    pub fn move_slot(&self, slot: u16, from: &RedisServer, to: &RedisServer) -> Result<(), RedisError> {
        self.begin_to_move_slot(slot, from, to)?;
        let (slot, target) = (slot.to_string(), id(to)?);
        let port = port(to).to_string();
        loop {
            let keys: Vec<String> = from.command(["CLUSTER", "GETKEYSINSLOT", &slot, "10"])?;
            if keys.is_empty() {
                break;
            }
            for key in keys {
                let _: Value = from.command(["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"])?;
            }
        }
        // The target first: a redirection to it must find it knowing.
        for node in [to, from] {
            let () = node.command(["CLUSTER", "SETSLOT", &slot, "NODE", &target])?;
        }
        Ok(())
    }

    /// Lets a server claim a slot for itself, as a repair by hand does, and returns once every primary knows. What keys the
    /// slot had are not moved: the server that had them throws them away.
    ///
    /// # Errors
    ///
    /// If the server refuses, or the others do not hear of it within 30 s.
    pub fn take_over(&self, slot: u16, by: &RedisServer) -> Result<(), StartError> {
        let claim = || -> Result<(), RedisError> {
            // Its word must count for more than that of the server that has the slot.
            let _: Value = by.command(["CLUSTER", "BUMPEPOCH"])?;
            by.command(["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id(by)?])
        };
        claim().map_err(|error| by.failed(error.to_string()))?;
        let deadline = Instant::now() + AGREEMENT;
        for primary in self.primaries() {
            while owner(primary, slot) != by.port() {
                if Instant::now() > deadline {
                    return Err(primary.failed(format!("it did not hear within {AGREEMENT:?} who has the slot {slot}")));
                }
                thread::sleep(POLL);
            }
        }
        Ok(())
    }

    /// Adds a primary that has no slots and no replica, and returns once everybody knows it.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn add_primary(&mut self) -> Result<&RedisServer, StartError> {
        let added = self.member.clone().start()?;
        let (port, bus) = (
            port(&added).to_string(),
            added.bus_port().unwrap_or_default().to_string(),
        );
        for node in &self.nodes {
            let met: Result<(), RedisError> = node.command(["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            met.map_err(|error| node.failed(error.to_string()))?;
        }
        self.nodes.push(added);
        self.wait_until_healthy()?;
        Ok(&self.nodes[self.nodes.len() - 1])
    }

    /// Returns once every server that runs says that all slots are served, and by whom.
    ///
    /// # Errors
    ///
    /// If that takes longer than 30 s.
    pub fn wait_until_healthy(&self) -> Result<(), StartError> {
        let deadline = Instant::now() + AGREEMENT;
        for node in self.nodes.iter().filter(|node| node.pid().is_some()) {
            while !is_healthy(node, self.nodes.len()) {
                if Instant::now() > deadline {
                    let info: String = node.command(["CLUSTER", "INFO"]).unwrap_or_default();
                    return Err(node.failed(format!("the cluster did not agree within {AGREEMENT:?}: {info}")));
                }
                thread::sleep(POLL);
            }
        }
        Ok(())
    }

    fn form(&self) -> Result<(), RedisError> {
        let share = SLOTS.div_ceil(3);
        for ((node, epoch), first) in self.nodes.iter().zip(1..).zip((0..).step_by(usize::from(share))) {
            let () = node.command(["CLUSTER", "SET-CONFIG-EPOCH", &format!("{epoch}")])?;
            if epoch <= PRIMARIES {
                let last = (first + share).min(SLOTS) - 1;
                let range = [first.to_string(), last.to_string()];
                let () = node.command(["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]])?;
            }
        }
        // Everybody is told of everybody: by gossip alone it takes several times as long.
        for (place, node) in self.nodes.iter().enumerate() {
            let (port, bus) = (port(node).to_string(), node.bus_port().unwrap_or_default().to_string());
            for other in &self.nodes[..place] {
                let () = other.command(["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
            }
        }
        for (primary, replica) in self.nodes.iter().zip(&self.nodes[PRIMARIES..]) {
            let id = id(primary)?;
            let deadline = Instant::now() + AGREEMENT;
            // Refused until it has heard of the primary.
            while let Err(error) = replica.command::<()>(["CLUSTER", "REPLICATE", &id]) {
                if Instant::now() > deadline {
                    return Err(error);
                }
                thread::sleep(POLL);
            }
        }
        Ok(())
    }
}

fn address(node: &RedisServer) -> String {
    format!("127.0.0.1:{}", port(node))
}

fn port(node: &RedisServer) -> u16 {
    node.port().unwrap_or_default()
}

fn id(node: &RedisServer) -> Result<String, RedisError> {
    node.command(["CLUSTER", "MYID"])
}

/// The first and the last slot of each range, and the port of its primary, as the server sees it.
fn ranges(node: &RedisServer) -> Vec<(i64, i64, u16)> {
    let ranges: Vec<Vec<Value>> = node.command(["CLUSTER", "SLOTS"]).unwrap_or_default();
    let range = |range: Vec<Value>| match &range[..] {
        [Value::Int(first), Value::Int(last), Value::Array(primary), ..] => match &primary[..] {
            [_, Value::Int(port), ..] => Some((*first, *last, u16::try_from(*port).ok()?)),
            _ => None,
        },
        _ => None,
    };
    ranges.into_iter().filter_map(range).collect()
}

/// The port of the primary of a slot, as the server sees it.
fn owner(node: &RedisServer, slot: u16) -> Option<u16> {
    let mut ranges = ranges(node).into_iter();
    let range = ranges.find(|(first, last, _)| (*first..=*last).contains(&i64::from(slot)));
    range.map(|(_, _, port)| port)
}

fn is_primary(node: &RedisServer) -> bool {
    let role: Result<Vec<Value>, _> = node.command(["ROLE"]);
    matches!(role.as_deref(), Ok([Value::BulkString(role), ..]) if role == b"master")
}

/// All slots are served, every server is known, and a replica has its primary's data.
fn is_healthy(node: &RedisServer, nodes: usize) -> bool {
    let text = |words: [&str; 2]| node.command::<String>(words).unwrap_or_default();
    let cluster = text(["CLUSTER", "INFO"]);
    let served = cluster.contains("cluster_state:ok") && cluster.contains("cluster_slots_ok:16384");
    let known = cluster.contains(&format!("cluster_known_nodes:{nodes}"));
    let replication = text(["INFO", "replication"]);
    let synchronised = replication.contains("role:master") || replication.contains("master_link_status:up");
    // Until every replica has been heard of, a dead primary would have no successor.
    let slots: Vec<Vec<Value>> = node.command(["CLUSTER", "SLOTS"]).unwrap_or_default();
    let replicated = slots.iter().all(|range| range.len() > 3) || text(["CLUSTER", "NODES"]).contains("fail");
    served && known && synchronised && replicated
}
