//! What a service wrote into its log: when its breaker opened and closed, and what became of its invalidations.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cache_testkit::oracle::Reach;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::ChildStderr,
    sync::watch,
    time::timeout,
};

const OPENED: &str = "the cache store is unavailable";
const CLOSED: &str = "the cache store answers again";
const INVALIDATED: &str = "cache_runtime::invalidation: invalidated";
const ACKNOWLEDGED: &str = "acknowledged=true";

/// The log levels that all of this needs. That a mutation goes on without a hold is said of each such mutation, which is
/// right, and no news about the state of the store.
pub(super) const LEVELS: &str =
    "warn,sqlx::query=error,cache_runtime::mutation::hold=error,cache_runtime::invalidation=info";

/// How long the line about an invalidation may take from the service to here.
const LINE: Duration = Duration::from_secs(2);

/// The log of one process, as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    lines: Arc<Mutex<Vec<Line>>>,
    invalidations: watch::Sender<Vec<Reach>>,
}

/// A line at warn or above.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) at: Instant,
    pub(super) text: String,
}

/// When calls ran without the store.
#[derive(Debug, Default)]
pub(super) struct Openings(Vec<(Instant, Option<Instant>)>);

impl Heard {
    /// Listens until the process closes its standard error.
    pub(super) fn listen(output: ChildStderr) -> Self {
        let heard = Self::default();
        let listening = heard.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                listening.note(line);
            }
        });
        heard
    }

    fn note(&self, text: String) {
        if text.contains(INVALIDATED) {
            let reach = if text.contains(ACKNOWLEDGED) {
                Reach::EveryNode
            } else {
                Reach::OwnNode
            };
            self.invalidations.send_modify(|heard| heard.push(reach));
        } else {
            self.lines().push(Line {
                at: Instant::now(),
                text,
            });
        }
    }

    /// How many invalidations there were so far.
    pub(super) fn invalidations(&self) -> usize {
        self.invalidations.borrow().len()
    }

    /// Whom the invalidation with this number has reached. One that the log does not tell of has reached nobody for sure.
    pub(super) async fn reach_of(&self, number: usize) -> Reach {
        let mut invalidations = self.invalidations.subscribe();
        let told = invalidations.wait_for(|heard| heard.len() > number);
        match timeout(LINE, told).await {
            Ok(Ok(heard)) => heard[number],
            _ => Reach::OwnNode,
        }
    }

    /// What was written since then.
    pub(super) fn since(&self, then: Instant) -> Vec<Line> {
        self.lines().iter().filter(|line| line.at >= then).cloned().collect()
    }

    pub(super) fn openings(&self) -> Openings {
        let mut openings = Openings::default();
        for line in self.lines().iter() {
            if line.text.contains(OPENED) {
                openings.0.push((line.at, None));
            } else if line.text.contains(CLOSED)
                && let Some((_, closed @ None)) = openings.0.last_mut()
            {
                *closed = Some(line.at);
            }
        }
        openings
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Openings {
    /// How often the breaker opened in this time.
    pub(super) fn count(&self, from: Instant, until: Instant) -> usize {
        let opened = self.0.iter().filter(|(opened, _)| (from..until).contains(opened));
        opened.count()
    }

    /// Whether the breaker was open at this moment.
    pub(super) fn contain(&self, moment: Instant) -> bool {
        let is_in = |(opened, closed): &(Instant, Option<Instant>)| {
            *opened <= moment && closed.is_none_or(|closed| moment < closed)
        };
        self.0.iter().any(is_in)
    }
}
