//! The documentation, as JSON: the lints are those of the pages, and it tells the public interface, too.

use std::{path::Path, process::Command};

use crate::cargo::cargo;

/// Documents the workspace with all its features; warnings are errors. Leaves a file for each crate in `target/doc`.
pub(crate) fn command(root: &Path) -> Command {
    let mut command = cargo(root, ["doc", "--workspace", "--no-deps", "--all-features"]);
    command
        // With the examples, of which there are none, the crates below have the features that tests want of them: those with
        // which they were checked for the lints.
        .args(["--lib", "--bins", "--examples"])
        .env("RUSTDOC", root.join("xtask/rustdoc"))
        .env("RUSTDOCFLAGS", "-D warnings -Z unstable-options --output-format json");
    command
}
