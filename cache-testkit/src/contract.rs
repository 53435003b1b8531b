//! What every store must do, as a suite that a store of your own can run.

mod bench;
mod rules;

use std::{any::Any, fmt, pin::Pin, sync::Arc, time::Duration};

use cache_runtime::store::Store;
use tokio::{task::JoinSet, time::Instant};

use self::bench::{Bench, Broken};

/// How long one rule may take.
const RULE_DEADLINE: Duration = Duration::from_mins(1);

/// How long a store may take until it can be used.
const READY_DEADLINE: Duration = Duration::from_secs(10);

/// A store under test, what it does without, and what must live as long as it does.
#[derive(Debug)]
pub struct Subject {
    store: Arc<dyn Store>,
    without: Vec<Capability>,
    kept: Vec<Box<dyn Any + Send>>,
}

/// What a store may do without: methods of [`Store`] of which it has all or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// `sweep`
    Sweeps,
    /// `watch_stamps`
    Watches,
    /// `hold`, `release` and `is_held`
    Holds,
    /// `acquire_lease`, `extend_lease` and `drop_lease`
    Leases,
    /// `scan` and `look_at`
    Inspection,
}

impl Subject {
    /// The store.
    pub fn new(store: impl Store) -> Self {
        Self {
            store: Arc::new(store),
            without: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Says that the store does without something. The rules that are about it are not asked for; instead each of its methods must
    /// fail as [`Unsupported`](cache_runtime::store::StoreErrorKind::Unsupported), as their defaults do. What a store does without
    /// and is not said to, it breaks rules by.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.without.push(capability);
        self
    }

    /// Something that the store needs for as long as it is tested: the server behind it, a temporary folder.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send) -> Self {
        self.kept.push(Box::new(kept));
        self
    }
}

impl<S: Store> From<S> for Subject {
    fn from(store: S) -> Self {
        Self::new(store)
    }
}

/// Runs every rule of the contract, each on a store of its own, and reports all that are broken.
///
/// `make` is called once for each rule. The stores may share a server that holds other data: every rule works under keys
/// that nobody else uses, but for the one that has all stamps removed. A store may need a moment until it is connected; its `probe` says when. It must take entries
/// of 1 MiB, and 8 MiB altogether. What it does without is said by [`Subject::without`].
///
/// ```
/// use cache_runtime::store::MemoryStore;
/// use cache_testkit::contract;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// contract::run(async || MemoryStore::new(64 * 1024 * 1024)).await;
/// # }
/// ```
///
/// # Panics
///
/// If a rule is broken. The message names each broken rule and says what was seen.
pub async fn run<S: Into<Subject>>(make: impl AsyncFn() -> S) {
    let broken: Vec<_> = violations(make)
        .await
        .iter()
        .map(|violation| format!("- {violation}"))
        .collect();
    assert!(
        broken.is_empty(),
        "the store breaks {} of {} rules:\n{}",
        broken.len(),
        rules::ALL.len(),
        broken.join("\n"),
    );
}

/// As [`run`], but returns the broken rules.
pub async fn violations<S: Into<Subject>>(make: impl AsyncFn() -> S) -> Vec<Violation> {
    let mut broken = Vec::new();
    for rule in rules::ALL {
        let subject = make().await.into();
        if rule.needs.is_some_and(|needed| subject.without.contains(&needed)) {
            continue;
        }
        if let Err(Broken(what)) = check(rule, &subject).await {
            broken.push(Violation { rule: rule.name, what });
        }
    }
    broken
}

/// A rule that a store breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule, as a sentence: `a_fill_leaves_the_stamps`.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// One rule.
struct Rule {
    name: &'static str,
    /// What it is about, if that is something that a store may do without.
    needs: Option<Capability>,
    check: fn(Bench) -> Checking,
}

type Checking = Pin<Box<dyn Future<Output = Result<(), Broken>> + Send>>;

async fn check(rule: &Rule, subject: &Subject) -> Result<(), Broken> {
    until_ready(&*subject.store).await?;
    // A task of its own, so that a store that panics breaks this rule and not the whole suite.
    let mut task = JoinSet::new();
    task.spawn((rule.check)(Bench::new(subject)?));
    match tokio::time::timeout(RULE_DEADLINE, task.join_next()).await {
        Ok(Some(Ok(outcome))) => outcome,
        Ok(Some(Err(panic))) => Err(Broken(format!("{panic}"))),
        Ok(None) => unreachable!("one task was spawned"),
        Err(_) => Err(Broken(format!("no end after {RULE_DEADLINE:?}"))),
    }
}

async fn until_ready(store: &dyn Store) -> Result<(), Broken> {
    let deadline = Instant::now() + READY_DEADLINE;
    while let Err(error) = store.probe().await {
        if Instant::now() >= deadline {
            return Err(Broken(format!("not ready within {READY_DEADLINE:?}: {error}")));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
