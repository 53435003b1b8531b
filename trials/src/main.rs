//! The framework on trial: several processes, real Redis servers, everything that can go wrong, and a judge.
//!
//! ```text
//! consistency/  is an old value ever served?
//! faults/       what do callers of a service notice when Redis fails?
//! soak/         does anything grow, leak or stay slow, however long it goes on?
//! bounds/       does what is bounded stay within its bounds?
//! lab/          what they have in common: servers, faults, and what is seen of a process
//! ```
//!
//! `cargo xtask` has a command for each.

mod bounds;
mod consistency;
mod faults;
mod lab;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The framework on trial.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    trial: Trial,
}

#[derive(Debug, Subcommand)]
enum Trial {
    /// Prove that no old value is served: several processes, real Redis servers, faults, and an oracle.
    ///
    /// Exits 1 if a read was given what docs/guarantees.md says it is not. docs/consistency.md has the details.
    Consistency(consistency::Options),
    /// Prove that memory is bounded: a near cache and a journal under more than they hold, for minutes.
    ///
    /// Prints the figures every ten seconds, and exits 1 if one leaves its bound.
    Bounds(bounds::Options),
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
    /// The same of one with writers that use a database.
    #[command(hide = true)]
    ConsistencyFollower(consistency::FollowerOptions),
    /// The process that a run of `soak` is about.
    #[command(hide = true)]
    SoakNode(soak::NodeOptions),
}

fn main() -> ExitCode {
    let done = match Cli::parse().trial {
        Trial::Bounds(options) => bounds::run(&options),
        Trial::Consistency(options) => consistency::run(&options),
        Trial::Faults(options) => faults::run(&options),
        Trial::Soak(options) => soak::run(&options),
        Trial::ConsistencyNode(options) => consistency::run_node(&options).map(|()| ExitCode::SUCCESS),
        Trial::ConsistencyFollower(options) => consistency::run_follower(&options).map(|()| ExitCode::SUCCESS),
        Trial::SoakNode(options) => soak::run_node(&options).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
