//! `cargo xtask bench`: builds the benchmarks, which are a workspace of their own, and runs them.

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use crate::{cargo::cargo, setup};

/// What is passed on.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// As `cargo xtask bench -- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

/// Builds and runs; the code is that of the benchmarks.
///
/// # Errors
///
/// If there is no Redis server and none can be installed, or if the benchmarks cannot be built or run.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    setup::run()?;
    let mut build = cargo(
        root,
        ["build", "--release", "--locked", "--manifest-path", "bench/Cargo.toml"],
    );
    if !build.status()?.success() {
        bail!("the benchmarks could not be built");
    }
    let mut run = cargo(
        root,
        [
            "run",
            "--quiet",
            "--release",
            "--locked",
            "--manifest-path",
            "bench/Cargo.toml",
            "--",
        ],
    );
    let status = run.args(&options.options).status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
