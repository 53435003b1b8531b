//! The pool that owns the connections to one server: `deadpool-redis` opens them, bounds how many there are, and lets go of what
//! is replaced.
//!
//! What it is not asked for is to hand connections out for the time of a call and to test them in between, which would take a
//! round trip more for each: see `docs/decisions/0002-shared-handles.md`. A [`Link`](super::link) checks one out and keeps it for as
//! long as it works.

use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool as Deadpool, PoolError, Runtime};
use redis::{AsyncConnectionConfig, ConnectionAddr, aio::MultiplexedConnection};

use super::super::{config::RedisConfig, error};
use crate::store::{StoreError, StoreErrorKind};

/// Requests that may wait in a connection's queue before senders are held back.
const PIPELINE_BUFFER: usize = 1024;

/// The connections to one server.
#[derive(Clone)]
pub(in super::super) struct Pool {
    address: ConnectionAddr,
    connections: Deadpool,
}

impl Pool {
    /// Opens no connection yet.
    pub(in super::super) fn new(config: &RedisConfig, address: ConnectionAddr) -> Self {
        let timeout = config.connect_deadline();
        let manager = Manager::new_with_config(config.connection_info(address.clone()), connection_config(timeout))
            .expect("a ConnectionInfo is always accepted");
        let connections = Deadpool::builder(manager)
            // Twice: an attempt to connect that is left alone in a runtime that nobody drives keeps its place.
            .max_size(2 * config.lanes())
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(timeout))
            .build()
            .expect("a runtime is given for the timeout");
        Self { address, connections }
    }

    pub(in super::super) fn address(&self) -> &ConnectionAddr {
        &self.address
    }

    /// Opens a connection. None is ever given back, so this is a new one each time.
    pub(in super::super) async fn open(&self) -> Result<PooledConnection, StoreError> {
        match self.connections.get().await {
            Ok(connection) => Ok(PooledConnection(Some(connection))),
            Err(cause) => Err(error::at(&self.address, &meaning(&cause))),
        }
    }
}

/// A connection in its place in the pool. Dropped, it leaves the pool and makes room for the next one: it is replaced because it
/// does not work any more, and must not be handed out again.
pub(in super::super) struct PooledConnection(Option<Connection>);

impl PooledConnection {
    /// What callers share.
    pub(in super::super) fn handle(&self) -> MultiplexedConnection {
        let connection = self.0.as_ref().expect("it is taken out when it is dropped");
        MultiplexedConnection::clone(connection)
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Connection::take(connection));
        }
    }
}

fn connection_config(timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeout))
        // Each operation has a deadline of its own.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE_BUFFER)
}

fn meaning(cause: &PoolError) -> StoreError {
    match cause {
        PoolError::Backend(cause) => error::from_redis(cause),
        // Of the pool's own it says all there is to know.
        other => StoreError::new(StoreErrorKind::Unavailable, other.to_string()),
    }
}
