//! Ten thousand callers of one cold key: how many of them load, and how long all of them take.

use std::{
    io::{BufRead, BufReader, Write as _, stdin, stdout},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cache_runtime::cached;
use cache_testkit::{RedisServer, reaching};
use tokio::{runtime::Runtime, sync::OnceCell};

use super::Measurement;
use crate::{
    bench::{Bench, patient, runtime, say},
    figure::{Figure, Must, OURS, Series, Unit},
    measure::nanoseconds,
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "cold-key",
    title: "10,000 callers of one cold key, a load of 50 ms",
    run,
};

const CALLERS: u32 = 10_000;
const PROCESSES: u32 = 4;
const LOAD: Duration = Duration::from_millis(50);

/// What a process says once it has reached the server.
const READY: &str = "ready";

mod resources {
    // One for each function: those of one resource would have to find out first that their entries are not each other's.
    cache_runtime::resources! {
        totals { ttl = "1m" }
        totals_near { ttl = "1m" }
        totals_of_all { ttl = "1m" }
    }
}

static LOADS: AtomicU32 = AtomicU32::new(0);

async fn load() -> Vec<u64> {
    LOADS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(LOAD).await;
    (0..50).collect()
}

#[cached(resource = resources::totals)]
async fn totals(key: u32) -> Vec<u64> {
    load().await
}

#[cached(resource = resources::totals_near, near = "tracked")]
async fn totals_near(key: u32) -> Vec<u64> {
    load().await
}

#[cached(resource = resources::totals_of_all, lease)]
async fn totals_of_all(key: u32) -> Vec<u64> {
    load().await
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let mut figures = in_one_process(bench, &server)?;
    figures.extend(in_several(bench, &server)?);
    Ok(figures)
}

fn in_one_process(bench: Bench, server: &RedisServer) -> Result<Vec<Figure>> {
    say("one process");
    let runtime = runtime(2)?;
    let cache = runtime.block_on(reaching(server, patient()));
    cache.install();
    let (mut times, mut near, mut by_hand) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bare, mut loads) = (Vec::new(), Vec::new());
    // The first key makes the stamp, which is done once in the life of a resource.
    runtime.block_on(totals(u32::MAX));
    runtime.block_on(totals_near(u32::MAX));
    let add = |times: &mut Vec<f64>, work: &dyn Fn() -> Result<()>| {
        let started = Instant::now();
        work()?;
        times.push(nanoseconds(started.elapsed()));
        anyhow::Ok(())
    };
    for key in numbers(bench) {
        add(&mut bare, &|| {
            runtime.block_on(load());
            Ok(())
        })?;
        LOADS.store(0, Ordering::Relaxed);
        add(&mut times, &|| stampede(&runtime, CALLERS, move || totals(key)))?;
        loads.push(f64::from(LOADS.swap(0, Ordering::Relaxed)));
        add(&mut near, &|| stampede(&runtime, CALLERS, move || totals_near(key)))?;
        loads.push(f64::from(LOADS.load(Ordering::Relaxed)));
        let shared = Arc::new(OnceCell::new());
        add(&mut by_hand, &|| {
            stampede(&runtime, CALLERS, || shared_by_hand(Arc::clone(&shared)))
        })?;
    }
    runtime.block_on(cache.close());
    let answered = |name: &str, times| {
        Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, series(OURS, times))
            .against(series("one load", bare.clone()))
    };
    let beside_once_cell = |name: &str, times| {
        Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, series(OURS, times))
            .against(series("tasks that share a `tokio::sync::OnceCell`", by_hand.clone()))
            .must(Must::RatioAtMost(1.1))
    };
    Ok(vec![
        Figure::new(MEASUREMENT.name, "loads", Unit::Count, series(OURS, loads)).must(Must::EachAtMost(1.0)),
        answered("all answered", times.clone()).must(Must::RatioAtMost(1.2)),
        answered("all answered, `near`", near.clone()),
        answered("10,000 tasks that share a `tokio::sync::OnceCell`", by_hand.clone()),
        beside_once_cell("all answered", times),
        beside_once_cell("all answered, `near`", near),
    ])
}

/// What there is to wait for without a cache: the tasks themselves.
async fn shared_by_hand(shared: Arc<OnceCell<Vec<u64>>>) -> Vec<u64> {
    shared.get_or_init(load).await.clone()
}

fn in_several(bench: Bench, server: &RedisServer) -> Result<Vec<Figure>> {
    say("four processes");
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(Process::start(server)?);
    }
    let (mut times, mut loads) = (Vec::new(), Vec::new());
    for key in numbers(bench) {
        let started = Instant::now();
        for process in &mut processes {
            process.ask_for(key)?;
        }
        let mut loaded = 0;
        for process in &mut processes {
            loaded += process.loads()?;
        }
        times.push(nanoseconds(started.elapsed()));
        loads.push(f64::from(loaded));
    }
    let name = |what| format!("{what}, {PROCESSES} processes, `lease`");
    Ok(vec![
        Figure::new(MEASUREMENT.name, name("loads"), Unit::Count, series(OURS, loads)).must(Must::EachAtMost(1.0)),
        Figure::new(
            MEASUREMENT.name,
            name("all answered"),
            Unit::Nanoseconds,
            series(OURS, times),
        ),
    ])
}

/// A key for each round.
fn numbers(bench: Bench) -> impl Iterator<Item = u32> {
    (0..).take(bench.rounds())
}

fn series(name: &str, samples: Vec<f64>) -> Series {
    Series {
        name: name.to_owned(),
        samples,
    }
}

/// So many calls at once; returns when all are answered.
fn stampede<F>(runtime: &Runtime, callers: u32, call: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Vec<u64>> + Send + 'static,
{
    runtime.block_on(async {
        let calls: Vec<_> = (0..callers).map(|_| tokio::spawn(call())).collect();
        for call in calls {
            ensure!(call.await?.len() == 50, "a caller was given something else");
        }
        Ok(())
    })
}

/// Another process of this program, in which [`process`] runs.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(server: &RedisServer) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--process", server.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .context("the pipes of a process")?;
        let mut process = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        ensure!(process.line()? == READY, "a process does not reach the server");
        Ok(process)
    }

    fn ask_for(&mut self, key: u32) -> Result<()> {
        writeln!(self.input, "{key}")?;
        Ok(())
    }

    /// How often the process has loaded, once its callers have been answered.
    fn loads(&mut self) -> Result<u32> {
        self.line()?.parse().context("a process says something else")
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is lost with it; it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process of several: for each key on its input it is many callers at once, and says how many of them loaded.
pub(crate) fn process(url: &str) -> Result<ExitCode> {
    let runtime = runtime(1)?;
    let config = cache_runtime::store::RedisConfig::new(url)?;
    let cache = runtime.block_on(async { patient().redis(config).build() });
    cache.install();
    ensure!(
        runtime.block_on(cache.ready(Duration::from_secs(10))),
        "{url} is not reached"
    );
    runtime.block_on(totals_of_all(u32::MAX));
    writeln!(stdout(), "{READY}")?;
    for key in stdin().lock().lines() {
        let key = key?.parse()?;
        LOADS.store(0, Ordering::Relaxed);
        stampede(&runtime, CALLERS / PROCESSES, move || totals_of_all(key))?;
        writeln!(stdout(), "{}", LOADS.load(Ordering::Relaxed))?;
    }
    Ok(ExitCode::SUCCESS)
}
