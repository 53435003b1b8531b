//! A server that takes writes, and its place in a cluster.

use std::sync::Arc;

use super::server::Server;

#[derive(Clone)]
pub(super) struct Primary {
    pub(super) server: Arc<Server>,
    /// What stands after the prefix in the keys of a probe, so that this server would have them. They never exist. One at
    /// least, and several for when the slot of the first one moves.
    pub(super) probes: Arc<[String]>,
    /// The server as its cluster knows it.
    pub(super) node: Option<Arc<Node>>,
}

/// A primary of a cluster.
pub(super) struct Node {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) server: Arc<Server>,
}
