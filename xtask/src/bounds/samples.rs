use std::{fs, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use cache_runtime::Stats;

use super::{JOURNAL_LINES, NEAR_CAPACITY};

/// How much more memory the last third of a run may take than the one before: what is bounded has reached its bounds by then.
const GROWTH: f64 = 1.25;

/// With fewer samples than this, a minute's, growth says nothing.
const ENOUGH: usize = 240;

/// What was seen of the process.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    near_entries: u64,
    near_bytes: u64,
    lines: u64,
    /// Resident memory, in KiB.
    resident: u64,
}

impl Samples {
    pub(super) fn take(&mut self, stats: &Stats) -> Result<()> {
        self.0.push(Sample {
            near_entries: stats.near_entries,
            near_bytes: stats.near_bytes,
            lines: stats.pending_invalidations,
            resident: resident()?,
        });
        Ok(())
    }

    pub(super) fn print_last(&self, after: Duration) {
        if let Some(Sample {
            near_entries,
            near_bytes,
            lines,
            resident,
        }) = self.0.last()
        {
            println!(
                "{:4} s: near_entries={near_entries} near_bytes={near_bytes} pending_invalidations={lines} resident_kib={resident}",
                after.as_secs()
            );
        }
    }

    /// Prints the greatest figures as the last line, and whether they are within the bounds.
    pub(super) fn judge(&self) -> ExitCode {
        let max = |figure: fn(&Sample) -> u64| self.0.iter().map(figure).max().unwrap_or_default();
        let near_bytes = max(|sample| sample.near_bytes);
        let lines = max(|sample| sample.lines);
        let third = self.0.len() / 3;
        let resident = |part: &[Sample]| part.iter().map(|sample| sample.resident).max().unwrap_or_default();
        let (middle, last) = (resident(&self.0[third..2 * third]), resident(&self.0[2 * third..]));
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio of kibibytes needs no more than 52 bits"
        )]
        let growth = last as f64 / middle as f64;

        let mut kept = true;
        let mut check = |holds: bool, what: &str| {
            if !holds {
                println!("BROKEN: {what}");
                kept = false;
            }
        };
        check(
            near_bytes <= NEAR_CAPACITY,
            "the near cache takes more than its capacity",
        );
        check(lines <= JOURNAL_LINES, "the journal has more lines than its limit");
        // A short run has hardly reached its bounds in its last third.
        check(
            growth <= GROWTH || self.0.len() < ENOUGH,
            "the process's memory goes on growing",
        );
        let pressed = near_bytes > NEAR_CAPACITY / 10 * 9 && lines > JOURNAL_LINES / 2;
        check(
            pressed,
            "this run proves nothing: near cache and journal must come close to their bounds",
        );
        println!(
            "near_entries={} near_bytes={near_bytes} of {NEAR_CAPACITY} pending_invalidations={lines} of {JOURNAL_LINES} \
             resident_kib={last} growth={growth:.2}",
            max(|sample| sample.near_entries),
        );
        if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// This process's resident memory in KiB, as Linux tells it.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("memory can be watched on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok())
        .context("/proc/self/status has no VmRSS")
}
