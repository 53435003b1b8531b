//! What is wrong, if something is: with a resource, judged from the figures of the last minute, and with the cache.

use super::{
    sampler::Figures,
    view::figure::{count, counted},
};
use crate::{Cache, Concern, ResourceStats};

/// Below so many calls a hit rate says nothing.
const TELLING: u64 = 20;

/// Below this a cache that is asked often does little.
const POOR: f64 = 0.5;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// Nobody asks.
    Quiet,
    Attention,
    Bad,
}

impl Health {
    /// What the style sheet calls it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Quiet => "quiet",
            Self::Attention => "attention",
            Self::Bad => "bad",
        }
    }
}

/// How a resource is, in a word or three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) health: Health,
    pub(super) words: String,
}

/// What concerns the whole cache, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) health: Health,
    pub(super) title: &'static str,
    pub(super) consequence: String,
}

impl Notice {
    fn of(concern: &Concern) -> Self {
        let health = match concern {
            Concern::Unavailable => Health::Bad,
            _ => Health::Attention,
        };
        Self {
            health,
            title: concern.title(),
            consequence: concern.consequence(),
        }
    }
}

/// How a resource is by these counts; the worst first.
pub(super) fn of_resource(counts: &ResourceStats) -> Condition {
    let calls = counts.calls();
    let condition = |health, words: String| Condition { health, words };
    if counts.stale_detected > 0 {
        return condition(
            Health::Bad,
            counted(counts.stale_detected, "old value served", "old values served"),
        );
    }
    if counts.failed_loads > 0 {
        return condition(Health::Bad, counted(counts.failed_loads, "load failed", "loads failed"));
    }
    if counts.timed_out_loads > 0 {
        return condition(
            Health::Bad,
            counted(counts.timed_out_loads, "load too slow", "loads too slow"),
        );
    }
    if calls == 0 {
        return condition(Health::Quiet, "no calls".to_owned());
    }
    if counts.bypasses == calls {
        return condition(Health::Attention, "uncached".to_owned());
    }
    if counts.rejected > 0 {
        return condition(
            Health::Attention,
            counted(counts.rejected, "entry refused", "entries refused"),
        );
    }
    if counts.failed_fills > 0 {
        return condition(
            Health::Attention,
            counted(counts.failed_fills, "result not stored", "results not stored"),
        );
    }
    if calls >= TELLING && counts.hit_rate() < POOR {
        return condition(Health::Attention, "mostly misses".to_owned());
    }
    condition(Health::Good, "healthy".to_owned())
}

/// What concerns the cache as a whole.
pub(super) fn of_cache(cache: &Cache, figures: &Figures) -> Vec<Notice> {
    let mut notices: Vec<Notice> = cache.concerns().iter().map(Notice::of).collect();
    let rejected = figures.all.counts.rejected;
    if rejected > 0 {
        notices.push(Notice {
            health: Health::Attention,
            title: "Entries were refused",
            consequence: format!(
                "{} in the last minute were not what this process stores: of another release, or altered. They are loaded again and \
                 replaced. The log names the first of each cause.",
                count(rejected)
            ),
        });
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(change: impl FnOnce(&mut ResourceStats)) -> (Health, String) {
        let mut counts = ResourceStats::default();
        (counts.hits, counts.misses) = (90, 10);
        change(&mut counts);
        let Condition { health, words } = of_resource(&counts);
        (health, words)
    }

    #[test]
    fn a_resource_is_as_healthy_as_the_worst_that_happened_to_it() {
        let healthy = condition(|_| ());
        assert_eq!(healthy, (Health::Good, "healthy".to_owned()));
        let failing = condition(|counts| (counts.failed_loads, counts.rejected) = (1, 5));
        assert_eq!(failing, (Health::Bad, "1 load failed".to_owned()));
        let refused = condition(|counts| counts.rejected = 5);
        assert_eq!(refused, (Health::Attention, "5 entries refused".to_owned()));
        let missing = condition(|counts| counts.misses = 91);
        assert_eq!(missing, (Health::Attention, "mostly misses".to_owned()));
        let uncached = condition(|counts| (counts.hits, counts.misses, counts.bypasses) = (0, 0, 3));
        assert_eq!(uncached, (Health::Attention, "uncached".to_owned()));
    }

    #[test]
    fn what_nobody_asks_for_is_quiet_and_too_few_calls_say_nothing() {
        let quiet = condition(|counts| (counts.hits, counts.misses) = (0, 0));
        assert_eq!(quiet, (Health::Quiet, "no calls".to_owned()));
        let few = condition(|counts| (counts.hits, counts.misses) = (0, 5));
        assert_eq!(few, (Health::Good, "healthy".to_owned()));
    }
}
