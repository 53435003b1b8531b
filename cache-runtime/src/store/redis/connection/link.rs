//! An established connection, and the era that it belongs to.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;

use super::pool::PooledConnection;

/// How often the lanes of one connector have begun anew: a connection of an earlier era is not used any more.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Era(Arc<AtomicU64>);

impl Era {
    pub(in super::super) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends an era, unless it is over.
    pub(in super::super) fn end(&self, era: u64) {
        // Another lane was first: that is as good.
        let _ = self
            .0
            .compare_exchange(era, era + 1, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// An established connection.
pub(in super::super) struct Link {
    connection: PooledConnection,
    /// In which era it was begun.
    pub(in super::super) era: u64,
    /// A task beside the connection's own: ended when their runtime is.
    runtime: JoinHandle<()>,
}

impl Link {
    /// A link over a connection that was opened in the caller's runtime.
    pub(in super::super) fn new(connection: PooledConnection, era: u64) -> Self {
        Self {
            connection,
            era,
            runtime: tokio::spawn(std::future::pending()),
        }
    }

    /// What callers share.
    pub(in super::super) fn handle(&self) -> MultiplexedConnection {
        self.connection.handle()
    }

    /// Whether the runtime is gone that drove the connection: its loss says nothing of the server.
    pub(in super::super) fn has_lost_its_runtime(&self) -> bool {
        self.runtime.is_finished()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.runtime.abort();
    }
}
