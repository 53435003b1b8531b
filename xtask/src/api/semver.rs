use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{cargo::cargo, metadata::Metadata};

/// Compares the published crates with the last release, and returns whether they are compatible with it, as far as that can be
/// told here.
pub(super) fn check(root: &Path) -> Result<bool> {
    let Some(release) = last_release(root)? else {
        println!("semver: there is no release yet to be compatible with");
        return Ok(true);
    };
    if which::which("cargo-semver-checks").is_err() {
        println!("semver: not compared with {release}: `cargo install cargo-semver-checks --locked`");
        return Ok(true);
    }
    let mut command = cargo(root, ["semver-checks", "--all-features", "--baseline-rev", &release]);
    for package in Metadata::read(root)?.published() {
        command.args(["--package", package.name()]);
    }
    Ok(command.status().context("cargo could not be run")?.success())
}

/// The tag of the last release.
fn last_release(root: &Path) -> Result<Option<String>> {
    let tags = Command::new("git")
        .args(["tag", "--list", "v[0-9]*", "--sort=-version:refname"])
        .current_dir(root)
        .output()
        .context("git could not be run")?;
    let tags = String::from_utf8_lossy(&tags.stdout);
    Ok(tags.lines().next().map(str::to_owned))
}
