//! One connection: who owns it, when it is replaced, who may use it.

use std::{
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use backon::{BackoffBuilder, ExponentialBuilder};
use deadpool_redis::Connection;
use redis::{
    Pipeline, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::{task::JoinHandle, time::Instant};

use super::{RedisConfig, attempts::Attempts, connector::Connector, error};
use crate::{
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
    task::{Needs, handle_for},
};

/// After so many operations in a row that got no answer the connection is replaced: a half-open one never heals.
const TIMEOUTS_TO_REPLACE: u32 = 3;

/// An operation that was given up after at least this long counts as one that got no answer; given up earlier, its caller
/// went away. Shorter than any sensible deadline: counted in error, it costs a connection that nobody was answered on.
const SILENCE: Duration = Duration::from_millis(5);

/// A connection that lasted for less than this is replaced after a pause of up to [`PAUSE`]: its successor may not last
/// longer, for example on a server that takes no writes.
const SHORT_LIVED: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(500);

/// One connection of the store and its replacement in the background.
///
/// The lane owns the connection; callers clone its multiplexed handle. While there is none, every operation fails at once.
///
/// What one lane loses its connection to may be gone for good, and the address may lead to another server by now. So the
/// others with the same connector let go of theirs, too: no two of them use different servers, one of which has missed what
/// was invalidated on the other.
pub(super) struct Lane {
    connector: Arc<Connector>,
    era: Era,
    connect_timeout: Duration,
    link: ArcSwapOption<Link>,
    attempts: Attempts,
    /// How many connections there have been.
    connected: AtomicU64,
    /// How many of all the store's lanes together.
    generations: Arc<AtomicU64>,
    silent: AtomicU32,
    /// When the last connection was opened.
    opened: Mutex<Option<Instant>>,
    /// Why there is no connection, for the calls that find none.
    down: Mutex<StoreError>,
}

/// How often the lanes of one connector have begun anew: a connection of an earlier era is not used any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Era(Arc<AtomicU64>);

impl Era {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends an era, unless it is over.
    fn end(&self, era: u64) {
        // Another lane was first: that is as good.
        let _ = self
            .0
            .compare_exchange(era, era + 1, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// An established connection.
struct Link {
    handle: MultiplexedConnection,
    /// In which era it was begun.
    era: u64,
    /// Keeps the pool's place; taken out of the pool when the link is dropped, never recycled.
    owned: Option<Connection>,
    /// A task beside the connection's own: ended when their runtime is.
    runtime: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.runtime.abort();
        if let Some(connection) = self.owned.take() {
            drop(Connection::take(connection));
        }
    }
}

impl Lane {
    pub(super) fn new(connector: Arc<Connector>, config: &RedisConfig, era: Era, generations: Arc<AtomicU64>) -> Self {
        Self {
            connector,
            era,
            connect_timeout: config.connect_deadline(),
            link: ArcSwapOption::empty(),
            attempts: Attempts::default(),
            connected: AtomicU64::new(0),
            generations,
            silent: AtomicU32::new(0),
            opened: Mutex::default(),
            down: Mutex::new(StoreError::new(StoreErrorKind::Connecting, "not connected yet")),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.connected.load(Ordering::SeqCst)
    }

    /// The error, with the address of the server.
    pub(super) fn located(&self, error: &StoreError) -> StoreError {
        match self.connector.known_address() {
            Some(address) => error::at(address, error),
            None => error.clone(),
        }
    }

    /// Whether there is a connection; if not, one is on its way.
    pub(super) fn is_connected(self: &Arc<Self>) -> Result<(), StoreError> {
        self.link().map(drop)
    }

    /// The connection, if it is one of this era.
    fn link(self: &Arc<Self>) -> Result<Arc<Link>, StoreError> {
        match self.link.load_full() {
            Some(link) if link.era == self.era.now() => Ok(link),
            Some(link) => {
                let reason = StoreError::new(
                    StoreErrorKind::Unavailable,
                    "another connection was lost, and this one is replaced with it",
                );
                self.replace(&link, reason);
                Err(self.absent())
            }
            None => Err(self.absent()),
        }
    }

    /// Why there is no connection. Starts to connect.
    fn absent(self: &Arc<Self>) -> StoreError {
        self.connect();
        self.down().clone()
    }

    /// Runs one operation on the connection and learns from what becomes of it.
    pub(super) async fn run<T>(
        self: &Arc<Self>,
        operation: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let link = self.link()?;
        let watch = Watch {
            lane: self,
            link: &link,
            started: Instant::now(),
            answered: false,
        };
        let result = operation(link.handle.clone()).await;
        watch.answered(result)
    }

    /// Sends a pipeline and returns the reply to each command. Errors of the server with these codes are replies like any other;
    /// every other one fails the whole, and the lane learns from it.
    pub(super) async fn replies(
        self: &Arc<Self>,
        pipeline: &Pipeline,
        codes: &[&str],
    ) -> Result<Vec<Value>, StoreError> {
        let replies = self
            .run(async |mut connection| {
                let replies = connection.req_packed_commands(pipeline, 0, pipeline.len()).await?;
                let failure = replies.iter().find_map(|reply| match reply {
                    Value::ServerError(error) if !codes.contains(&error.code()) => Some(error.clone()),
                    _ => None,
                });
                failure.map_or(Ok(replies), |error| Err(error.into()))
            })
            .await?;
        if replies.len() != pipeline.len() {
            return Err(error::unexpected(
                "a pipeline",
                format_args!("{} for {} commands", replies.len(), pipeline.len()),
            ));
        }
        Ok(replies)
    }

    /// Lets go of a connection, unless it has been replaced already, and starts to connect.
    fn replace(self: &Arc<Self>, broken: &Arc<Link>, mut reason: StoreError) {
        self.era.end(broken.era);
        if broken.runtime.is_finished() {
            // It says nothing of the server, and the next one need not be waited for.
            reason = StoreError::new(StoreErrorKind::Connecting, "not connected yet from this runtime");
            *self.opened() = None;
        }
        let current = self.link.load();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, broken)) {
            self.link.store(None);
            self.silent.store(0, Ordering::Relaxed);
            *self.down() = reason;
        }
        drop(current);
        self.connect();
    }

    /// Starts the background task that connects, unless it runs already.
    fn connect(self: &Arc<Self>) {
        let handle = match handle_for(Needs::Connections) {
            Ok(handle) => handle,
            // The next operation inside of a runtime that can connect tries again.
            Err(unfit) => {
                *self.down() = StoreError::new(StoreErrorKind::Unavailable, unfit.to_string());
                return;
            }
        };
        let Some(number) = self.attempts.begin(handle.id()) else {
            return;
        };
        let task = Connecting {
            lane: Arc::clone(self),
            number,
        };
        handle.spawn(async move { task.lane.connect_with_backoff(number).await });
    }

    fn down(&self) -> MutexGuard<'_, StoreError> {
        self.down.lock()
    }

    async fn connect_with_backoff(self: &Arc<Self>, number: u64) {
        let schedule = || {
            ExponentialBuilder::new()
                .with_min_delay(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(1))
                .without_max_times()
                .build()
        };
        if self.opened().is_some_and(|opened| opened.elapsed() < SHORT_LIVED) {
            tokio::time::sleep(PAUSE.mul_f32(fastrand::f32())).await;
        }
        for longest in schedule() {
            let opened = self.open().await;
            let goes_on = self.attempts.goes_on(number);
            match opened {
                // Another attempt was begun meanwhile, and was faster.
                Ok(_) if !goes_on && self.link.load().is_some() => return,
                Ok(link) => {
                    // Counted before the first command can be sent on it.
                    self.connected.fetch_add(1, Ordering::SeqCst);
                    self.generations.fetch_add(1, Ordering::SeqCst);
                    *self.opened() = Some(Instant::now());
                    self.link.store(Some(Arc::new(link)));
                    return;
                }
                Err(_) if !goes_on => return,
                Err(error) => *self.down() = error,
            }
            // Nobody but this task has the lane any more: the store is gone, or the server has left the cluster.
            if Arc::strong_count(self) == 1 {
                return;
            }
            // Full jitter: processes that lost the server together do not come back together.
            tokio::time::sleep(longest.mul_f32(fastrand::f32())).await;
            if !self.attempts.goes_on(number) {
                return;
            }
        }
    }

    fn opened(&self) -> MutexGuard<'_, Option<Instant>> {
        self.opened.lock()
    }

    async fn open(&self) -> Result<Link, StoreError> {
        // Before it is opened: if the era ends meanwhile, it is one connection too many rather than a wrong one.
        let era = self.era.now();
        let connection = match tokio::time::timeout(self.connect_timeout, self.connector.connect()).await {
            Ok(connection) => connection?,
            Err(_) => return Err(self.located(&StoreError::timeout("connecting", self.connect_timeout))),
        };
        Ok(Link {
            handle: MultiplexedConnection::clone(&connection),
            era,
            owned: Some(connection),
            runtime: tokio::spawn(std::future::pending()),
        })
    }
}

/// The background task's claim to be the only one; given up even when its runtime is shut down.
struct Connecting {
    lane: Arc<Lane>,
    number: u64,
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.lane.attempts.end(self.number);
    }
}

/// Notices operations that never got an answer.
struct Watch<'a> {
    lane: &'a Arc<Lane>,
    link: &'a Arc<Link>,
    started: Instant,
    answered: bool,
}

impl Watch<'_> {
    fn answered<T>(mut self, result: RedisResult<T>) -> Result<T, StoreError> {
        self.answered = true;
        self.lane.silent.store(0, Ordering::Relaxed);
        result.map_err(|error| {
            let meaning = self.lane.located(&error::from_redis(&error));
            // A server that refuses writes may have been demoted: the address may lead to another one by now.
            if error.is_unrecoverable_error() || meaning.kind() == StoreErrorKind::RefusesWrites {
                self.lane.replace(self.link, meaning.clone());
                if self.link.runtime.is_finished() {
                    return self.lane.absent();
                }
            }
            meaning
        })
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.answered || self.started.elapsed() < SILENCE {
            return;
        }
        if self.lane.silent.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_TO_REPLACE {
            let reason = StoreError::new(StoreErrorKind::Timeout, "the server stopped answering");
            self.lane.replace(self.link, self.lane.located(&reason));
        }
    }
}
