use std::{process::ExitCode, time::Duration};

use tokio::time::Instant;

use super::{
    orders::{Callers, Counts},
    run::AtRest,
};
use crate::lab::process::{GROWTH, growth};

/// How many times as slow as in the beginning a lone caller may be.
const SLOWER: f64 = 2.0;

/// With fewer samples than this, five minutes', growth says nothing: entries, stamps and connections are still coming.
const ENOUGH: usize = 1_200;

/// What was seen of the service.
pub(super) struct Report {
    /// How many callers keep the machine busy.
    served: u32,
    first: AtRest,
    began: Instant,
    printed: Instant,
    /// In KiB.
    resident: Vec<u64>,
    files: Vec<u64>,
    rests: Vec<(AtRest, Duration)>,
    counts: Counts,
    mishaps: u64,
}

impl Report {
    pub(super) fn new(served: u32, first: AtRest) -> Self {
        println!(
            "{served} callers keep the machine busy; with none: tasks={} files={} lone={}",
            first.tasks,
            first.files,
            lone(first)
        );
        Self {
            served,
            first,
            began: Instant::now(),
            printed: Instant::now(),
            resident: Vec::new(),
            files: Vec::new(),
            rests: Vec::new(),
            counts: Counts::default(),
            mishaps: 0,
        }
    }

    pub(super) fn sample(&mut self, resident: u64, files: u64) {
        self.resident.push(resident);
        self.files.push(files);
    }

    pub(super) fn printed_before(&self, ago: Duration) -> bool {
        self.printed.elapsed() >= ago
    }

    pub(super) fn print(&mut self, callers: Callers, counts: &Counts) {
        self.printed = Instant::now();
        println!(
            "{:4} s: callers={} calls={} stale={} errors={} left_alone={} taken_over={} longest_ms={} longest_share={:.2} \
             too_long={} resident_kib={} files={} tasks={} pending_invalidations={}",
            self.began.elapsed().as_secs(),
            callers.count,
            counts.calls,
            counts.stale,
            counts.errors,
            counts.left_alone,
            counts.taken_over,
            counts.longest_ms,
            counts.longest_share,
            counts.too_long,
            self.resident.last().copied().unwrap_or_default(),
            self.files.last().copied().unwrap_or_default(),
            counts.tasks,
            counts.pending_invalidations,
        );
    }

    /// Whether the service is as it was in the beginning.
    pub(super) fn is_recovered(&self, now: AtRest) -> bool {
        now.tasks <= self.first.tasks && now.files <= self.first.files && self.slower(now) <= SLOWER
    }

    /// How many times as slow as in the beginning a lone caller is. Neither a machine that is busier now counts, on which a
    /// bare `GET` is slower, too, nor one that was busier then.
    fn slower(&self, now: AtRest) -> f64 {
        let (Some(first), Some(now)) = (self.first.alone, now.alone) else {
            return f64::INFINITY;
        };
        (now.ratio() / first.ratio()).min(now.cached / first.cached)
    }

    /// Notes what the service was like so long after a phase of too many callers.
    pub(super) fn rest(&mut self, now: AtRest, after: Duration) {
        println!(
            "{:4} s: callers=0 tasks={} files={} lone={} {} {:.1} s",
            self.began.elapsed().as_secs(),
            now.tasks,
            now.files,
            lone(now),
            if self.is_recovered(now) {
                "recovered within"
            } else {
                "NOT RECOVERED after"
            },
            after.as_secs_f64(),
        );
        self.rests.push((now, after));
    }

    pub(super) fn end(&mut self, counts: Counts, mishaps: u64) {
        self.counts = counts;
        self.mishaps = mishaps;
    }

    /// Prints what was broken, and as the last line the figures.
    pub(super) fn judge(&self) -> ExitCode {
        let counts = &self.counts;
        let (growth, broken) = (growth(&self.resident), self.broken());
        for broken in &broken {
            println!("BROKEN: {broken}");
        }
        for problem in &counts.first {
            println!("        {problem}");
        }
        let slower = self
            .rests
            .iter()
            .map(|(rest, _)| self.slower(*rest))
            .fold(0.0, f64::max);
        let slowest = self.rests.iter().map(|(_, after)| *after).max().unwrap_or_default();
        println!(
            "rounds={} faults={} served={} calls={} mutations={} abandoned={} hits={} stale={} errors={} \
             left_alone={} taken_over={} slowest_load_ms={} longest_ms={} longest_share={:.2} too_long={} \
             resident_kib={} growth={growth:.2} files={} tasks={} lone_slower={slower:.2} recovered_within_ms={}",
            self.rests.len(),
            self.mishaps,
            self.served,
            counts.calls,
            counts.mutations,
            counts.abandoned,
            counts.hits,
            counts.stale,
            counts.errors,
            counts.left_alone,
            counts.taken_over,
            counts.slowest_load_ms,
            counts.longest_ms,
            counts.longest_share,
            counts.too_long,
            self.resident.iter().max().copied().unwrap_or_default(),
            self.files.iter().max().copied().unwrap_or_default(),
            self.rests.iter().map(|(rest, _)| rest.tasks).max().unwrap_or_default(),
            slowest.as_millis(),
        );
        if broken.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// What was to hold and does not.
    fn broken(&self) -> Vec<String> {
        let Self {
            first, rests, counts, ..
        } = self;
        let growth = growth(&self.resident);
        let mut broken = Vec::new();
        let mut require = |kept: bool, otherwise: String| {
            if !kept {
                broken.push(otherwise);
            }
        };
        require(counts.errors == 0, format!("{} calls failed", counts.errors));
        require(
            counts.stale == 0,
            format!("{} calls were given old values", counts.stale),
        );
        require(
            counts.too_long == 0,
            format!("{} calls took longer than they may", counts.too_long),
        );
        require(
            growth <= GROWTH || self.resident.len() < ENOUGH,
            format!("the memory of the last third is {growth:.2} times that of the one before"),
        );
        for (round, (rest, after)) in (1..).zip(rests) {
            let missed = format!("{after:.1?} after round {round}");
            require(
                rest.tasks <= first.tasks,
                format!("{missed} {} tasks are there, and were {}", rest.tasks, first.tasks),
            );
            require(
                rest.files <= first.files,
                format!("{missed} {} files are open, and were {}", rest.files, first.files),
            );
            require(
                self.slower(*rest) <= SLOWER,
                format!(
                    "{missed} a lone caller waits {}, and waited {}",
                    lone(*rest),
                    lone(*first)
                ),
            );
        }
        let tried = counts.hits > 0 && counts.mutations > 0 && self.mishaps > 0 && !rests.is_empty();
        require(
            tried && counts.left_alone > 0 && counts.taken_over > 0,
            "this run proves nothing: there must be hits, mutations, faults, and loads that are left alone and taken over"
                .to_owned(),
        );
        broken
    }
}

/// What a lone caller waits.
fn lone(rest: AtRest) -> String {
    rest.alone.map_or_else(
        || "unanswered".to_owned(),
        |alone| format!("{:.0}us,{:.2}x", alone.cached, alone.ratio()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::orders::Alone;

    const FIRST: AtRest = AtRest {
        alone: Some(Alone {
            cached: 200.0,
            bare: 100.0,
        }),
        tasks: 10,
        files: 20,
    };

    fn report(last: AtRest, counts: Counts, resident: Vec<u64>) -> Report {
        let mut report = Report::new(16, FIRST);
        report.resident = resident;
        report.rest(last, Duration::from_secs(1));
        let counts = Counts {
            hits: 1,
            mutations: 1,
            left_alone: 1,
            taken_over: 1,
            ..counts
        };
        report.end(counts, 1);
        report
    }

    fn broken(last: AtRest, counts: Counts, resident: Vec<u64>) -> Vec<String> {
        report(last, counts, resident).broken()
    }

    #[test]
    fn a_service_that_is_as_it_was_on_a_machine_that_is_busier_or_less_busy_has_stood_it() {
        for (cached, bare) in [(700.0, 200.0), (150.0, 30.0)] {
            let now = AtRest {
                alone: Some(Alone { cached, bare }),
                ..FIRST
            };
            assert_eq!(broken(now, Counts::default(), vec![100; ENOUGH]), [""; 0]);
        }
    }

    #[test]
    fn whatever_grows_leaks_or_stays_slow_is_named() {
        let slow = Some(Alone {
            cached: 900.0,
            bare: 200.0,
        });
        for (last, what) in [
            (AtRest { tasks: 11, ..FIRST }, "tasks"),
            (AtRest { files: 21, ..FIRST }, "files"),
            (AtRest { alone: slow, ..FIRST }, "lone caller"),
            (AtRest { alone: None, ..FIRST }, "lone caller"),
        ] {
            let broken = broken(last, Counts::default(), Vec::new());
            assert!(broken.len() == 1 && broken[0].contains(what), "{what}: {broken:?}");
        }
        let growing = (0..ENOUGH as u64).collect();
        assert!(broken(FIRST, Counts::default(), growing)[0].contains("memory"));
    }

    #[test]
    fn what_a_caller_saw_is_named() {
        let none = Counts::default;
        for (counts, what) in [
            (Counts { errors: 1, ..none() }, "failed"),
            (Counts { stale: 1, ..none() }, "old values"),
            (Counts { too_long: 1, ..none() }, "longer than they may"),
        ] {
            assert!(broken(FIRST, counts, Vec::new())[0].contains(what), "{what}");
        }
    }

    #[test]
    fn a_run_without_faults_proves_nothing() {
        let mut report = report(FIRST, Counts::default(), Vec::new());
        report.mishaps = 0;
        assert!(report.broken()[0].contains("proves nothing"));
    }

    #[test]
    fn a_run_in_which_no_load_was_taken_over_proves_nothing() {
        let mut report = report(FIRST, Counts::default(), Vec::new());
        report.counts.taken_over = 0;
        assert!(report.broken()[0].contains("proves nothing"));
    }
}
