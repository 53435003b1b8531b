//! The command line.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help, which shows backticks as they are"
)]

use std::net::SocketAddr;

use cache_runtime::commands::CacheCommand;
use clap::{Args, Parser, Subcommand};

use crate::{db::Target, user::Role};

/// An accounting service with cached dashboards.
///
/// Without a command: the demo, and then the service, until Ctrl-C. With REDIS_URL set, results are kept in that Redis,
/// and otherwise in the process. With JWT_SECRET set, requests may carry a token that names their tenant.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What all commands share.
    #[command(flatten)]
    pub options: Options,
}

/// Options of all commands.
#[derive(Debug, Args)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, global = true, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// An SQLite file, made when it does not exist, or a URL: sqlite://..., postgres://...
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "invoicing.db",
        value_name = "PATH OR URL"
    )]
    pub database: Target,
    /// Companies of the tenant `default`: 5, or as many as the database has. Another number makes the data anew.
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=1000), value_name = "COUNT")]
    pub companies: Option<u32>,
    /// Invoices of the tenant `default`: 400000, or as many as the database has. Another number makes the data anew.
    /// The tenants client-a and client-b have two companies and a twentieth of the invoices each.
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=20_000_000), value_name = "COUNT")]
    pub invoices: Option<u32>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until Ctrl-C.
    Serve,
    /// Measure the service without and with the cache; fails when a promise is missed.
    Demo(Demo),
    /// Make the data, and nothing else.
    Prepare,
    /// Look at the cache, and mend it.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Print a token for trying the service as somebody else; needs JWT_SECRET.
    Token(Token),
}

/// Options of the demo.
#[derive(Debug, Default, Args)]
pub struct Demo {
    /// Use a redis-server of the demo's own, kill it half-way and start it again.
    #[arg(long)]
    pub spawn_redis: bool,
}

/// What a token is to say.
#[derive(Debug, Args)]
pub struct Token {
    /// The tenant: default, client-a or client-b.
    #[arg(long, default_value = "client-a")]
    pub tenant: String,
    /// The user's name.
    #[arg(long, default_value = "ana")]
    pub user: String,
    /// What the user may do.
    #[arg(long, value_enum, default_value = "accountant")]
    pub role: Role,
    /// The only companies the user may see, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub companies: Option<Vec<i64>>,
    /// How many hours the token is good for.
    #[arg(long, default_value_t = 8)]
    pub hours: u64,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
