//! What the commands do.
use std::{
    io::Write as _,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use cache_runtime::{
    Cache,
    commands::{CacheCommand, CommandContext},
};
use tokio::net::TcpListener;

use crate::{
    caching,
    cli::{self, Cli, Command, Options},
    db::{self, Books},
    demo,
    http::{self, App, Claims, Tokens},
    services::Services,
};

/// How long a service that starts waits for Redis, if it is to use one.
const REDIS_HEAD_START: Duration = Duration::from_secs(2);

/// Carries out what the command line says.
///
/// # Errors
/// When it cannot be done; a missed promise of the demo is no error but a failing exit code.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let options = &cli.options;
    match cli.command {
        Some(Command::Serve) => {
            let books = open(options).await?;
            serve(options, books).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Demo(demo)) => {
            let books = open(options).await?;
            let code = demo::run(&books, &demo).await?;
            books.db.close().await;
            Ok(code)
        }
        Some(Command::Prepare) => {
            open(options).await?.db.close().await;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Cache(command)) => cache(options, command).await,
        Some(Command::Token(token)) => {
            println!("{}", sign(token)?);
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let books = open(options).await?;
            let code = demo::run(&books, &cli::Demo::default()).await?;
            serve(options, books).await?;
            Ok(code)
        }
    }
}

async fn cache(options: &Options, command: CacheCommand) -> anyhow::Result<ExitCode> {
    let cache = Cache::from_env()?;
    let outbox = options.database.outbox()?;
    let mut context = CommandContext::new(&cache).with_triggers(outbox.triggers());
    Ok(command.run_and_report(&mut context).await)
}

async fn open(options: &Options) -> anyhow::Result<Books> {
    let books = db::open(&options.database, options.companies, options.invoices).await?;
    println!(
        "{}: {} companies, {} invoices, until {}",
        options.database.shown(),
        books.size.companies,
        books.size.invoices,
        books.today
    );
    Ok(books)
}

async fn serve(options: &Options, books: Books) -> anyhow::Result<()> {
    let cache = Cache::from_env()?;
    // Nothing has to wait for Redis. But a change that is made before this process has reached it can be announced to the
    // other processes only afterwards, so it is given a moment.
    if !cache.ready(REDIS_HEAD_START).await {
        tracing::warn!("Redis does not answer; serving without a cache until it does");
    }
    if books.fresh {
        caching::forget_everything(&cache).await?;
    }
    books.outbox.follow(&cache)?;
    let app = App {
        services: Services::new(&books),
        cache: cache.clone(),
        tokens: Arc::new(tokens()),
    };
    let listener = TcpListener::bind(options.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; name another address with --listen",
            options.listen
        )
    })?;
    let address = listener.local_addr()?;
    // Whoever has started it may read one line, and no more: that is no reason not to serve.
    let mut output = std::io::stdout();
    let _ = writeln!(output, "listening on http://{address} (Ctrl-C ends it)");
    let _ = writeln!(output, "the dashboard of its cache: http://{address}/cache");
    http::serve(listener, app, asked_to_stop()).await?;
    // Every request is answered; what they invalidated may still be on its way.
    cache.close().await;
    books.db.close().await;
    Ok(())
}

fn tokens() -> Tokens {
    Tokens::new(
        std::env::var("JWT_SECRET")
            .ok()
            .filter(|secret| !secret.is_empty())
            .as_deref(),
    )
}

fn sign(token: cli::Token) -> anyhow::Result<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    let claims = Claims {
        tenant_id: token.tenant,
        sub: token.user,
        companies: token.companies.map(|companies| companies.into_iter().collect()),
        role: token.role,
        exp: Some(now.as_secs() + token.hours.saturating_mul(3600)),
    };
    Ok(tokens().sign(&claims)?)
}

/// Ends when the user or the system wants the service to end.
async fn asked_to_stop() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C will not end the service");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "SIGTERM will not end the service gracefully");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
