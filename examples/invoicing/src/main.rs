//! The program; `invoicing --help` says what it does.
use std::{io, process::ExitCode};

use clap::Parser as _;
use invoicing::{cli::Cli, commands};
use tracing::Level;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // RUST_LOG=debug shows every hit and miss. That some queries take a second is no news here.
    let usual = Targets::new()
        .with_default(Level::WARN)
        .with_target("sqlx::query", Level::ERROR);
    let wanted = std::env::var("RUST_LOG")
        .ok()
        .and_then(|filter| filter.parse::<Targets>().ok());
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry()
        .with(lines)
        .with(wanted.unwrap_or(usual))
        .init();
    commands::run(cli).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
