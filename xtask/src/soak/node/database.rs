use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Semaphore, time::sleep};

use super::documents::{Document, Subject};

/// How many queries run at once; the others wait their turn.
const CONNECTIONS: usize = 16;
/// Half of what a query takes.
const HALF: Duration = Duration::from_millis(1);

/// The data of the service. Values are versions, which mutations increment.
pub(super) struct Database {
    versions: Vec<AtomicU64>,
    connections: Semaphore,
}

impl Database {
    pub(super) fn new() -> Self {
        Self {
            versions: (0..Subject::COUNT).map(|_| AtomicU64::new(0)).collect(),
            connections: Semaphore::new(CONNECTIONS),
        }
    }

    pub(super) async fn read(&self, subject: Subject, view: u32) -> Document {
        let _connection = self.connections.acquire().await.expect("it is never closed");
        sleep(HALF).await;
        let version = self.versions[subject.index()].load(Ordering::SeqCst);
        sleep(HALF).await;
        Document::new(subject, view, version)
    }

    /// Returns the new version.
    pub(super) async fn write(&self, subject: Subject) -> u64 {
        let _connection = self.connections.acquire().await.expect("it is never closed");
        sleep(HALF).await;
        self.versions[subject.index()].fetch_add(1, Ordering::SeqCst) + 1
    }
}
