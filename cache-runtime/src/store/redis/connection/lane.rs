//! A lane: the place of one connection, which all callers share, and its replacement in the background.

use std::{
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::{
    Pipeline, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::time::Instant;

use super::{
    super::{config::RedisConfig, error},
    STUCK,
    connector::Connector,
    generations::Generations,
    link::{Era, Link},
};
use crate::{
    store::{StoreError, StoreErrorKind},
    sync::Mutex,
    task::{Needs, TransferableClaim, TransferableTask, full_jitter, handle_for, jittered},
};

/// After so many operations in a row that got no answer the connection is replaced: a half-open one never heals.
const TIMEOUTS_TO_REPLACE: u32 = 3;

/// An operation that was given up after at least this long counts as one that got no answer; given up earlier, its caller
/// went away. Shorter than any sensible deadline: counted in error, it costs a connection that nobody was answered on.
const SILENCE: Duration = Duration::from_millis(5);

/// How long the first pause between two attempts to connect is at the most, and the last.
pub(in super::super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(in super::super) const LAST_PAUSE: Duration = Duration::from_secs(1);

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
pub(in super::super) struct Lane {
    connector: Arc<Connector>,
    era: Era,
    connect_timeout: Duration,
    link: ArcSwapOption<Link>,
    connecting: TransferableTask,
    /// How many connections there have been.
    connected: AtomicU64,
    /// How many of all the store's lanes together.
    generations: Generations,
    /// How many operations in a row got no answer.
    silent: AtomicU32,
    /// When the last connection was opened.
    opened: Mutex<Option<Instant>>,
    /// Why there is no connection, for the calls that find none.
    down: Mutex<StoreError>,
}

impl Lane {
    pub(in super::super) fn new(
        connector: Arc<Connector>,
        config: &RedisConfig,
        era: Era,
        generations: Generations,
    ) -> Self {
        Self {
            connector,
            era,
            connect_timeout: config.connect_deadline(),
            link: ArcSwapOption::empty(),
            connecting: TransferableTask::new(STUCK),
            connected: AtomicU64::new(0),
            generations,
            silent: AtomicU32::new(0),
            opened: Mutex::default(),
            down: Mutex::new(StoreError::new(StoreErrorKind::Connecting, "not connected yet")),
        }
    }

    pub(in super::super) fn generation(&self) -> u64 {
        self.connected.load(Ordering::SeqCst)
    }

    /// The error, with the address of the server.
    pub(in super::super) fn with_address(&self, error: &StoreError) -> StoreError {
        match self.connector.known_address() {
            Some(address) => error::at(address, error),
            None => error.clone(),
        }
    }

    /// Whether there is a connection; if not, one is on its way.
    pub(in super::super) fn is_connected(self: &Arc<Self>) -> Result<(), StoreError> {
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
    pub(in super::super) async fn run<T>(
        self: &Arc<Self>,
        operation: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let link = self.link()?;
        let pending = PendingOperation {
            lane: self,
            link: &link,
            started: Instant::now(),
            answered: false,
        };
        let result = operation(link.handle()).await;
        pending.answered(result)
    }

    /// Sends a pipeline and returns the reply to each command. Errors of the server with these codes are replies like any other;
    /// every other one fails the whole, and the lane learns from it.
    pub(in super::super) async fn replies(
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
        if broken.has_lost_its_runtime() {
            // The next one need not be waited for.
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
        if let Some(claim) = self.connecting.claim(handle.id()) {
            let lane = Arc::clone(self);
            handle.spawn(async move { lane.connect_with_backoff(&claim).await });
        }
    }

    fn down(&self) -> MutexGuard<'_, StoreError> {
        self.down.lock()
    }

    async fn connect_with_backoff(self: &Arc<Self>, claim: &TransferableClaim) {
        if self.opened().is_some_and(|opened| opened.elapsed() < SHORT_LIVED) {
            tokio::time::sleep(jittered(PAUSE)).await;
        }
        let mut pauses = full_jitter(FIRST_PAUSE, LAST_PAUSE);
        loop {
            let opened = self.open().await;
            let goes_on = claim.is_current();
            match opened {
                // Another attempt was begun meanwhile, and was faster.
                Ok(_) if !goes_on && self.link.load().is_some() => return,
                Ok(link) => {
                    // Counted before the first command can be sent on it.
                    self.connected.fetch_add(1, Ordering::SeqCst);
                    self.generations.advance();
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
            tokio::time::sleep(pauses.pause()).await;
            if !claim.is_current() {
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
            Err(_) => return Err(self.with_address(&StoreError::timeout("connecting", self.connect_timeout))),
        };
        Ok(Link::new(connection, era))
    }
}

/// An operation that is under way. Dropped before it was answered, it counts as one that got no answer.
struct PendingOperation<'a> {
    lane: &'a Arc<Lane>,
    link: &'a Arc<Link>,
    started: Instant,
    answered: bool,
}

impl PendingOperation<'_> {
    fn answered<T>(mut self, result: RedisResult<T>) -> Result<T, StoreError> {
        self.answered = true;
        self.lane.silent.store(0, Ordering::Relaxed);
        result.map_err(|error| {
            let meaning = self.lane.with_address(&error::from_redis(&error));
            // A server that refuses writes may have been demoted: the address may lead to another one by now.
            if error.is_unrecoverable_error() || meaning.kind() == StoreErrorKind::RefusesWrites {
                self.lane.replace(self.link, meaning.clone());
                if self.link.has_lost_its_runtime() {
                    return self.lane.absent();
                }
            }
            meaning
        })
    }
}

impl Drop for PendingOperation<'_> {
    fn drop(&mut self) {
        if self.answered || self.started.elapsed() < SILENCE {
            return;
        }
        if self.lane.silent.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_TO_REPLACE {
            let reason = StoreError::new(StoreErrorKind::Timeout, "the server stopped answering");
            self.lane.replace(self.link, self.lane.with_address(&reason));
        }
    }
}
