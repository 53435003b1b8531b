//! Counting with callgrind, a tool of valgrind: it runs a program on a processor of its own making.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::Counts;

/// How often each thing is done, in two runs. What their difference leaves over of the start of the process, whose hash
/// tables are seeded at random, is spread over as many: less than 0.1 %.
const FEW: u64 = 50;
const MANY: u64 = 550;

pub(super) fn is_installed() -> bool {
    which::which("valgrind").is_ok()
}

/// The instructions that each subject of the program takes when it is done once.
///
/// # Errors
///
/// If valgrind is not installed, or the program does not run under it.
pub(super) fn count(program: &Path) -> Result<Counts> {
    ensure!(is_installed(), "valgrind is not installed: `cargo xtask setup`");
    let subjects = Command::new(program).output().context("the program could not be run")?;
    let subjects = String::from_utf8(subjects.stdout)?;
    subjects
        .lines()
        .map(|subject| {
            let few = collected(program, subject, FEW)?;
            let many = collected(program, subject, MANY)?;
            Ok((subject.to_owned(), many.saturating_sub(few) / (MANY - FEW)))
        })
        .collect()
}

/// The instructions of a whole run.
fn collected(program: &Path, subject: &str, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([subject, &times.to_string()])
        .output()
        .context("valgrind could not be run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{subject} fails under valgrind:\n{said}");
    parse(&said).with_context(|| format!("valgrind does not say what it has counted:\n{said}"))
}

/// Reads `==123== Collected : 456`.
fn parse(said: &str) -> Option<u64> {
    let count = said.lines().find_map(|line| line.split_once("Collected :"))?.1;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_valgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 1331691\n==7== \n==7== I   refs:      1,331,691\n";
        assert_eq!(parse(said), Some(1_331_691));
        assert_eq!(parse("valgrind: failed to start tool"), None);
    }
}
