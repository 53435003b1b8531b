use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use cache_testkit::oracle::Moment;
use fastrand::Rng;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    commits::{Commit, Ledger, Troubles},
    database::{Observer, Server},
    faults::{self, Scene},
    node::Orders,
    report,
    writer::{Office, Writer},
};
use crate::{
    consistency::{
        faults::Log,
        fleet::Fleet,
        node::Note,
        options::{Database, Near, Options, name_of},
    },
    lab::{runtime, servers::Servers},
};

/// How many programs write.
const WRITERS: usize = 4;

/// When the writers have stopped, all changes are relayed within this.
const CONVERGENCE: Duration = Duration::from_secs(30);

/// The staleness bound of the near caches, which is the default.
const NEAR_MAX_STALENESS: Duration = Duration::from_secs(1);

const POLL: Duration = Duration::from_millis(5);

/// Lets programs write and things go wrong, and judges what the nodes read.
///
/// # Errors
///
/// If the run could not be made, or if changes are not relayed when everything is mended.
pub(in crate::consistency) fn run(options: &Options) -> Result<ExitCode> {
    sqlx::any::install_default_drivers();
    let ran = runtime::run(experiment(options))?;
    Ok(report::judge(options, &ran))
}

/// What there is to judge after a run.
pub(super) struct Ran {
    pub(super) notes: Vec<Note>,
    pub(super) ledger: Ledger,
    /// What is in the database in the end, and when every read was to show it.
    pub(super) last: Commit,
    pub(super) log: Log,
    pub(super) troubles: Troubles,
}

/// How long after a commit an old row may be read in this run.
pub(super) fn allowed(options: &Options) -> Duration {
    options.lag() + near_staleness(options)
}

/// How old what is near may be.
fn near_staleness(options: &Options) -> Duration {
    if options.near == Near::Tracked {
        NEAR_MAX_STALENESS
    } else {
        Duration::ZERO
    }
}

async fn experiment(options: &Options) -> Result<Ran> {
    let server = Server::start(options).await?;
    let mut servers = Servers::start(&[], options.nodes, false).await?;
    let folder = tempfile::tempdir().context("a folder for orders")?;
    let orders = Orders::in_folder(folder.path());
    let fleet = start_fleet(options, &server, &servers, folder.path().display().to_string()).await?;
    let office = Arc::new(Office::new(server.url(), server.dialect().await?));
    let (stop, stopping) = watch::channel(false);
    let mut random = Rng::with_seed(options.seed);
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        writers.spawn(Writer::new(Arc::clone(&office), random.fork()).run(stopping.clone()));
    }
    let scene = Scene {
        server: &server,
        servers: &mut servers,
        fleet: &fleet,
        orders: &orders,
    };
    let (log, troubles) = tokio::select! {
        ran = faults::run(options, scene) => ran?,
        Some(writer) = writers.join_next() => {
            writer.context("a writer panicked")??;
            bail!("a writer has ended before its time");
        }
    };
    stop.send_replace(true);
    while let Some(writer) = writers.join_next().await {
        writer.context("a writer panicked")??;
    }
    let last = converged(&server, options.database()).await?;
    sleep(near_staleness(options)).await;
    let at = Moment::now();
    let notes = fleet.finish().await?;
    drop(stopping);
    Ok(Ran {
        notes,
        ledger: Arc::into_inner(office).context("all writers have ended")?.ledger,
        last: Commit { at, ..last },
        log,
        troubles,
    })
}

async fn start_fleet(options: &Options, server: &Server, servers: &Servers, orders: String) -> Result<Fleet> {
    let ways = servers.ways().to_vec();
    let redis: Vec<SocketAddr> = ways.iter().map(|way| way.address()).collect();
    let (options, urls, url) = (options.clone(), server.urls(), server.url());
    Fleet::start(ways, move |number, seat| {
        vec![
            "consistency-follower".to_owned(),
            format!("--node={number}"),
            format!("--seed={}", options.seed),
            format!("--database={}", name_of(&options.database())),
            format!("--url={}", urls.get(seat).unwrap_or(&url)),
            format!("--redis={}", redis[seat]),
            format!("--protocol={}", name_of(&options.protocol)),
            format!("--near={}", name_of(&options.near)),
            format!("--orders={orders}"),
        ]
    })
    .await
}

/// Waits until no change is left, and returns what every read is to show from then on.
async fn converged(server: &Server, database: Database) -> Result<Commit> {
    let mut observer = Observer::new(server.url(), database);
    let until = Instant::now() + CONVERGENCE;
    loop {
        let waiting = observer.waiting().await;
        if matches!(waiting, Ok(0)) {
            break;
        }
        ensure!(
            Instant::now() < until,
            "changes are left in the outbox {CONVERGENCE:?} after the last was made: {waiting:?}"
        );
        sleep(POLL).await;
    }
    Ok(Commit {
        at: Moment::now(),
        versions: observer.versions().await?,
    })
}
