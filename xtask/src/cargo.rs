//! Calls of cargo from within `cargo run`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A cargo command in `root`, with the environment of the user's own shell.
///
/// `cargo run` describes the package it runs in variables such as `CARGO_PKG_NAME`. Build scripts that watch those would
/// be run again, and everything above them rebuilt, each time somebody goes from `cargo test` to `cargo xtask test`.
///
/// What a command of ours builds is mostly built from nothing, where keeping books for the next time makes the workspace's own
/// crates take a sixth longer. So they are not kept, unless the user says so in `CARGO_INCREMENTAL`.
pub(crate) fn cargo<const N: usize>(root: &Path, arguments: [&str; N]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    if env::var_os(INCREMENTAL).is_none() {
        command.env(INCREMENTAL, "0");
    }
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_xtask) {
            command.env_remove(name);
        }
    }
    command
}

const INCREMENTAL: &str = "CARGO_INCREMENTAL";

/// How a program is built.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Profile {
    /// Of the crates that the tests are built of, which have the features that anything in the workspace wants: it need only be
    /// linked.
    Dev,
    /// With the features that it wants itself.
    Release,
}

/// Builds the program of a package of the workspace, which has its name, and returns where cargo has put it.
pub(crate) fn program(root: &Path, package: &str, profile: Profile) -> Result<PathBuf> {
    println!("building {package} ...");
    let mut command = cargo(root, ["build", "--message-format", "json"]);
    match profile {
        // Without examples, of which there are none, cargo does not heed what tests want.
        Profile::Dev => command.args(["--workspace", "--all-features", "--examples", "--bin", package]),
        Profile::Release => command.args(["--release", "--package", package]),
    };
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cargo could not be run")?;
    ensure!(output.status.success(), "{package} does not build");
    let lines = String::from_utf8_lossy(&output.stdout);
    let mut built = lines.lines().filter_map(executable);
    built.next().context("cargo names no program")
}

/// The program of which a line of what cargo says about a build tells, if it does.
fn executable(line: &str) -> Option<PathBuf> {
    let built: Value = serde_json::from_str(line).ok()?;
    built["executable"].as_str().map(PathBuf::from)
}

/// The code with which a command has ended, for this process to end with it, too.
pub(crate) fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn describes_xtask(variable: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
    ]
    .iter()
    .any(|prefix| variable.starts_with(prefix))
}
