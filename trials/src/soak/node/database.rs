use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use super::documents::{Document, Subject};

/// How many queries run at once; the others wait their turn.
const CONNECTIONS: usize = 16;
/// Half of what a query takes.
const HALF: Duration = Duration::from_millis(1);

/// The data of the service. Values are versions, which mutations increment. It answers whether or not who asks goes on waiting:
/// a caller who looks elsewhere keeps no connection.
#[derive(Debug, Clone)]
pub(super) struct Database(Arc<Data>);

#[derive(Debug)]
struct Data {
    versions: Vec<AtomicU64>,
    connections: Semaphore,
    /// What the slowest query took, in microseconds.
    slowest: AtomicU64,
}

impl Database {
    pub(super) fn new() -> Self {
        Self(Arc::new(Data {
            versions: (0..Subject::COUNT).map(|_| AtomicU64::new(0)).collect(),
            connections: Semaphore::new(CONNECTIONS),
            slowest: AtomicU64::new(0),
        }))
    }

    pub(super) async fn read(&self, subject: Subject, view: u32) -> Document {
        let version = self
            .query(move |data| async move {
                sleep(HALF).await;
                let version = data.versions[subject.index()].load(Ordering::SeqCst);
                sleep(HALF).await;
                version
            })
            .await;
        Document::new(subject, view, version)
    }

    /// Returns the new version.
    pub(super) async fn write(&self, subject: Subject) -> u64 {
        self.query(move |data| async move {
            sleep(HALF).await;
            data.versions[subject.index()].fetch_add(1, Ordering::SeqCst) + 1
        })
        .await
    }

    /// What the slowest query took so far, with the wait for a connection.
    pub(super) fn slowest(&self) -> Duration {
        Duration::from_micros(self.0.slowest.load(Ordering::Relaxed))
    }

    async fn query<Q>(&self, query: impl FnOnce(Arc<Data>) -> Q + Send + 'static) -> u64
    where
        Q: Future<Output = u64> + Send + 'static,
    {
        let (data, asked) = (Arc::clone(&self.0), Instant::now());
        let answering = tokio::spawn(async move {
            let _connection = data.connections.acquire().await.expect("it is never closed");
            let answer = query(Arc::clone(&data)).await;
            let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
            data.slowest.fetch_max(took, Ordering::Relaxed);
            answer
        });
        answering.await.expect("no query panics")
    }
}
