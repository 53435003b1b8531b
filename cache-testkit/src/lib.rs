//! Test kit for code that caches with `cache-runtime`, and for stores of your own.
//!
//! - [`isolated`]: a cache of its own for a test; the functions under test need no change.
//! - [`ContextLayer`]: the same cache for the requests of a server that the test starts.
//! - [`LoadCounter`], [`expect_outcomes`]: how often a body ran, and what became of each call.
//! - [`SpyStore`], [`Gate`]: what was asked of the store; failures and pauses at the moment that a test is about.
//! - [`RedisServer`]: a real server of its own, to be killed, paused, filled up and restarted.
//! - [`RedisCluster`], [`RedisSentinels`]: several of them, as a cluster or under sentinels.
//! - [`PostgresServer`]: a database of its own, for what follows its changes.
//! - [`recovered`]: waits for the end of what a fault has done; [`until`]: for what nothing tells of.
//! - [`patient`]: a cache whose deadlines no busy machine reaches.
//! - [`FaultProxy`]: a bad network in front of it.
//! - [`oracle`]: whether an old value was served, judged from the history of a run.
//! - [`contract`]: the rules that every store must keep.
//!
//! Nothing here sleeps to wait for something: each wait is for an event, and says what it waited for if that does not come
//! within ten seconds.
//!
//! # Crate features
//!
//! - `tls`, which is not on by default: servers with certificates of their own, and the authority that signs them; with `cache-runtime/tls`.

// What is public and can get no more fields or variants is so for a reason.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod assertions;
mod context_layer;
pub mod contract;
#[cfg(doctest)]
mod documents;
mod fault_proxy;
mod gate;
mod isolated;
mod loads;
pub mod oracle;
mod patience;
mod postgres_server;
mod redis_cluster;
mod redis_sentinels;
mod redis_server;
mod spy;
#[cfg(feature = "tls")]
mod test_authority;
mod watched;

pub use redis;

#[cfg(feature = "tls")]
pub use crate::test_authority::TestAuthority;
pub use crate::{
    assertions::{assert_loads, assert_outcomes, expect_outcomes},
    context_layer::{ContextLayer, InContext},
    fault_proxy::{Direction, FaultProxy},
    gate::Gate,
    isolated::{isolated, isolated_in, isolated_on, reaching, recovered},
    loads::LoadCounter,
    patience::{PATIENCE, patient, until},
    postgres_server::{PostgresServer, PostgresServerBuilder},
    redis_cluster::RedisCluster,
    redis_sentinels::RedisSentinels,
    redis_server::{RedisServer, RedisServerBuilder, StartError},
    spy::{Ended, Operation, OperationKind, SpyStore},
};
