//! The documentation, as JSON: the lints are those of the pages, and it tells the public interface, too.

use std::{path::Path, process::Command};

use anyhow::Result;

use crate::{cargo::cargo, metadata::Metadata};

/// Documents the workspace with all its features; warnings are errors. Leaves a file for each crate in `target/doc`.
///
/// # Errors
///
/// If cargo does not say what there is.
pub(crate) fn command(root: &Path) -> Result<Command> {
    let mut command = cargo(root, ["doc", "--workspace", "--no-deps", "--all-features", "--lib"]);
    // A program beside a library of its name has its pages where the library has them.
    for program in Metadata::read(root)?.bare_programs() {
        command.args(["--bin", program]);
    }
    command
        // Of which there are none; but for them cargo gives the crates below the features that tests want of them, with which
        // they were checked for the lints.
        .arg("--examples")
        .env("RUSTDOC", root.join("xtask/rustdoc"))
        .env("RUSTDOCFLAGS", "-D warnings -Z unstable-options --output-format json");
    Ok(command)
}
