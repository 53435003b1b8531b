//! How soon an invalidation in one process is known in another one, which keeps values by what Redis reports.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use cache_runtime::{Cache, cached, store::RedisConfig, with_cache};
use cache_testkit::{PATIENCE, RedisServer, reaching};
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client, ConnectionInfo, aio::MultiplexedConnection};
use tokio::{runtime::Runtime, task::yield_now};

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, patient, say},
    contestants::without_delay,
    figure::{Figure, Must, OURS, Series, Unit},
    measure::{Contender, interleaved, nanoseconds},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "reach",
    title: "From an invalidation in one process to the value that another one no longer uses",
    run,
};

/// How often in a round.
const TIMES: usize = 200;

/// The key of the bare push.
const KEY: &str = "bare:value";

/// The stamp of what is cached.
const STAMP: &str = "cachestamp:default:reached";

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(resource = "reached", near = "tracked")]
async fn reached() -> u64 {
    LOADS.fetch_add(1, Ordering::Relaxed) + 1
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    say("reach");
    let server = RedisServer::start()?;
    let mut ours = Near::connect(&server, invalidation)?;
    let mut reader = Near::connect(&server, |server| removal(server, STAMP))?;
    let mut bare = Push::connect(&server)?;
    let [mut of_ours, mut of_reader, mut of_bare] = [const { Percentiles::new() }; 3];
    interleaved(
        bench.rounds(),
        &mut [
            Contender::new(OURS, || of_ours.add(|| ours.lap())),
            Contender::new("a bare removal of the stamp", || of_reader.add(|| reader.lap())),
            Contender::new("a tracking push", || of_bare.add(|| bare.lap())),
        ],
    )?;
    ours.close();
    reader.close();
    let figure = |name: &str, ours: &[f64], bare: &[f64]| {
        let series = |name: &str, samples: &[f64]| Series {
            name: name.to_owned(),
            samples: samples.to_vec(),
        };
        Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, series(OURS, ours))
            .against(series("a tracking push", bare))
    };
    Ok(vec![
        figure("p50", &of_ours.p50, &of_bare.p50).must(Must::RatioAtMost(1.3)),
        figure("p99", &of_ours.p99, &of_bare.p99),
        figure("p50, of a bare removal of the stamp", &of_reader.p50, &of_bare.p50),
    ])
}

/// Percentiles, one of each a round.
struct Percentiles {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Percentiles {
    const fn new() -> Self {
        Self {
            p50: Vec::new(),
            p99: Vec::new(),
        }
    }

    /// Adds a round, and returns its median.
    fn add(&mut self, mut lap: impl FnMut() -> Result<f64>) -> Result<f64> {
        let mut times = (0..TIMES).map(|_| lap()).collect::<Result<Vec<f64>>>()?;
        times.sort_by(f64::total_cmp);
        let at = |percent: usize| times[times.len() * percent / 100];
        self.p50.push(at(50));
        self.p99.push(at(99));
        Ok(at(50))
    }
}

/// Writes once.
type Write = Box<dyn FnMut() -> Result<()>>;

/// Where a server is reached.
struct Addresses {
    url: String,
    without_delay: ConnectionInfo,
}

impl Addresses {
    fn of(server: &RedisServer) -> Result<Self> {
        Ok(Self {
            url: server.url().to_owned(),
            without_delay: without_delay(server)?,
        })
    }
}

/// Another process, as far as anybody can see: a thread with a runtime and connections of its own, which writes when it is told to.
struct Writer {
    told: SyncSender<()>,
    began: Receiver<Instant>,
}

impl Writer {
    /// `make` makes what writes, on the thread.
    fn start(make: impl FnOnce() -> Result<Write> + Send + 'static) -> Self {
        let (told, orders) = sync_channel(0);
        let (say, began) = sync_channel(1);
        thread::spawn(move || {
            let mut write = make()?;
            while orders.recv().is_ok() {
                // Before the write, because its effect may be there before it returns.
                say.send(Instant::now())?;
                write()?;
            }
            anyhow::Ok(())
        });
        Self { told, began }
    }

    /// When the next write has begun.
    fn write(&self) -> Result<Instant> {
        self.told.send(()).context("the writer is gone")?;
        self.began.recv().context("the writer is gone")
    }
}

/// What invalidates as a service does.
fn invalidation(server: &Addresses) -> Result<Write> {
    let runtime = one_thread()?;
    let cache = patient().sweep(false).redis(RedisConfig::new(&server.url)?).build();
    ensure!(runtime.block_on(cache.ready(PATIENCE)), "the server is not reached");
    Ok(Box::new(move || {
        runtime.block_on(async { cache.invalidate("reached").await })?;
        Ok(())
    }))
}

/// What removes a key, and is nothing else.
fn removal(server: &Addresses, key: &'static str) -> Result<Write> {
    let runtime = one_thread()?;
    let client = Client::open(server.without_delay.clone())?;
    let mut connection = runtime.block_on(client.get_multiplexed_async_connection())?;
    Ok(Box::new(move || Ok(runtime.block_on(connection.unlink(key))?)))
}

/// A near value, and another process that invalidates it.
struct Near {
    runtime: Runtime,
    cache: Cache,
    writer: Writer,
}

impl Near {
    /// `write` makes what invalidates it.
    fn connect(server: &RedisServer, write: fn(&Addresses) -> Result<Write>) -> Result<Self> {
        let runtime = one_thread()?;
        let cache = runtime.block_on(reaching(server, patient().sweep(false)));
        let addresses = Addresses::of(server)?;
        let writer = Writer::start(move || write(&addresses));
        Ok(Self { runtime, cache, writer })
    }

    fn lap(&mut self) -> Result<f64> {
        let Self { runtime, cache, writer } = self;
        runtime.block_on(with_cache(cache.clone(), async {
            let loads = || LOADS.load(Ordering::Relaxed);
            // Loaded, and kept.
            let mut before = loads();
            while {
                reached().await;
                loads() != before
            } {
                before = loads();
            }
            let began = writer.write()?;
            loop {
                let asked = Instant::now();
                reached().await;
                if loads() != before {
                    return Ok(nanoseconds(asked.saturating_duration_since(began)));
                }
                yield_now().await;
            }
        }))
    }

    fn close(self) {
        self.runtime.block_on(self.cache.close());
    }
}

/// A connection that is told of a key, and another one that removes it.
struct Push {
    runtime: Runtime,
    connection: MultiplexedConnection,
    is_told: Arc<AtomicBool>,
    writer: Writer,
}

impl Push {
    fn connect(server: &RedisServer) -> Result<Self> {
        let runtime = one_thread()?;
        let is_told = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&is_told);
        let push = move |_| {
            tell.store(true, Ordering::Relaxed);
            Ok::<_, redis::aio::SendError>(())
        };
        let client = Client::open(format!("{}?protocol=resp3", server.url()))?;
        let config = AsyncConnectionConfig::new().set_push_sender(push);
        let mut connection = runtime.block_on(client.get_multiplexed_async_connection_with_config(&config))?;
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg(&["TRACKING", "ON", "BCAST", "NOLOOP", "PREFIX", KEY]);
        runtime.block_on(tracking.exec_async(&mut connection))?;
        let addresses = Addresses::of(server)?;
        let writer = Writer::start(move || removal(&addresses, KEY));
        Ok(Self {
            runtime,
            connection,
            is_told,
            writer,
        })
    }

    fn lap(&mut self) -> Result<f64> {
        self.runtime.block_on(async {
            // It is not told of what it does itself.
            let () = self.connection.set(KEY, "value").await?;
            self.is_told.store(false, Ordering::Relaxed);
            let began = self.writer.write()?;
            loop {
                let asked = Instant::now();
                if self.is_told.load(Ordering::Relaxed) {
                    return Ok(nanoseconds(asked.saturating_duration_since(began)));
                }
                yield_now().await;
            }
        })
    }
}
