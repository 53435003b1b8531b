//! The watch of stamps: what Redis reports of their changes, by client-side caching in broadcast mode, on connections of its own.
//!
//! Not everything is reported. `SWAPDB` is not; nor, up to Redis 7.0, is the end of keys whose slot another server of the
//! cluster has claimed; and a removal that finds nothing to remove is no change. So each heartbeat asks for more than an
//! answer: whether a key of the [session's](session) own is still there, and, in a cluster, who has which keys. And an
//! invalidation is [heard](super::commands::stamps::remove_audibly) whether or not there was a stamp.

mod consensus;
mod session;

use std::{convert::Infallible, sync::Arc};

use futures_util::future::try_join_all;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use self::{
    consensus::{Consensus, Verdict},
    session::Session,
};
use super::servers::Servers;
use crate::store::{Coherent, StampWatcher, StoreError, StoreErrorKind};

/// A heartbeat that was not answered for so many intervals: the connection is given up.
const SILENT_INTERVALS: u32 = 4;

/// Watches until a connection is lost, stays silent, or may lead to another server or other data than the store's own. Every
/// server that has keys is watched: which of them has a stamp may change.
pub(super) async fn watch(servers: &Servers, watcher: Arc<dyn StampWatcher>) -> Result<Infallible, StoreError> {
    let interval = servers.config().heartbeat();
    let deadline = interval * SILENT_INTERVALS;
    let (closing, mut closed) = mpsc::unbounded_channel();
    // Before the connections are made: a change of servers from here on is noticed.
    let generation = servers.generation();
    let primaries = servers.primaries()?;
    let beginning = primaries
        .iter()
        .map(|primary| Session::begin(servers.config(), primary, &watcher, &closing, deadline));
    let mut sessions = try_join_all(beginning).await?;
    watcher.began();
    let mut consensus = Consensus::new(&primaries);
    let mut agreed = Instant::now();
    loop {
        let asked = Instant::now();
        let said = try_join_all(sessions.iter_mut().map(Session::heartbeat)).await?;
        if servers.generation() != generation {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the store has connected anew, perhaps to another server",
            ));
        }
        let verdict = consensus.judge(&said);
        match verdict {
            Verdict::Unchanged => watcher.coherent(Coherent::AsOf(asked)),
            // What is kept of the keys that went was reported by nobody, perhaps. Every server that has keys now is watched, so
            // the connections stay.
            Verdict::Moved => watcher.began(),
            // Until they agree nothing is said.
            Verdict::Disputed if agreed.elapsed() < deadline => {}
            Verdict::Disputed => {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the servers of the cluster do not agree who has which keys",
                ));
            }
            Verdict::Unwatched => {
                servers.refresh();
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "another server of the cluster has keys now, and is not watched yet",
                ));
            }
        }
        if verdict != Verdict::Disputed {
            agreed = asked;
        }
        tokio::select! {
            () = sleep(interval) => {}
            _ = closed.recv() => return Err(lost()),
        }
    }
}

fn lost() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "the connection that reports changes of stamps was lost",
    )
}
