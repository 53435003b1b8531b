//! The kind of deployment that a URL names: one server, sentinels, a cluster.

use std::fmt;

use redis::ConnectionAddr;

/// How Redis is deployed, beside the settings that are the same for all its servers.
#[derive(Clone)]
pub(in super::super) enum Deployment {
    /// One server, at the address of the connection's settings.
    Server,
    /// One primary and its replicas; sentinels know which is which.
    Sentinel {
        sentinels: Vec<ConnectionAddr>,
        /// The name under which the sentinels know the primary.
        service: String,
    },
    /// Primaries that share the keys; any of these servers knows all of them.
    Cluster { seeds: Vec<ConnectionAddr> },
}

/// Addresses alone: what else they hold are certificates.
impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => write!(f, "Server"),
            Self::Sentinel { sentinels, service } => write!(f, "Sentinel({}#{service})", list(sentinels)),
            Self::Cluster { seeds } => write!(f, "Cluster({})", list(seeds)),
        }
    }
}

/// Addresses, separated by commas.
pub(super) fn list(all: &[ConnectionAddr]) -> String {
    all.iter().map(written).collect::<Vec<_>>().join(",")
}

/// An address as it stands in a URL.
pub(super) fn written(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => {
            format!("[{host}]:{port}")
        }
        address => address.to_string(),
    }
}
