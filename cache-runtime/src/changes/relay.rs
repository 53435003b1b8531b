//! What takes changes from a source and invalidates.

use std::{
    fmt,
    fmt::Display,
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::select;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    declaration::Declaration,
    source::{Backlog, Change, ChangeError, ChangeSource, Taken},
};
use crate::{
    cache::{Cache, Engine, Invalidated, RelayNote},
    invalidation::Invalidation,
    key::{DEFAULT_TENANT, escape},
    mutation::Hold,
    resource::{Resource, declared},
    sync::Mutex,
    task::{Backoff, Needs, backoff, handle_for},
};

/// How often a source is asked that has nothing to say.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How often one that fails is tried again, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// The same of a store that has not been reached yet, and may be in a moment.
const STARTING_PAUSE: Duration = Duration::from_millis(10);

/// How long one that ends may take to leave the work to others.
const STOP_DEADLINE: Duration = Duration::from_millis(500);

/// How long an invalidation that was not acknowledged at once is waited for, before the changes are given back.
const SEND_DEADLINE: Duration = Duration::from_secs(2);

/// The same of one of everything, which takes a look at every key of the store.
const SEND_ALL_DEADLINE: Duration = Duration::from_secs(35);

impl Cache {
    /// Follows the changes of a database: whatever program makes them, what was cached of the rows becomes unusable. Nothing
    /// happens until [`RelayBuilder::start`].
    ///
    /// In every process of a service, or in some of them: one does the work, and another takes over when that one ends. A cache
    /// that keeps its entries in the process reaches nobody else's, so with several processes it wants a Redis.
    pub fn follow(&self, source: impl ChangeSource) -> RelayBuilder {
        RelayBuilder {
            cache: self.clone(),
            source: Box::new(source),
            tenant: None,
            poll_interval: POLL_INTERVAL,
        }
    }
}

/// A relay that is not started yet, made by [`Cache::follow`].
#[derive(Debug)]
#[must_use = "a relay does nothing until it is started"]
pub struct RelayBuilder {
    cache: Cache,
    source: Box<dyn ChangeSource>,
    /// Escaped.
    tenant: Option<String>,
    poll_interval: Duration,
}

impl RelayBuilder {
    /// Whose the rows are of tables that name no column for it: of a database for each tenant, for example. Default: the tenant
    /// `default`, which is that of a service that has none; in a process that was asked for others everything of all tenants is
    /// invalidated, and the log says so.
    pub fn tenant(mut self, tenant: impl Display) -> Self {
        self.tenant = Some(escape(&tenant));
        self
    }

    /// How often the source is asked when nothing wakes the relay, and how often a process that stands by looks whether it has to
    /// take over. Default: a second. At least a millisecond.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Starts the relay in the background, where it stays until it is [stopped](Relay::stop) or the cache is
    /// [closed](Cache::close). A database or a Redis that is not there is no error: the relay tries again.
    ///
    /// # Errors
    ///
    /// Outside of a tokio runtime, in one without timers or I/O, and for a cache that is closed.
    pub fn start(self) -> Result<Relay, RelayError> {
        let runtime = handle_for(Needs::Connections).map_err(|unfit| RelayError(unfit.to_string()))?;
        let engine = &self.cache.engine;
        let place = engine.relays.place(runtime);
        let place = place.ok_or_else(|| RelayError("the cache is closed, or has sixteen relays already".to_owned()))?;
        if engine.upstream.store_even_if_closed().is_some() && !engine.upstream.is_remote() {
            tracing::debug!("a relay invalidates what is kept in this process, and nothing of other processes");
        }
        let source = self.source.description();
        let note = engine.relay_notes.begin(&source);
        let shared = Arc::new(Shared::new(source, note));
        let ending = Ending(Arc::clone(&shared));
        let task = Task {
            engine: Arc::downgrade(engine),
            source: self.source,
            shared: Arc::clone(&shared),
            declared: Declared {
                tables: declared::tables().map(Declaration::of).collect(),
                settles: declared::resources().filter_map(settle).collect(),
                tenant: self.tenant,
                has_warned: AtomicBool::new(false),
            },
            poll_interval: self.poll_interval,
            pauses: backoff(FIRST_PAUSE, LAST_PAUSE),
        };
        place.spawn_with(|mut closing| async move {
            let mut task = task;
            let mut stopping = ending.0.stopping.subscribe();
            let (told, closed) = (pin!(stopping.wait_for(|stopping| *stopping)), pin!(closing.closed()));
            select(pin!(task.run()), select(told, closed)).await;
            // Another one need not wait until this one is missed.
            drop(timeout(STOP_DEADLINE, task.source.stand_down()).await);
        });
        Ok(Relay { shared })
    }
}

/// What invalidates as a database changes, made by [`Cache::follow`]. Dropping this handle stops nothing.
#[derive(Debug, Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

impl Relay {
    /// What it is doing, and how far behind the database it is.
    pub fn status(&self) -> RelayStatus {
        self.shared.status.borrow().clone()
    }

    /// Waits until its status is as `condition` wants it, and returns it.
    pub async fn until(&self, condition: impl FnMut(&RelayStatus) -> bool) -> RelayStatus {
        let mut status = self.shared.status.subscribe();
        match status.wait_for(condition).await {
            Ok(status) => status.clone(),
            // Its sender is in `self`.
            Err(_) => self.status(),
        }
    }

    /// Ends it, and returns when it has ended. What it has taken and not invalidated yet stays in the database, for the next one.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        self.until(|status| status.state == RelayState::Stopped).await;
    }
}

/// What a [`Relay`] is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayStatus {
    /// What it is about.
    pub state: RelayState,
    /// How long the oldest change has been waiting that was not invalidated when the relay last looked; zero if none was waiting.
    pub lag: Duration,
    /// How long the last change that was relayed had been waiting when its invalidation was acknowledged: from the statement, not from
    /// the commit. `None` before the first.
    pub last_lag: Option<Duration>,
    /// How many changes this process has relayed.
    pub relayed: u64,
    /// What is wrong, while something is.
    pub error: Option<String>,
}

impl RelayStatus {
    /// Whether changes may be served old for longer than `most`: nobody in sight does the work, or it is that far behind. What
    /// a readiness probe wants to know.
    pub fn is_behind(&self, most: Duration) -> bool {
        let works = matches!(self.state, RelayState::Active | RelayState::Standby);
        !works || self.lag > most
    }
}

/// What a [`Relay`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayState {
    /// It has not reached its source yet.
    Starting,
    /// It does the work.
    Active,
    /// Another process does.
    Standby,
    /// The cache's store is out of reach, so nothing can be invalidated: changes wait.
    WithoutStore,
    /// The source is out of reach, and it is not known what waits there.
    WithoutSource,
    /// It was stopped, or its cache closed.
    Stopped,
}

impl RelayState {
    /// What it is about, in a word or two.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Active => "active",
            Self::Standby => "standing by",
            Self::WithoutStore => "without a store",
            Self::WithoutSource => "without its source",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a relay could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayError(String);

impl Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the relay cannot be started: {}", self.0)
    }
}

impl std::error::Error for RelayError {}

/// What a relay and its handles share.
#[derive(Debug)]
struct Shared {
    source: String,
    /// For whoever looks at the cache.
    note: Arc<Mutex<RelayNote>>,
    status: watch::Sender<RelayStatus>,
    stopping: watch::Sender<bool>,
}

impl Shared {
    fn new(source: String, note: Arc<Mutex<RelayNote>>) -> Self {
        note.lock().state = RelayState::Starting.as_str();
        Self {
            source,
            note,
            status: watch::Sender::new(RelayStatus {
                state: RelayState::Starting,
                lag: Duration::ZERO,
                last_lag: None,
                relayed: 0,
                error: None,
            }),
            stopping: watch::Sender::new(false),
        }
    }

    fn change(&self, change: impl FnOnce(&mut RelayStatus)) {
        self.status.send_modify(|status| {
            change(status);
            let mut note = self.note.lock();
            note.state = status.state.as_str();
            (note.lag, note.relayed) = (status.lag, status.relayed);
            note.error.clone_from(&status.error);
        });
    }

    /// It looks after this, and that much waits.
    fn is_about(&self, state: RelayState, backlog: Backlog) {
        let before = self.status.borrow().state;
        self.change(|status| {
            status.state = state;
            status.lag = backlog.oldest.unwrap_or_default();
            status.error = None;
        });
        let source = &self.source;
        match (before, state) {
            (before, state) if before == state => {}
            (_, RelayState::Active) => tracing::info!(source, "changes of the database are relayed by this process"),
            (_, RelayState::Standby) => {
                tracing::info!(source, "changes of the database are relayed by another process");
            }
            (_, RelayState::WithoutStore) => {
                tracing::warn!(source, "changes of the database wait: the cache store is unavailable");
            }
            _ => {}
        }
    }
}

/// Says that a relay has ended, however it did.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.change(|status| status.state = RelayState::Stopped);
    }
}

struct Task {
    engine: Weak<Engine>,
    source: Box<dyn ChangeSource>,
    shared: Arc<Shared>,
    declared: Declared,
    poll_interval: Duration,
    pauses: Backoff,
}

impl Task {
    async fn run(&mut self) {
        while let Some(engine) = self.engine.upgrade() {
            let turn = self.turn(&engine).await;
            drop(engine);
            let done = match turn {
                Ok(Next::AtOnce) => Ok(()),
                Ok(Next::Wait) => self.source.wait(self.poll_interval).await,
                Ok(Next::Pause) => {
                    sleep(self.pauses.pause()).await;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.note_failure(&error);
                sleep(self.pauses.pause()).await;
            }
        }
    }

    fn note_failure(&self, cause: &ChangeError) {
        let before = self.shared.status.borrow().state;
        let source = &self.shared.source;
        if before == RelayState::WithoutSource {
            tracing::debug!(source, %cause, "changes of the database are still out of reach");
        } else {
            tracing::warn!(source, %cause, "changes of the database are out of reach: they are relayed when it answers again");
        }
        self.shared.change(|status| {
            status.state = RelayState::WithoutSource;
            status.error = Some(cause.to_string());
        });
    }

    /// Takes what there is, and invalidates it.
    async fn turn(&mut self, engine: &Arc<Engine>) -> Result<Next, ChangeError> {
        if !engine.may_read() {
            if engine.upstream.store_even_if_closed().is_some() && engine.upstream.health.is_starting() {
                sleep(STARTING_PAUSE).await;
                return Ok(Next::AtOnce);
            }
            return self.without_store().await;
        }
        let began = Instant::now();
        let changes = match self.source.take().await? {
            Taken::Standby(backlog) => {
                self.shared.is_about(RelayState::Standby, backlog);
                self.pauses.reset();
                return Ok(Next::Wait);
            }
            Taken::Changes(changes) => changes,
        };
        let oldest = changes.iter().map(|change| change.age).max();
        self.shared.is_about(RelayState::Active, Backlog::new(oldest));
        let Some(oldest) = oldest else {
            self.pauses.reset();
            return Ok(Next::Wait);
        };
        if !self.declared.invalidate(engine, &changes).await {
            return self.without_store().await;
        }
        let lag = oldest + began.elapsed();
        self.source.acknowledge().await?;
        let count = changes.len() as u64;
        engine.figures.relayed_changes.add(count);
        self.shared.change(|status| {
            status.lag = Duration::ZERO;
            status.last_lag = Some(lag);
            status.relayed += count;
        });
        self.pauses.reset();
        Ok(Next::AtOnce)
    }

    /// Leaves the work to a process that can do it, and has the source keep what waits small.
    async fn without_store(&mut self) -> Result<Next, ChangeError> {
        self.source.stand_down().await?;
        let backlog = self.source.backlog().await?;
        self.shared.is_about(RelayState::WithoutStore, backlog);
        Ok(Next::Pause)
    }
}

/// When the next turn is.
enum Next {
    AtOnce,
    /// When there may be something.
    Wait,
    /// After a pause that grows.
    Pause,
}

/// A resource whose loads read from a replica that lags.
fn settle(resource: &'static Resource) -> Option<(&'static str, Duration)> {
    let settle = resource.crash_safe()?.settle;
    (!settle.is_zero()).then_some((resource.name(), settle))
}

/// What changes invalidate.
struct Declared {
    /// What this program declares.
    tables: Vec<Declaration>,
    /// The resources whose loads read from a replica that lags, and by how much.
    settles: Vec<(&'static str, Duration)>,
    /// Whose the rows are that do not say, if that was said. Escaped.
    tenant: Option<String>,
    /// Whether it has said that tenants are not told apart.
    has_warned: AtomicBool,
}

impl Declared {
    /// Invalidates what was cached of these changes. Returns whether that is acknowledged.
    async fn invalidate(&self, engine: &Arc<Engine>, changes: &[Change]) -> bool {
        let mut invalidation = Invalidation::new(&engine.namespace);
        let mut settling = Invalidation::new(&engine.namespace);
        let mut settle = Duration::ZERO;
        for change in changes {
            for declaration in self.declarations_of(change) {
                let tenant = self.tenant.as_deref();
                let tenant = tenant.or_else(|| self.usual_tenant(engine, declaration));
                let values = change.values.as_ref();
                declaration.add_to(&mut invalidation, values, tenant);
                if let Some((declaration, longest)) = declaration.settling(&self.settles) {
                    declaration.add_to(&mut settling, values, tenant);
                    settle = settle.max(longest);
                }
            }
        }
        // A load that reads from a replica that lags finds the old row for a while: until then nothing is stored.
        let hold = if settling.is_empty() {
            None
        } else {
            let cache = Cache {
                engine: Arc::clone(engine),
            };
            Hold::enter(&cache, settling.stamps(), settle).await
        };
        let deadline = if invalidation.is_of_everything() {
            SEND_ALL_DEADLINE
        } else {
            SEND_DEADLINE
        };
        let acknowledged = match engine.apply(invalidation).await {
            Invalidated::Acknowledged => true,
            Invalidated::Pending => timeout(deadline, engine.until_sent()).await.is_ok(),
        };
        if let Some(hold) = hold {
            hold.release().await;
        }
        acknowledged
    }

    /// What declares what a change invalidates.
    fn declarations_of<'a>(&'a self, change: &'a Change) -> impl Iterator<Item = &'a Declaration> {
        let known = change.declarations.iter().map(AsRef::as_ref);
        let is_named = |declared: &&Declaration| change.declarations.is_empty() && change.is_of(&declared.table);
        known.chain(self.tables.iter().filter(is_named))
    }

    /// Whose rows are that do not say; `None` if that cannot be known.
    fn usual_tenant(&self, engine: &Engine, declaration: &Declaration) -> Option<&'static str> {
        let says_nothing =
            declaration.tenant.is_none() && declaration.resources.iter().any(|resource| !resource.shared);
        if !(says_nothing && engine.has_named_tenants()) {
            return Some(DEFAULT_TENANT);
        }
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                table = declaration.table,
                "the declaration of this table names no column for the tenant, and there are several: each change invalidates \
                 everything of all of them. Write `table name(tenant = column) => ...`, or `tenant = shared` where they share what \
                 is cached"
            );
        }
        None
    }
}
