//! One process of the service under test: it reads rows through cached functions, and relays what others change.

mod rows;
mod steps;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cache_runtime::{
    Cache,
    changes::{PostgresOutbox, Relay, SqliteOutbox},
    store::RedisConfig,
};
use cache_testkit::oracle::{Event, Moment, What};
use clap::Args;
use fastrand::Rng;
use sqlx::any::AnyPoolOptions;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

pub(super) use self::steps::{Orders, Step};
use self::{rows::Rows, steps::Steps};
use super::{
    database::CONNECTIONS_PER_NODE,
    tables::{draw_item, readable},
};
use crate::{
    consistency::{
        node::{Notebook, Pace, Subject, WORKERS, until_told},
        options::{Database, Near, Protocol},
    },
    lab::runtime,
};

/// How many views of everything are cached.
const VIEWS: u32 = 2;

/// How long a load may take, and the wait for a connection in it.
const LOAD_DEADLINE: Duration = Duration::from_secs(5);
const CONNECTION_DEADLINE: Duration = Duration::from_secs(2);

/// How long the database may be away when the run has ended.
const LAST_LOOK: Duration = Duration::from_secs(20);

/// Between two reads that fail.
const AGAIN: Duration = Duration::from_millis(20);

/// The hidden subcommand that makes this process a node.
#[derive(Debug, Args)]
pub(crate) struct FollowerOptions {
    /// The number of this process among all nodes that there have ever been.
    #[arg(long)]
    pub(super) node: u64,
    #[arg(long)]
    pub(super) seed: u64,
    #[arg(long, value_enum)]
    pub(super) database: Database,
    #[arg(long)]
    pub(super) url: String,
    #[arg(long)]
    pub(super) redis: SocketAddr,
    #[arg(long, value_enum)]
    pub(super) protocol: Protocol,
    #[arg(long, value_enum)]
    pub(super) near: Near,
    /// The folder in which it stands when this process is to be killed.
    #[arg(long)]
    pub(super) orders: PathBuf,
}

/// Reads and relays until standard input ends; then everything is read once more.
///
/// # Errors
///
/// If something was read that is somebody else's, or if the database is not there in the end.
pub(crate) fn run(options: &FollowerOptions) -> Result<()> {
    runtime::run_node(serve(options))
}

async fn serve(options: &FollowerOptions) -> Result<()> {
    sqlx::any::install_default_drivers();
    let config = RedisConfig::new(&format!("redis://{}", options.redis)).map_err(anyhow::Error::msg)?;
    let cache = Cache::builder().redis(config).build();
    let _relay = follow(&cache, options)?;
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS_PER_NODE)
        .acquire_timeout(CONNECTION_DEADLINE)
        .connect_lazy(&options.url)?;
    let mut random = Rng::with_seed(options.seed ^ (options.node << 32));
    let (notebook, writing) = Notebook::on_stdout();
    let (stop, stopping) = watch::channel(false);
    let reader = Reader {
        node: options.node,
        cache: cache.clone(),
        rows: Arc::new(Rows::new(pool, options.near, Pace::new(random.fork()))),
        notebook,
    };
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(reader.clone().run(random.fork(), stopping.clone()));
    }
    until_told(workers, &stop).await?;
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        workers.spawn(reader.clone().look_at_everything(worker));
    }
    drop(reader);
    while let Some(worker) = workers.join_next().await {
        worker.context("a worker panicked")??;
    }
    writing.join().ok().context("the notebook's writer panicked")?;
    cache.close().await;
    Ok(())
}

fn follow(cache: &Cache, options: &FollowerOptions) -> Result<Relay> {
    let orders = Orders::in_folder(&options.orders);
    let acknowledges_first = options.protocol == Protocol::AcknowledgeFirst;
    let relay = match options.database {
        Database::Postgres => {
            let outbox = PostgresOutbox::new(options.url.parse()?);
            cache.follow(Steps::new(outbox, orders, acknowledges_first))
        }
        Database::Sqlite => {
            let outbox = SqliteOutbox::new(options.url.parse()?);
            cache.follow(Steps::new(outbox, orders, acknowledges_first))
        }
    };
    Ok(relay.start()?)
}

/// A caller of the service, who makes one read after the other.
#[derive(Clone)]
struct Reader {
    node: u64,
    cache: Cache,
    rows: Arc<Rows>,
    notebook: Notebook,
}

impl Reader {
    async fn run(self, mut random: Rng, stopping: watch::Receiver<bool>) -> Result<()> {
        while !*stopping.borrow() {
            let subject = match random.u8(0..100) {
                0..50 => Subject::Item(draw_item(&mut random)),
                50..85 => Subject::Events(draw_item(&mut random)),
                _ => Subject::Total,
            };
            if self.read(subject, random.u32(0..VIEWS)).await?.is_err() {
                sleep(AGAIN).await;
            }
            sleep(Duration::from_micros(random.u64(0..10_000))).await;
        }
        Ok(())
    }

    /// Reads what there is, by then that of the last commit: of everything the part that is this worker's.
    async fn look_at_everything(self, worker: usize) -> Result<()> {
        let until = Instant::now() + LAST_LOOK;
        for subject in readable().skip(worker).step_by(WORKERS) {
            for view in 0..VIEWS {
                while let Err(cause) = self.read(subject, view).await? {
                    ensure!(Instant::now() < until, "{subject:?} cannot be read in the end: {cause}");
                    sleep(AGAIN).await;
                }
            }
        }
        Ok(())
    }

    /// Writes down what was read. Inside is why nothing was: the database is away.
    async fn read(&self, subject: Subject, view: u32) -> Result<Result<()>> {
        let began = Moment::now();
        let (value, hit) = match self.rows.read(&self.cache, subject, view).await {
            Ok(read) => read,
            Err(cause) => return Ok(Err(cause)),
        };
        ensure!(
            value.subject == subject && value.view == view,
            "a read of {subject:?}, view {view}, was given {value:?}"
        );
        let event = Event {
            node: self.node,
            key: subject,
            began,
            ended: Moment::now(),
            what: What::Read { version: value.version },
        };
        self.notebook.note(event, hit)?;
        Ok(Ok(()))
    }
}
