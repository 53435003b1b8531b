//! What a row came to.

use std::time::{Duration, Instant};

use super::{
    heard::{Heard, Openings},
    load::{Sample, Seen},
};
use crate::lab::strike::Fault;

/// Within this time after the end of a fault the cache is used again.
pub(super) const RESUMES_WITHIN: Duration = Duration::from_secs(5);
/// More connections within a second would be a storm: two processes open up to four each, and try again after a while.
pub(super) const CONNECTIONS: u64 = 60;
/// More lines at warn would be a line per call, not per change of state.
pub(super) const LINES: usize = 20;

/// What callers noticed of a fault.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) calls: usize,
    pub(super) errors: Vec<String>,
    pub(super) stale: usize,
    /// What the cache added to calls in the fault, while it was still asked.
    pub(super) before: Option<Added>,
    /// The same while it was not.
    pub(super) after: Option<Added>,
    /// How often the breaker opened.
    pub(super) opened: usize,
    /// From the end of the fault to the first call that was answered from the cache.
    pub(super) resumed: Option<Duration>,
    /// The most connections that were opened in a second.
    pub(super) connections: u64,
    /// In bytes; `None` where the system does not tell.
    pub(super) peak_memory: Option<u64>,
    /// What the service wrote at warn.
    pub(super) lines: Vec<String>,
    /// What else was seen.
    pub(super) note: Option<String>,
    /// What was promised and not kept.
    pub(super) broken: Vec<String>,
}

/// What a call took more with the cache than without, in seconds; negative if less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Added {
    pub(super) median: f64,
    pub(super) p99: f64,
}

/// When a fault began and ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// `None` if the cache was not used again.
    pub(super) resumed: Option<Instant>,
}

impl Outcome {
    /// What callers saw, and what the service wrote, of a fault at these times.
    pub(super) fn of(fault: Fault, seen: &Seen, heard: &Heard, times: Times) -> Self {
        let Times { began, ended, resumed } = times;
        let samples = seen.samples();
        let openings = heard.openings();
        let verdict = seen.verdict();
        let in_fault: Vec<_> = samples
            .iter()
            .filter(|sample| (began..ended).contains(&sample.began))
            .copied()
            .collect();
        let (after, before) = split(&in_fault, &openings);
        let mut outcome = Self {
            calls: samples.iter().filter(|sample| sample.cached).count(),
            errors: seen.errors(),
            stale: verdict.stale.len(),
            before: Added::in_samples(&before),
            after: Added::in_samples(&after),
            opened: openings.count(began, resumed.unwrap_or_else(Instant::now)),
            resumed: resumed.map(|resumed| resumed.saturating_duration_since(ended)),
            lines: heard.since(began).into_iter().map(|line| line.text).collect(),
            ..Self::default()
        };
        outcome.require(verdict.reads > 0 && verdict.invalidations > 0, || {
            "nothing was read or written, which proves nothing".to_owned()
        });
        let stale = verdict.stale.first().map(ToString::to_string);
        outcome.require(stale.is_none(), || {
            format!("an old value: {}", stale.unwrap_or_default())
        });
        if fault.takes_invalidations() {
            outcome.require(seen.acknowledged(began, ended) > 0, || {
                "no invalidation was acknowledged in the fault".to_owned()
            });
        }
        if let Fault::Slow(_) = fault {
            let opened = outcome.opened;
            outcome.require(opened <= 2, || {
                format!("the breaker opened {opened} times for one fault")
            });
        }
        if let Some(word) = fault.must_be_named() {
            let named = outcome.lines.iter().any(|line| line.to_lowercase().contains(word));
            outcome.require(named, || format!("no line of the log names {word:?}"));
        }
        outcome
    }

    /// Notes a broken promise.
    pub(super) fn require(&mut self, kept: bool, otherwise: impl FnOnce() -> String) {
        if !kept {
            self.broken.push(otherwise());
        }
    }

    /// What every row promises.
    pub(super) fn judge(&mut self) {
        let Self {
            calls,
            resumed,
            connections,
            ..
        } = *self;
        let (errors, lines) = (self.errors.len(), self.lines.len());
        self.require(calls > 0, || "there were no calls".to_owned());
        self.require(errors == 0, || format!("{errors} calls failed"));
        self.require(resumed.is_some_and(|resumed| resumed <= RESUMES_WITHIN), || {
            format!("caching did not resume within {RESUMES_WITHIN:?}")
        });
        self.require(connections <= CONNECTIONS, || {
            format!("{connections} connections were opened in a second")
        });
        self.require(lines <= LINES, || format!("{lines} lines at warn"));
    }

    pub(super) fn is_kept(&self) -> bool {
        self.broken.is_empty()
    }
}

impl Added {
    /// `None` without calls of both kinds.
    fn in_samples(samples: &[Sample]) -> Option<Self> {
        let (with, without): (Vec<_>, Vec<_>) = samples.iter().partition(|sample| sample.cached);
        let (with, without) = (sorted(&with)?, sorted(&without)?);
        let added = |percent| percentile(&with, percent).as_secs_f64() - percentile(&without, percent).as_secs_f64();
        Some(Self {
            median: added(50),
            p99: added(99),
        })
    }
}

/// Those that began while the breaker was open, and the others.
fn split(samples: &[Sample], openings: &Openings) -> (Vec<Sample>, Vec<Sample>) {
    samples.iter().partition(|sample| openings.contain(sample.began))
}

/// `None` if there are none.
fn sorted(samples: &[Sample]) -> Option<Vec<Duration>> {
    let mut times: Vec<_> = samples.iter().map(|sample| sample.took).collect();
    times.sort_unstable();
    (!times.is_empty()).then_some(times)
}

/// The time within which so many percent of the calls were answered. There must be some.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cached: bool, millis: u64) -> Sample {
        Sample {
            began: Instant::now(),
            took: Duration::from_millis(millis),
            cached,
        }
    }

    #[test]
    fn what_is_added_is_the_difference_of_the_quantiles() {
        let samples: Vec<_> = (1..=100)
            .flat_map(|millis| [sample(false, millis), sample(true, millis + 50)])
            .collect();
        let added = Added::in_samples(&samples).unwrap();
        assert!((added.median - 0.050).abs() < 1e-9 && (added.p99 - 0.050).abs() < 1e-9);
        assert!(Added::in_samples(&samples[..1]).is_none());
    }

    #[test]
    fn each_broken_promise_is_named() {
        let mut outcome = Outcome {
            errors: vec!["/: 500".to_owned()],
            resumed: Some(RESUMES_WITHIN * 2),
            ..Outcome::default()
        };
        outcome.judge();
        assert_eq!(outcome.broken.len(), 3, "{:?}", outcome.broken);
        assert!(!outcome.is_kept());
    }
}
