//! `cargo xtask consistency`, `faults`, `soak` and `bounds`: builds `trials`, a program of its own, and runs it.

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;

use crate::cargo::{cargo, code};

/// What is passed on.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// As `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

/// Builds and runs; the code is that of the trial.
///
/// # Errors
///
/// If cargo cannot be run.
pub(crate) fn run(root: &Path, trial: &str, options: &Options) -> Result<ExitCode> {
    let mut command = cargo(root, ["run", "--quiet", "--package", "trials", "--", trial]);
    Ok(code(command.args(&options.options).status()?))
}
