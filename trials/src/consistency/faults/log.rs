use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cache_testkit::oracle::Moment;

use crate::consistency::options::Fault;

/// What went wrong in a run.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<Line>>);

#[derive(Debug)]
struct Line {
    began: Moment,
    fault: Fault,
    what: String,
}

impl Log {
    pub(crate) fn note(&self, fault: Fault, what: impl Into<String>) {
        self.lines().push(Line {
            began: Moment::now(),
            fault,
            what: what.into(),
        });
    }

    pub(crate) fn count(&self) -> usize {
        self.lines().len()
    }

    /// How many there were of each kind.
    pub(crate) fn summary(&self) -> String {
        let mut counts = BTreeMap::new();
        for line in self.lines().iter() {
            *counts.entry(line.fault).or_insert(0) += 1;
        }
        let counts: Vec<_> = counts
            .into_iter()
            .map(|(fault, count)| format!("{} {count}", fault.name()))
            .collect();
        if counts.is_empty() {
            "none".to_owned()
        } else {
            counts.join(", ")
        }
    }

    /// The last few that had begun by then, the latest first.
    pub(crate) fn before(&self, moment: Moment, count: usize) -> Vec<String> {
        let mut lines: Vec<_> = self
            .lines()
            .iter()
            .filter(|line| line.began <= moment)
            .map(|line| (line.began, line.fault.name(), line.what.clone()))
            .collect();
        lines.sort();
        lines
            .into_iter()
            .rev()
            .take(count)
            .map(|(began, fault, what)| format!("{:?} before: {fault}: {what}", moment.since(began)))
            .collect()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
