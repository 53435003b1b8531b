//! Commands that a service mounts under its own command line, by [`clap`]: what stands in the store, what is wrong with it, and what is
//! to be done about it. [The pages about them](crate::manual::command_line).
//!
//! ```
//! use cache_runtime::{Cache, commands::{CacheCommand, CommandContext}};
//! use clap::{Parser, Subcommand};
//!
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(subcommand)]
//!     command: Command,
//! }
//!
//! #[derive(Subcommand)]
//! enum Command {
//!     /// Serve until Ctrl-C.
//!     Serve,
//!     /// Look at the cache, and mend it.
//!     #[command(subcommand)]
//!     Cache(CacheCommand),
//! }
//!
//! # async fn run(cli: Cli) -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
//! # Ok(
//! match cli.command {
//!     Command::Cache(command) => {
//!         let cache = Cache::from_env()?;
//!         command.run_and_report(&mut CommandContext::new(&cache)).await
//!     }
//! #   Command::Serve => unreachable!(),
//!     // ...
//! }
//! # ) }
//! # Cli::try_parse_from(["service", "cache", "ls", "--tenant", "acme", "--json"]).map(drop).unwrap();
//! ```

mod cachectl;
mod context;
mod doctor;
mod error;
mod format;
mod get;
mod graph;
mod invalidate;
mod lint;
mod ls;
mod output;
mod pages;
mod selection;
mod stats;
mod sweep;
mod tally;
mod top;
mod triggers;
mod watch;

use std::process::ExitCode;

use crate::catalogue::Catalogue;

pub use self::{
    cachectl::cachectl, context::CommandContext, doctor::DoctorCommand, error::CommandError, get::GetCommand,
    graph::GraphCommand, invalidate::InvalidateCommand, lint::LintCommand, ls::LsCommand, stats::StatsCommand,
    sweep::SweepCommand, top::TopCommand, triggers::TriggersCommand, watch::WatchCommand,
};

/// The exit code of a command that could not do what it was to do.
const FAILED: u8 = 2;

/// Look at the cache, and mend it.
#[derive(Debug, Clone, clap::Subcommand)]
#[non_exhaustive]
pub enum CacheCommand {
    /// List entries, or other keys.
    Ls(LsCommand),
    /// Show what stands under a key, and whether a read would take it.
    Get(GetCommand),
    /// Count keys and bytes by resource and tenant.
    Stats(StatsCommand),
    /// Show the calls that are made most, the largest entries, and the resources that take most memory.
    Top(TopCommand),
    /// Make what is cached unusable, for every process.
    Invalidate(InvalidateCommand),
    /// Remove what was invalidated, which gives its memory back.
    Sweep(SweepCommand),
    /// Show invalidations as they happen.
    Watch(WatchCommand),
    /// Find what is wrong with the server, the rights and the data, and how to mend it.
    Doctor(DoctorCommand),
    /// Print what invalidates what, and which functions are answered from it, as a graph.
    Graph(GraphCommand),
    /// Look for what the annotations say that cannot be meant; the exit code is 1 if something is found.
    ///
    /// With --source, functions that write and say nothing of it are looked for in the sources, too.
    Lint(LintCommand),
    /// Print, install, check or remove the triggers that write the database's changes down.
    ///
    /// Without an option the statements are printed, to be put into a migration. They may be run again and again.
    Triggers(TriggersCommand),
}

impl CacheCommand {
    /// Does it, and writes what there is to say. The exit code is 0 if all is well, and 1 if something was found that was looked for:
    /// differences, misconfigurations, nothing under a key.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached, refuses something, or what was asked for makes no sense here. The exit code for that is 2.
    pub async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        match self {
            Self::Ls(ls) => ls.run(context).await,
            Self::Get(get) => get.run(context).await,
            Self::Stats(stats) => stats.run(context).await,
            Self::Top(top) => top.run(context).await,
            Self::Invalidate(invalidate) => invalidate.run(context).await,
            Self::Sweep(sweep) => sweep.run(context).await,
            Self::Watch(watch) => watch.run(context).await,
            Self::Doctor(doctor) => doctor.run(context).await,
            Self::Graph(graph) => {
                graph.run(&Catalogue::of_program(), context.output())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Lint(lint) => lint.run(&Catalogue::of_program(), context.output()),
            Self::Triggers(command) => {
                let triggers = context.triggers()?;
                command.run(triggers, context.output()).await
            }
        }
    }

    /// As [`run`](Self::run), for a `main`: an error is a line on standard error and the exit code 2. That nobody reads on, as behind
    /// `| head`, is none.
    pub async fn run_and_report(&self, context: &mut CommandContext<'_>) -> ExitCode {
        match self.run(context).await {
            Ok(code) => code,
            Err(error) if error.is_end_of_reader() => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(FAILED)
            }
        }
    }
}
