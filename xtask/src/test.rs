//! `cargo xtask test`: every check of the repository.

use std::{num::NonZero, path::Path, process::ExitCode, thread};

use anyhow::Result;

use crate::{
    api, book,
    cargo::cargo,
    counts, deny, docs,
    metadata::Metadata,
    monitoring, package, rustdoc, setup,
    steps::{Steps, execute},
};

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
    steps.run("documentation", || execute(&mut rustdoc::command(root)?));
    book::check(root, &mut steps);
    monitoring::check(root, &mut steps);
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
        let mut command = cargo(root, ["clippy"]);
        steps.command(name, command.args(of).args(["--", "-D", "warnings"]));
    };
    clippy("lints", &["--workspace", "--all-targets", "--all-features"]);
    // With fewer features the crates that have some, as their users compile them: without what the rest of the workspace wants
    // of the crates below, and without the tests, which were looked at above.
    match Metadata::read(root) {
        Ok(metadata) => {
            let published = metadata.published();
            let packages: Vec<_> = published
                .iter()
                .flat_map(|package| ["--package", package.name()])
                .collect();
            clippy("lints, default features", &packages);
            clippy(
                "lints, no features",
                &[&packages[..], &["--no-default-features"]].concat(),
            );
        }
        Err(error) => steps.run("lints, other features", || Err(error)),
    }
}

fn tests(root: &Path, steps: &mut Steps) {
    let what = ["--workspace", "--all-targets", "--all-features", "--no-fail-fast"];
    if which::which("cargo-nextest").is_err() {
        return steps.command("tests", cargo(root, ["test"]).args(what));
    }
    // Most tests wait more than they compute; `.config/nextest.toml` has those that do not.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let at_once = (2 * cores).to_string();
    let mut command = cargo(root, ["nextest", "run"]);
    steps.command("tests", command.args(what).args(["--test-threads", &at_once]));
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
