//! Calls of cargo from within `cargo run`.

use std::{env, path::Path, process::Command};

/// A cargo command in `root`, with the environment of the user's own shell.
///
/// `cargo run` describes the package it runs in variables such as `CARGO_PKG_NAME`. Build scripts that watch those would
/// be run again, and everything above them rebuilt, each time somebody goes from `cargo test` to `cargo xtask test`.
pub(crate) fn cargo<const N: usize>(root: &Path, arguments: [&str; N]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_xtask) {
            command.env_remove(name);
        }
    }
    command
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
