//! `cachectl`: the commands for a Redis of which nothing is known but where it is.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help, which shows backticks as they are"
)]

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

use super::{
    CacheCommand, CommandContext, CommandError, DoctorCommand, FAILED, GetCommand, InvalidateCommand, LsCommand,
    StatsCommand, SweepCommand, TopCommand, WatchCommand,
};
use crate::{Cache, cache::from_env};

/// Look at what cache-runtime keeps in a Redis, and mend it.
///
/// For the Redis of any service: nothing is known of what the service declares. The address, the password and the rest come from the
/// same variables that a service reads: REDIS_URL, REDIS_PASSWORD, CACHE_NAMESPACE, CACHE_SIGNING_KEY.
///
/// Exit codes: 0 all is well; 1 something was found, or nothing where something was looked for; 2 it could not be done.
#[derive(Debug, Parser)]
#[command(name = "cachectl", version)]
struct Cli {
    /// The address: redis://host:6379, redis-cluster://a,b, redis-sentinel://a,b#service; with s for TLS [env: REDIS_URL].
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// The namespace of the keys [env: CACHE_NAMESPACE].
    #[arg(long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
}

impl From<Command> for CacheCommand {
    fn from(command: Command) -> Self {
        match command {
            Command::Ls(command) => Self::Ls(command),
            Command::Get(command) => Self::Get(command),
            Command::Stats(command) => Self::Stats(command),
            Command::Top(command) => Self::Top(command),
            Command::Invalidate(command) => Self::Invalidate(command),
            Command::Sweep(command) => Self::Sweep(command),
            Command::Watch(command) => Self::Watch(command),
            Command::Doctor(command) => Self::Doctor(command),
        }
    }
}

/// The program `cachectl`: reads the command line and the environment, and does what they say.
#[must_use]
pub fn cachectl() -> ExitCode {
    let cli = Cli::parse();
    run(cli).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(FAILED)
    })
}

fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    let Cli {
        url,
        namespace,
        command,
    } = cli;
    let given = |name: &str| match name {
        "REDIS_URL" => url.clone().map(OsString::from),
        "CACHE_NAMESPACE" => namespace.clone().map(OsString::from),
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let builder = from_env(|name| given(name).or_else(|| std::env::var_os(name)))?;
        let cache: Cache = builder.build();
        if url.is_none() && std::env::var_os("REDIS_URL").is_none_or(|url| url.is_empty()) {
            return Err(CommandError::unusable(
                "say where Redis is: --url redis://host:6379, or REDIS_URL",
            ));
        }
        let command = CacheCommand::from(command);
        Ok(command.run_and_report(&mut CommandContext::new(&cache)).await)
    })
}
