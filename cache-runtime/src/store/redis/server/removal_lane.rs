//! The lane of removals that count once enough replicas have them, by `WAIT`: one of its own, so that nothing else waits for
//! replicas. One `WAIT` confirms all the removals before it, so many at once take no longer than two do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{Pipeline, Value, cmd};
use tokio::sync::Mutex;

use super::super::{connection::Lane, time::millis};
use crate::store::{StoreError, StoreErrorKind};

/// How long one `WAIT` may last. A removal stands behind one that is under way, and behind its own: both together stay within
/// the default deadline of invalidations.
const DEADLINE: Duration = Duration::from_millis(100);

pub(super) struct RemovalLane {
    lane: Arc<Lane>,
    /// How many replicas there must be.
    quorum: u32,
    /// The number of the last removal that the server itself has acknowledged.
    removed: AtomicU64,
    /// What the last `WAIT` came to. Locked while one is under way.
    confirmation: Mutex<Confirmation>,
}

/// How many replicas have the removals up to one.
#[derive(Debug, Default)]
struct Confirmation {
    /// The last removal that it is about, and the ones before.
    removed: u64,
    connection: u64,
    replicas: u32,
}

impl RemovalLane {
    pub(super) fn new(lane: Arc<Lane>, quorum: u32) -> Self {
        Self {
            lane,
            quorum,
            removed: AtomicU64::new(0),
            confirmation: Mutex::default(),
        }
    }

    pub(super) fn is_connected(&self) -> Result<(), StoreError> {
        self.lane.is_connected()
    }

    /// As [`Lane::replies`], once the replicas have it.
    pub(super) async fn replies(
        self: &Arc<Self>,
        pipeline: &Pipeline,
        codes: &[&str],
    ) -> Result<Vec<Value>, StoreError> {
        let connection = self.lane.generation();
        let replies = self.lane.replies(pipeline, codes).await?;
        let this = Arc::clone(self);
        // On a task of its own: a caller that is not polled any more keeps nobody from the lock.
        let confirmed = tokio::spawn(async move { this.confirm(connection).await });
        confirmed.await.unwrap_or_else(|_| {
            Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the runtime that would have asked for the replicas was shut down",
            ))
        })?;
        Ok(replies)
    }

    /// Waits for the replicas to have what was removed over this connection up to now.
    async fn confirm(&self, connection: u64) -> Result<(), StoreError> {
        let removal = self.removed.fetch_add(1, Ordering::SeqCst) + 1;
        let mut confirmation = self.confirmation.lock().await;
        if confirmation.removed < removal || confirmation.connection != connection {
            let removed = self.removed.load(Ordering::SeqCst);
            let mut wait = cmd("WAIT");
            wait.arg(self.quorum).arg(millis(DEADLINE));
            let replicas = self
                .lane
                .run(async |mut connection| wait.query_async(&mut connection).await)
                .await?;
            // `WAIT` is about the writes of its own connection alone.
            if self.lane.generation() != connection {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the connection was replaced in the middle of an invalidation",
                ));
            }
            *confirmation = Confirmation {
                removed,
                connection,
                replicas,
            };
        }
        if confirmation.replicas >= self.quorum {
            return Ok(());
        }
        Err(StoreError::new(
            StoreErrorKind::Other,
            format!(
                "only {} of {} replicas confirmed an invalidation within {DEADLINE:?}; it is sent again",
                confirmation.replicas, self.quorum
            ),
        ))
    }
}
