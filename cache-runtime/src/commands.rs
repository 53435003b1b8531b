//! Commands that a service mounts under its own command line, by [`clap`].
//!
//! ```
//! use cache_runtime::{changes::Triggers, commands::TriggersCommand};
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
//!     /// Print, install, check or remove the triggers that the cache needs in the database.
//!     Triggers(TriggersCommand),
//! }
//!
//! # async fn run(cli: Cli, outbox: &dyn Triggers) -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
//! # Ok(
//! match cli.command {
//!     Command::Triggers(triggers) => triggers.run(outbox, &mut std::io::stdout()).await?,
//! #   Command::Serve => unreachable!(),
//!     // ...
//! }
//! # ) }
//! # Cli::try_parse_from(["service", "triggers", "--check"]).map(drop).unwrap();
//! ```

mod graph;
mod lint;
mod triggers;

pub use self::{
    graph::GraphCommand,
    lint::LintCommand,
    triggers::{CommandError, TriggersCommand},
};
