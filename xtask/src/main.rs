//! The repository's own commands. Run one with `cargo xtask <command>`.

mod cargo;
mod docs;
mod features;
mod setup;
mod steps;
mod test;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// The repository's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need and this machine lacks: a Redis or Valkey server.
    Setup,
    /// Run every check of the repository: formatting, lints, tests, doc tests, documentation, dependencies.
    Test,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Setup => setup::run().map(|()| ExitCode::SUCCESS),
        Command::Test => Ok(test::run(&root())),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The workspace's folder.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("xtask is a folder of the workspace").to_owned()
}
