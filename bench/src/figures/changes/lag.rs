//! From a commit to the end of the stamp that it makes unusable, beside what `NOTIFY` needs to be received.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use sqlx::{
    ConnectOptions as _, Executor as _,
    postgres::{PgConnectOptions, PgConnection, PgListener},
};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::sleep,
};

use super::books::{Books, COMPANIES, INVOICES, ROWS, Relayed};
use crate::{
    bench::{Bench, say},
    figure::{Figure, Must, OURS, Series, Unit},
    measure::{Contender, interleaved, nanoseconds},
};

/// Between two commits, so that whoever has worked for the first sleeps again.
const PAUSE: Duration = Duration::from_millis(2);

const STAMPS: &str = "cachestamp:default:ledgers:company-";

/// The database of the bare notifications: listeners of one database wake one another.
const BARE: &str = "bare";

pub(super) fn figures(bench: Bench, runtime: &Runtime, books: &Books) -> Result<Vec<Figure>> {
    say("lag");
    let commits = if bench.quick { 200 } else { 500 };
    let mut ours = runtime.block_on(Stamps::watch(books))?;
    let mut bare = runtime.block_on(Notifications::watch(books))?;
    let (mut of_stamps, mut of_bare) = (Lags::default(), Lags::default());
    interleaved(
        bench.rounds(),
        &mut [
            Contender::new(OURS, || {
                let laps = runtime.block_on(laps(commits, async |number| ours.lap(number).await))?;
                Ok(of_stamps.add(&laps))
            }),
            Contender::new("NOTIFY", || {
                let laps = runtime.block_on(laps(commits, async |_| bare.lap().await))?;
                Ok(of_bare.add(&laps))
            }),
        ],
    )?;
    runtime.block_on(ours.relayed.end());
    let figure = |name, ours: &[f64], name_of_theirs: &str, theirs: &[f64]| {
        let series = |name: &str, samples: &[f64]| Series {
            name: name.to_owned(),
            samples: samples.to_vec(),
        };
        books
            .figure(name, Unit::Nanoseconds, series(OURS, ours))
            .against(series(name_of_theirs, theirs))
    };
    let received = "NOTIFY sent to received";
    let (stamps, bare) = (&of_stamps, &of_bare);
    let p50 = figure(
        "commit to stamp gone, p50",
        &stamps.returned.p50,
        received,
        &bare.sent.p50,
    );
    let p99 = figure(
        "commit to stamp gone, p99",
        &stamps.returned.p99,
        received,
        &bare.sent.p99,
    );
    let committed = "NOTIFY committed to received";
    Ok(vec![
        books.judged(p50, Must::RatioAtMost(3.0)),
        books.judged(p99, Must::RatioAtMost(10.0)),
        figure(
            "UPDATE sent to stamp gone, p50",
            &stamps.sent.p50,
            received,
            &bare.sent.p50,
        ),
        figure(
            "UPDATE sent to stamp gone, p99",
            &stamps.sent.p99,
            received,
            &bare.sent.p99,
        ),
        figure(
            "commit to stamp gone, p50",
            &stamps.returned.p50,
            committed,
            &bare.returned.p50,
        ),
    ])
}

/// One commit, and when it had its effect.
struct Lap {
    sent: Instant,
    returned: Instant,
    done: Instant,
}

/// Percentiles, one of each a round.
#[derive(Default)]
struct Percentiles {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// How long it takes from a statement that is sent, and from a commit that has returned.
#[derive(Default)]
struct Lags {
    sent: Percentiles,
    returned: Percentiles,
}

impl Lags {
    /// Adds a round, and returns its median.
    fn add(&mut self, laps: &[Lap]) -> f64 {
        let times = |from: fn(&Lap) -> Instant| {
            let times = laps
                .iter()
                .map(|lap| nanoseconds(lap.done.saturating_duration_since(from(lap))));
            times.collect::<Vec<f64>>()
        };
        self.sent.add(times(|lap| lap.sent));
        self.returned.add(times(|lap| lap.returned))
    }
}

impl Percentiles {
    fn add(&mut self, mut times: Vec<f64>) -> f64 {
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[times.len() * percent / 100];
        self.p50.push(at(50));
        self.p99.push(at(99));
        at(50)
    }
}

async fn laps(commits: i64, mut lap: impl AsyncFnMut(i64) -> Result<Lap>) -> Result<Vec<Lap>> {
    let mut laps = Vec::new();
    for number in 0..commits {
        laps.push(lap(number).await?);
        sleep(PAUSE).await;
    }
    Ok(laps)
}

/// Stamps that a relay makes unusable, and a connection to which Redis reports it.
struct Stamps {
    relayed: Relayed,
    writer: PgConnection,
    redis: MultiplexedConnection,
    gone: UnboundedReceiver<Instant>,
}

impl Stamps {
    async fn watch(books: &Books) -> Result<Self> {
        let relayed = books.relayed().await?;
        let (sender, gone) = unbounded_channel();
        // When it is read from the connection, not when somebody gets round to it.
        let report = move |_| sender.send(Instant::now()).map_err(|_| redis::aio::SendError);
        let client = redis::Client::open(format!("{}?protocol=resp3", relayed.redis.url()))?;
        let config = AsyncConnectionConfig::new().set_push_sender(report);
        let mut redis = client.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd("CLIENT")
            .arg(&["TRACKING", "ON", "BCAST", "NOLOOP", "PREFIX", STAMPS])
            .exec_async(&mut redis)
            .await?;
        Ok(Self {
            writer: books.connect().await?,
            relayed,
            redis,
            gone,
        })
    }

    async fn lap(&mut self, number: i64) -> Result<Lap> {
        let id = 1 + number % ROWS;
        let stamp = format!("{STAMPS}{}", id % COMPANIES);
        redis::cmd("SET")
            .arg(stamp)
            .arg("stamp")
            .exec_async(&mut self.redis)
            .await?;
        let relayed = self.relayed.relay.status().relayed;
        let statement = format!("UPDATE {} SET amount = amount + 1 WHERE id = $1", INVOICES.declared);
        let update = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id);
        let sent = Instant::now();
        self.writer.execute(update).await?;
        let returned = Instant::now();
        // A stamp that was removed a second time was so before.
        let done = loop {
            let gone = self.gone.recv().await.context("the connection to Redis is lost")?;
            if gone > sent {
                break gone;
            }
        };
        self.relayed.relay.until(|status| status.relayed > relayed).await;
        Ok(Lap { sent, returned, done })
    }
}

/// Notifications that nobody acts on.
struct Notifications {
    notifier: PgConnection,
    received: UnboundedReceiver<Instant>,
}

impl Notifications {
    async fn watch(books: &Books) -> Result<Self> {
        books.connect().await?.execute("CREATE DATABASE bare").await?;
        let url = books.url(BARE);
        let mut listener = PgListener::connect(&url).await?;
        listener.listen("bare").await?;
        let (sender, received) = unbounded_channel();
        tokio::spawn(async move {
            while listener.recv().await.is_ok() {
                if sender.send(Instant::now()).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            notifier: url.parse::<PgConnectOptions>()?.connect().await?,
            received,
        })
    }

    async fn lap(&mut self) -> Result<Lap> {
        let sent = Instant::now();
        self.notifier
            .execute(sqlx::query("SELECT pg_notify('bare', '')"))
            .await?;
        let returned = Instant::now();
        let done = self.received.recv().await.context("the listener is gone")?;
        Ok(Lap { sent, returned, done })
    }
}
