//! What was committed, and from when on a read must show it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cache_testkit::oracle::{Event, Moment, Reach, What};

use super::statements::Kind;
use crate::consistency::node::Subject;

/// The number of no node.
const NOBODY: u64 = u64::MAX;

/// A transaction that was committed.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    /// After the database had said so.
    pub(super) at: Moment,
    pub(super) versions: Vec<(Subject, u64)>,
}

impl Commit {
    /// What it obliges every node to from that moment on.
    pub(super) fn obligations(&self, from: Moment) -> impl Iterator<Item = Event<Subject>> {
        self.versions.iter().map(move |&(key, version)| Event {
            node: NOBODY,
            key,
            began: self.at,
            ended: from,
            what: What::Invalidation {
                version,
                reach: Reach::EveryNode,
            },
        })
    }
}

/// What all writers have done so far.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    commits: Vec<Commit>,
    kinds: BTreeMap<String, u64>,
    failures: u64,
}

impl Ledger {
    /// A transaction of this kind has ended, with this commit if it had one that changed something.
    pub(super) fn note(&self, kind: Kind, commit: Option<Commit>) {
        let mut pages = self.pages();
        *pages.kinds.entry(kind.name()).or_default() += 1;
        pages.commits.extend(commit);
    }

    /// One has ended, and nobody knows how.
    pub(super) fn note_failure(&self) {
        self.pages().failures += 1;
    }

    pub(super) fn commits(&self) -> Vec<Commit> {
        self.pages().commits.clone()
    }

    /// How many transactions there were of each kind.
    pub(super) fn summary(&self) -> String {
        let pages = self.pages();
        let mut counts: Vec<_> = pages
            .kinds
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        counts.push(format!("failed or of unknown end {}", pages.failures));
        counts.join(", ")
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When something was wrong: from the first fault until the changes that had waited were relayed.
#[derive(Debug, Default)]
pub(super) struct Troubles(Vec<(Moment, Moment)>);

impl Troubles {
    pub(super) fn add(&mut self, began: Moment, ended: Moment) {
        self.0.push((began, ended));
    }

    /// When reads must show what was committed then: after the lag, which begins once more where something goes wrong before it is
    /// over.
    pub(super) fn due(&self, commit: Moment, lag: Duration) -> Moment {
        let mut due = after(commit, lag);
        for &(began, ended) in &self.0 {
            if began <= due && ended >= commit {
                due = due.max(after(ended, lag));
            }
        }
        due
    }

    /// The time that it has taken the longest of them to end.
    pub(super) fn longest(&self) -> Duration {
        let lasting = self.0.iter().map(|(began, ended)| ended.since(*began));
        lasting.max().unwrap_or_default()
    }
}

fn after(moment: Moment, duration: Duration) -> Moment {
    let nanos = (moment.since(Moment::from_nanos(0)) + duration).as_nanos();
    Moment::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// For how long after a commit its subject was still read as it had been.
pub(super) struct Lags {
    /// Of each subject, in the order of the versions: the last moment at which a read began that returned that version or an
    /// older one.
    last_reads: HashMap<Subject, Vec<(u64, Moment)>>,
}

impl Lags {
    pub(super) fn of_reads<'a>(history: impl Iterator<Item = &'a Event<Subject>>) -> Self {
        let mut last_reads: HashMap<Subject, Vec<(u64, Moment)>> = HashMap::new();
        for event in history {
            if let What::Read { version } = event.what {
                last_reads.entry(event.key).or_default().push((version, event.began));
            }
        }
        for reads in last_reads.values_mut() {
            reads.sort_unstable();
            let mut last = Moment::from_nanos(0);
            for (_, began) in reads {
                last = last.max(*began);
                *began = last;
            }
        }
        Self { last_reads }
    }

    /// Zero if no read that began afterwards was old; `None` for what is never read.
    pub(super) fn after(&self, commit: Moment, subject: Subject, version: u64) -> Option<Duration> {
        let reads = self.last_reads.get(&subject)?;
        let older = reads.partition_point(|&(read, _)| read < version);
        Some(match older.checked_sub(1) {
            Some(last) => reads[last].1.since(commit),
            None => Duration::ZERO,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    const LAG: Duration = Duration::from_millis(100);

    #[test]
    fn a_commit_is_due_after_the_lag_which_begins_again_after_every_trouble_that_is_met() {
        let mut troubles = Troubles::default();
        troubles.add(ms(1_000), ms(2_000));
        troubles.add(ms(2_050), ms(3_000));
        assert_eq!(troubles.due(ms(800), LAG), ms(900));
        assert_eq!(troubles.due(ms(950), LAG), ms(3_100));
        assert_eq!(troubles.due(ms(1_500), LAG), ms(3_100));
        assert_eq!(troubles.due(ms(3_001), LAG), ms(3_101));
        assert_eq!(troubles.longest(), Duration::from_secs(1));
    }

    #[test]
    fn a_lag_lasts_until_the_last_read_of_an_older_version_began() {
        let read = |version, began| Event {
            node: 0,
            key: Subject::Total,
            began: ms(began),
            ended: ms(began + 1),
            what: What::Read { version },
        };
        let reads = [read(1, 10), read(2, 30), read(1, 50), read(3, 40), read(2, 20)];
        let lags = Lags::of_reads(reads.iter());
        assert_eq!(lags.after(ms(15), Subject::Total, 2), Some(Duration::from_millis(35)));
        assert_eq!(lags.after(ms(60), Subject::Total, 3), Some(Duration::ZERO));
        assert_eq!(lags.after(ms(0), Subject::Total, 1), Some(Duration::ZERO));
        assert_eq!(lags.after(ms(0), Subject::Item(1), 1), None);
    }
}
