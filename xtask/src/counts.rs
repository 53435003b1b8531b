//! `cargo xtask counts`: the instructions of what happens on every call, against those that are committed.
//!
//! Times depend on what else the machine is doing; instructions hardly do. They are no measure of speed, but whatever makes
//! them grow deserves a look.

mod committed;
mod comparison;
mod toolchain;
mod valgrind;

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use self::{committed::Committed, comparison::Comparison, toolchain::Toolchain};
use crate::cargo::{Profile, program};

/// Instructions, by what takes them.
type Counts = BTreeMap<String, u64>;

/// What is done with the counts.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Commit to what is counted now: write it to counts/committed.json.
    #[arg(long)]
    update: bool,
}

/// Counts, and compares or commits. The code says whether anything takes more than is committed.
///
/// # Errors
///
/// If nothing could be counted.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let toolchain = Toolchain::here(root)?;
    if options.update {
        let committed = Committed {
            taken_with: toolchain,
            instructions: valgrind::count(&program(root, PACKAGE, Profile::Release)?)?,
        };
        committed.write(root)?;
        for (subject, instructions) in &committed.instructions {
            println!("{subject:<20} {instructions:>10}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let committed = Committed::read(root)?;
    if let Some(difference) = committed.taken_with.difference(&toolchain) {
        println!("{difference}: what follows says little about the code");
    }
    let comparison = compare(root, &committed)?;
    Ok(if comparison.regressions().is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Why the counts cannot be checked on this machine, if they cannot.
///
/// # Errors
///
/// If the committed counts cannot be read.
pub(crate) fn reason_to_skip(root: &Path) -> Result<Option<String>> {
    if !valgrind::is_installed() {
        return Ok(Some(
            "valgrind is not installed, and setup could not install it".to_owned(),
        ));
    }
    let committed = Committed::read(root)?;
    Ok(committed.taken_with.difference(&Toolchain::here(root)?))
}

/// Fails if anything takes more instructions than is committed.
///
/// # Errors
///
/// Names what takes more, and how much.
pub(crate) fn check(root: &Path) -> Result<()> {
    let comparison = compare(root, &Committed::read(root)?)?;
    let regressions = comparison.regressions();
    if regressions.is_empty() {
        return Ok(());
    }
    bail!(
        "{}; if that is what it costs, say why and run `cargo xtask counts --update`",
        regressions.join("; ")
    )
}

/// The package of `counts/`.
const PACKAGE: &str = "cache-counts";

fn compare(root: &Path, committed: &Committed) -> Result<Comparison> {
    let counted = valgrind::count(&program(root, PACKAGE, Profile::Release)?)?;
    let comparison = Comparison::new(&committed.instructions, &counted);
    println!("{comparison}");
    Ok(comparison)
}
