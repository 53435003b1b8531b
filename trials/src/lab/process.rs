//! What Linux tells of a process: its memory and its open files.

use std::fs;

use anyhow::{Context as _, Result};

/// The id that stands for the process that asks.
pub(crate) const THIS: &str = "self";

/// How much the memory of a process may grow, as [`growth`] measures it.
pub(crate) const GROWTH: f64 = 1.25;

/// The memory that a process has now, in KiB.
pub(crate) fn resident(process: &str) -> Result<u64> {
    memory(process, "VmRSS:")
}

/// The most memory that a process has had at once, in KiB.
pub(crate) fn peak(process: &str) -> Result<u64> {
    memory(process, "VmHWM:")
}

/// How many files a process has open, its connections among them.
pub(crate) fn files(process: &str) -> Result<u64> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).context("open files are counted on Linux only")?;
    Ok(open.count() as u64)
}

fn memory(process: &str, field: &str) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).context("memory can be watched on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok())
        .with_context(|| format!("/proc/{process}/status has no {field}"))
}

/// How much greater the greatest figure of the last third of a run is than that of the third before: what is bounded has
/// reached its bounds by then.
#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 52 bits")]
pub(crate) fn growth(figures: &[u64]) -> f64 {
    let third = figures.len() / 3;
    let greatest = |part: &[u64]| part.iter().max().copied().unwrap_or_default();
    greatest(&figures[2 * third..]) as f64 / greatest(&figures[third..2 * third]) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_open_files() {
        let (resident, files) = (resident(THIS).unwrap(), files(THIS).unwrap());
        assert!(resident > 0 && resident <= peak(THIS).unwrap());
        assert!(files > 0);
    }

    #[test]
    fn growth_is_that_of_the_last_third_over_the_middle_one() {
        let grows = [1, 2, 10, 20, 20, 30];
        assert!((growth(&grows) - 1.5).abs() < 1e-9, "{}", growth(&grows));
        assert!(growth(&[9, 9, 4, 4, 4, 4]) <= 1.0);
    }
}
