//! `cargo xtask test`: every check of the repository.

use std::{path::Path, process::ExitCode};

use anyhow::Result;

use crate::{api, cargo::cargo, counts, deny, docs, package, rustdoc, setup, steps::Steps};

/// Runs every check, the quick ones first, and reports all that failed at the end.
pub(crate) fn run(root: &Path) -> ExitCode {
    let mut steps = Steps::default();
    steps.run("setup", || setup::run(root));
    steps.command("formatting", &mut cargo(root, ["fmt", "--all", "--check"]));
    // The peers take minutes to build, so that is all the attention that the benchmarks get here: the rest is in
    // `cargo xtask bench --check`.
    steps.command(
        "formatting, benchmarks",
        &mut cargo(root, ["fmt", "--manifest-path", "bench/Cargo.toml", "--check"]),
    );
    steps.run("documents are compiled", || docs::check(root));
    lints(root, &mut steps);
    tests(root, &mut steps);
    steps.command(
        "doc tests",
        &mut cargo(root, ["test", "--workspace", "--doc", "--all-features"]),
    );
    steps.command("documentation", &mut rustdoc::command(root));
    unless_skipped(&mut steps, "public interface", api::reason_to_skip(root), || {
        api::check(root)
    });
    unless_skipped(&mut steps, "instructions", counts::reason_to_skip(root), || {
        counts::check(root)
    });
    steps.run("packages", || package::check(root));
    deny::check(root, &mut steps);
    steps.finish()
}

// The flags of each command stay the same from step to step (no RUSTFLAGS, one profile), so that nothing is built twice.

fn lints(root: &Path, steps: &mut Steps) {
    let mut clippy = |name, of: &[&str]| {
        let mut command = cargo(root, ["clippy", "--workspace"]);
        steps.command(name, command.args(of).args(["--", "-D", "warnings"]));
    };
    clippy("lints", &["--all-targets", "--all-features"]);
    // With fewer features what users compile: the tests are those that were looked at above, and take a minute once more.
    clippy("lints, default features", &[]);
    clippy("lints, no features", &["--no-default-features"]);
}

fn tests(root: &Path, steps: &mut Steps) {
    let nextest = which::which("cargo-nextest").is_ok();
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let mut command = cargo(root, []);
    command
        .args(runner)
        .args(["--workspace", "--all-targets", "--all-features"]);
    steps.command("tests", command.arg("--no-fail-fast"));
}

fn unless_skipped(
    steps: &mut Steps,
    name: &'static str,
    reason: Result<Option<String>>,
    step: impl FnOnce() -> Result<()>,
) {
    match reason {
        Ok(None) => steps.run(name, step),
        Ok(Some(reason)) => steps.skip(name, reason),
        Err(error) => steps.run(name, || Err(error)),
    }
}
