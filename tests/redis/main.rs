//! Servers: the runtime on real ones, alone, in a cluster and under sentinels; what they and the network between do to it,
//! and what others write to them.

mod acl;
mod answers;
mod basics;
mod bulk;
mod cache_resources;
mod cluster;
mod failover;
mod foreign_data;
mod hostile;
mod inspection;
mod namespaces;
mod network;
mod outage;
mod sentinel;
mod servers;
mod shell;
mod signing;
mod sweeps;
#[cfg(feature = "tls")]
mod tls;
mod valkey;
mod watch;
