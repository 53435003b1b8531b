use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use cache_runtime::Stats;

use super::Bounds;
use crate::lab::process::{self, GROWTH, growth};

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
            resident: process::resident(process::THIS)?,
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
    pub(super) fn judge(&self, bounds: Bounds) -> ExitCode {
        let Bounds {
            journal_limit,
            near_capacity,
        } = bounds;
        let journal_limit = u64::from(journal_limit);
        let max = |figure: fn(&Sample) -> u64| self.0.iter().map(figure).max().unwrap_or_default();
        let near_bytes = max(|sample| sample.near_bytes);
        let lines = max(|sample| sample.lines);
        let resident: Vec<_> = self.0.iter().map(|sample| sample.resident).collect();
        let growth = growth(&resident);

        let mut kept = true;
        let mut check = |holds: bool, what: &str| {
            if !holds {
                println!("BROKEN: {what}");
                kept = false;
            }
        };
        check(
            near_bytes <= near_capacity,
            "the near cache takes more than its capacity",
        );
        check(lines <= journal_limit, "the journal has more lines than its limit");
        // A short run has hardly reached its bounds in its last third.
        check(
            growth <= GROWTH || self.0.len() < ENOUGH,
            "the process's memory goes on growing",
        );
        let pressed = near_bytes > near_capacity / 10 * 9 && lines > journal_limit / 2;
        check(
            pressed,
            "this run proves nothing: near cache and journal must come close to their bounds",
        );
        println!(
            "near_entries={} near_bytes={near_bytes} of {near_capacity} pending_invalidations={lines} of {journal_limit} \
             resident_kib={} growth={growth:.2}",
            max(|sample| sample.near_entries),
            max(|sample| sample.resident),
        );
        if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
