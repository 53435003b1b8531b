//! The repository's own commands. Run one with `cargo xtask <command>`.

mod bench;
mod bounds;
mod cargo;
mod consistency;
mod counts;
mod docs;
mod faults;
mod features;
mod fuzz;
mod links;
mod process;
mod raw;
mod reach;
mod runtime;
mod servers;
mod setup;
mod soak;
mod steps;
mod strike;
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
    /// Install what the tests need and this machine lacks: a Redis or Valkey server, and valgrind.
    Setup,
    /// Run every check of the repository: formatting, lints, tests, doc tests, documentation, instructions, dependencies.
    Test,
    /// Prove that no old value is served: several processes, real Redis servers, faults, and an oracle.
    ///
    /// Exits 1 if a read was given what docs/guarantees.md says it is not. docs/consistency.md has the details.
    Consistency(consistency::Options),
    /// Measure what caching costs, beside raw Redis and beside the peers: `--quick`, `--json FILE`, `--only NAME`, `--list`.
    ///
    /// Everything is a ratio of what was measured in one run. Exits 1 if one is not what it must be, and names it. With
    /// `--check` as its first option it measures nothing: it runs clippy on the benchmarks, and their tests.
    #[command(disable_help_flag = true)]
    Bench(bench::Options),
    /// Prove that memory is bounded: a near cache and a journal under more than they hold, for minutes.
    ///
    /// Prints the figures every ten seconds, and exits 1 if one leaves its bound.
    Bounds(bounds::Options),
    /// Count the instructions of what happens on every call, and compare them with counts/committed.json.
    ///
    /// Needs valgrind, which `setup` installs. Exits 1 if something takes more than 5 % more than is committed.
    Counts(counts::Options),
    /// Look for input that makes a parser or a decoder panic, or what it promises untrue: fuzzing, one target after the other.
    ///
    /// Needs a C++ compiler, for the fuzzing engine, and no nightly Rust. Installs cargo-fuzz if it is missing. Exits 1 if
    /// something was found; it is then in fuzz/artifacts.
    Fuzz(fuzz::Options),
    /// Let everything go wrong with Redis that can, under load, and measure what callers of a service notice of it.
    ///
    /// Exits 1 if a caller saw an error or an old value, or if caching did not resume in time. docs/resilience.md has the
    /// details.
    Faults(faults::Options),
    /// Keep a service under random faults and too many callers for long, and see whether anything grows, leaks or stays slow.
    ///
    /// Prints the figures every ten seconds, and exits 1 if memory, open files or tasks grow, if a lone caller is slower
    /// after than before, or if a caller saw an error or an old value. docs/resilience.md has the details.
    Soak(soak::Options),
    /// One process of a run of `consistency`.
    #[command(hide = true)]
    ConsistencyNode(consistency::NodeOptions),
    /// The process that a run of `soak` is about.
    #[command(hide = true)]
    SoakNode(soak::NodeOptions),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Setup => setup::run().map(|()| ExitCode::SUCCESS),
        Command::Test => Ok(test::run(&root())),
        Command::Bench(options) => bench::run(&root(), &options),
        Command::Bounds(options) => bounds::run(&options),
        Command::Consistency(options) => consistency::run(&options),
        Command::Counts(options) => counts::run(&root(), &options),
        Command::Fuzz(options) => fuzz::run(&root(), &options).map(|()| ExitCode::SUCCESS),
        Command::Faults(options) => faults::run(&root(), &options),
        Command::Soak(options) => soak::run(&options),
        Command::ConsistencyNode(options) => consistency::run_node(&options).map(|()| ExitCode::SUCCESS),
        Command::SoakNode(options) => soak::run_node(&options).map(|()| ExitCode::SUCCESS),
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
