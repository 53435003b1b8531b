//! The program under test.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::cargo::cargo;

/// A line of what cargo says about a build: here, of a program that it has made.
#[derive(Deserialize)]
struct Built {
    executable: Option<PathBuf>,
}

/// Builds the invoicing example, and returns where cargo has put it.
pub(super) fn build(root: &Path) -> Result<PathBuf> {
    println!("building the invoicing example ...");
    let arguments = [
        "build",
        "--release",
        "--package",
        "invoicing",
        "--message-format",
        "json",
    ];
    let output = cargo(root, arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo could not be run")?;
    ensure!(output.status.success(), "the invoicing example does not build");
    let lines = String::from_utf8_lossy(&output.stdout);
    let mut built = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Built>(line).ok());
    built
        .find_map(|built| built.executable)
        .context("cargo names no program")
}
