//! `cargo xtask bench`: builds the benchmarks, which are a workspace of their own, and runs them.

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    cargo::{cargo, code},
    setup,
    steps::Steps,
};

/// What is passed on.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Measure nothing, but look at the benchmarks' own code: clippy, and their tests.
    #[arg(long)]
    check: bool,
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
    if options.check {
        return Ok(check(root));
    }
    setup::run(root)?;
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
    Ok(code(run.args(&options.options).status()?))
}

/// What `cargo xtask test` leaves out: the peers take minutes to compile.
fn check(root: &Path) -> ExitCode {
    let mut steps = Steps::default();
    let manifest = ["--locked", "--manifest-path", "bench/Cargo.toml", "--all-targets"];
    let mut lints = cargo(root, ["clippy"]);
    steps.command("lints", lints.args(manifest).args(["--", "-D", "warnings"]));
    steps.command("tests", cargo(root, ["test"]).args(manifest));
    steps.finish()
}
