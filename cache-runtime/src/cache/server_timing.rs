//! The field `Server-Timing` (W3C) of a response: which part of the time that it took was the cache's.

use std::{
    fmt::{self, Display},
    ops::Range,
    time::Duration,
};

use tokio::time::Instant;

use super::observe::{CallTrace, ObservedCall, Outcomes};

impl Outcomes {
    /// The value of a `Server-Timing` field (W3C) of a response; `None` if no call was made. Browsers show it beside the other times of
    /// a request.
    ///
    /// | metric | how long the calls |
    /// |---|---|
    /// | `cache;dur=0.420;desc="3 hit, 1 miss"` | asked the cache; the outcomes of all of them |
    /// | `load;dur=31.800;desc="1 own, 2 shared"` | loaded, or waited for the load of another caller; if one did |
    ///
    /// In milliseconds. Of calls at once, time counts once, so neither is more than the response has taken. Calls that were made by the
    /// body of another one are part of the load of that one. It is a hundred bytes or so, whatever the number of calls.
    ///
    /// Whoever can see it can see whether somebody else has asked for the same before.
    pub fn server_timing(&self) -> Option<String> {
        let calls = self.iter().zip(self.traces()).filter(|(_, trace)| !trace.is_nested);
        let calls: Vec<(&ObservedCall, &CallTrace)> = calls.collect();
        if calls.is_empty() {
            return None;
        }
        let mut metrics = vec![Metric {
            name: "cache",
            duration: total(calls.iter().map(|(_, trace)| trace.lookup.clone())),
            counts: counts(calls.iter().map(|(call, _)| call.outcome.as_str())),
        }];
        let loads = calls
            .iter()
            .filter_map(|(call, trace)| Some((call, trace.load.clone()?)));
        let (whose, times): (Vec<_>, Vec<_>) = loads
            .map(|(call, time)| (if call.shared { "shared" } else { "own" }, time))
            .unzip();
        if !times.is_empty() {
            metrics.push(Metric {
                name: "load",
                duration: total(times.into_iter()),
                counts: counts(whose.into_iter()),
            });
        }
        let metrics: Vec<String> = metrics.iter().map(Metric::to_string).collect();
        Some(metrics.join(", "))
    }
}

struct Metric {
    name: &'static str,
    duration: Duration,
    counts: Vec<(usize, &'static str)>,
}

impl Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, duration, counts } = self;
        let milliseconds = duration.as_secs_f64() * 1e3;
        let counts: Vec<String> = counts.iter().map(|(count, word)| format!("{count} {word}")).collect();
        // Words and numbers: nothing to be escaped.
        write!(f, "{name};dur={milliseconds:.3};desc=\"{}\"", counts.join(", "))
    }
}

/// How often each of these words comes, in the order in which they come first.
fn counts(words: impl Iterator<Item = &'static str>) -> Vec<(usize, &'static str)> {
    let mut counts: Vec<(usize, &'static str)> = Vec::new();
    for word in words {
        match counts.iter_mut().find(|(_, counted)| *counted == word) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, word)),
        }
    }
    counts
}

/// The time that is in any of these.
fn total(times: impl Iterator<Item = Range<Instant>>) -> Duration {
    let mut times: Vec<Range<Instant>> = times.collect();
    times.sort_unstable_by_key(|time| time.start);
    let mut total = Duration::ZERO;
    let mut counted_until = None;
    for Range { start, end } in times {
        let start = counted_until.map_or(start, |until| start.max(until));
        total += end.saturating_duration_since(start);
        counted_until = Some(counted_until.map_or(end, |until: Instant| until.max(end)));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_once_however_many_calls_are_in_it() {
        let began = Instant::now();
        let at = |milliseconds| began + Duration::from_millis(milliseconds);
        let total = |times: &[(u64, u64)]| total(times.iter().map(|&(start, end)| at(start)..at(end))).as_millis();
        assert_eq!(total(&[]), 0);
        assert_eq!(total(&[(0, 10), (20, 25)]), 15);
        assert_eq!(total(&[(5, 15), (0, 10), (2, 3)]), 15);
        assert_eq!(total(&[(0, 10), (10, 20), (0, 20)]), 20);
    }
}
