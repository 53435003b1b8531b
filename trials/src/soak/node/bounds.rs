use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What a load may wait for Redis: two reads, a lease, the fill, and the lease again.
const BUDGETS: Duration = Duration::from_millis(50 + 50 + 50 + 100 + 50);

/// How long one waits for a load that is left alone, and for how many of them one after the other: who takes over may be left
/// alone, too.
const STALLED: Duration = Duration::from_millis(100);
const STALLS: u32 = 5;

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bound {
    /// The loads that it may have to wait for: each is one of somebody else, and then one of its own.
    pub(super) loads: u32,
    /// What it may have to wait for beside that.
    pub(super) beside: Duration,
}

impl Bound {
    /// In a service whose slowest load took so long.
    pub(super) fn with(self, slowest: Duration) -> Duration {
        self.loads * (2 * slowest + BUDGETS + STALLS * STALLED) + self.beside
    }
}

/// How long calls took. They are judged when all is over: a machine that stood still makes calls slow before it is known that
/// loads were, too.
#[derive(Debug, Default)]
pub(super) struct Longest(Mutex<HashMap<Bound, Took>>);

/// How long the calls of one bound took.
#[derive(Debug, Default)]
struct Took {
    longest: Duration,
    /// Those beyond the bound, as it was known then.
    suspects: Vec<(Duration, String)>,
}

impl Longest {
    /// Notes what a call took; `slowest` is the slowest load so far.
    pub(super) fn note(&self, took: Duration, bound: Bound, slowest: Duration, what: &impl fmt::Debug) {
        let mut all = self.all();
        let all = all.entry(bound).or_default();
        all.longest = all.longest.max(took);
        if took > bound.with(slowest) {
            all.suspects.push((took, format!("{what:?}")));
        }
    }

    pub(super) fn longest(&self) -> Duration {
        self.all().values().map(|took| took.longest).max().unwrap_or_default()
    }

    /// The longest as a share of its bound.
    pub(super) fn share(&self, slowest: Duration) -> f64 {
        let share = |(bound, took): (&Bound, &Took)| took.longest.div_duration_f64(bound.with(slowest));
        self.all().iter().map(share).fold(0.0, f64::max)
    }

    /// The calls that took longer than they may.
    pub(super) fn too_long(&self, slowest: Duration) -> Vec<String> {
        let all = self.all();
        let told = all.iter().flat_map(|(bound, took)| {
            let bound = bound.with(slowest);
            let too_long = took.suspects.iter().filter(move |(took, _)| *took > bound);
            too_long.map(move |(took, what)| format!("{what}: took {took:?} of at most {bound:?}"))
        });
        told.collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Bound, Took>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOWEST: Duration = Duration::from_millis(100);

    fn bound(loads: u32) -> Bound {
        let beside = Duration::ZERO;
        Bound { loads, beside }
    }

    #[test]
    fn the_longest_calls_are_known_by_themselves_and_by_their_bounds() {
        let longest = Longest::default();
        longest.note(bound(1).with(SLOWEST) / 2, bound(1), SLOWEST, &"short");
        longest.note(bound(4).with(SLOWEST) / 4, bound(4), SLOWEST, &"longer");
        assert_eq!(longest.longest(), bound(1).with(SLOWEST));
        assert!((longest.share(SLOWEST) - 0.5).abs() < 1e-9);
        assert_eq!(longest.too_long(SLOWEST), [""; 0]);
    }

    #[test]
    fn a_call_that_took_too_long_is_named_unless_loads_turn_out_to_have_been_as_slow() {
        let longest = Longest::default();
        let took = bound(1).with(SLOWEST) + Duration::from_millis(1);
        longest.note(took, bound(1), SLOWEST, &"too long");
        let told = longest.too_long(SLOWEST);
        assert!(told.len() == 1 && told[0].contains("too long"), "{told:?}");
        assert_eq!(longest.too_long(SLOWEST * 2), [""; 0]);
    }
}
