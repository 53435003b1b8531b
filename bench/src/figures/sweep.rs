//! What a sweep costs the others who use the server: their 99th percentile while it runs, beside theirs without one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use cache_runtime::Cache;
use cache_testkit::{RedisServer, reaching};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, patient, runtime, say},
    figure::{Figure, Must, Series, Unit},
    measure::nanoseconds,
    population::{Population, RESOURCE},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "sweep",
    title: "A sweep of 1,000,000 entries, as others on the server see it: their 99th percentile",
    run,
};

const ENTRIES: u32 = 1_000_000;

/// The others: so many callers, each with a connection of its own, who read a value and think for a while.
const OTHERS: usize = 8;
const THINKING: Duration = Duration::from_micros(500);

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = runtime(1)?;
    let server = RedisServer::start()?;
    let mut population = Population::found(&runtime, &server)?;
    server.command::<()>(["SET", OTHERS_KEY, &"x".repeat(400)])?;
    let cache = runtime.block_on(reaching(&server, patient()));
    let (mut during, mut without, mut lasted) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=if bench.quick { 3 } else { 5 } {
        say(&format!("round {round}"));
        population.settle(ENTRIES)?;
        // As long as the sweep will be, half of it before and half after, so that a machine that slows down does for both.
        let window = Duration::from_secs(if bench.quick { 2 } else { 4 });
        let before = Others::watch(server.url());
        thread::sleep(window);
        let mut quiet = before.latencies()?;
        let (latencies, took) = sweep(&runtime, &server, &cache)?;
        let after = Others::watch(server.url());
        thread::sleep(window);
        quiet.extend(after.latencies()?);
        during.push(percentile_99(latencies));
        without.push(percentile_99(quiet));
        lasted.push(nanoseconds(took));
    }
    runtime.block_on(cache.close());
    let series = |name: &str, samples| Series {
        name: name.to_owned(),
        samples,
    };
    Ok(vec![
        Figure::new(
            MEASUREMENT.name,
            "p99 of others",
            Unit::Nanoseconds,
            series("during a sweep", during),
        )
        .against(series("without", without))
        .must(Must::RatioAtMost(1.2)),
        Figure::new(
            MEASUREMENT.name,
            "the sweep takes",
            Unit::Nanoseconds,
            series("cached", lasted),
        ),
    ])
}

const OTHERS_KEY: &str = "others";

/// Invalidates everything; returns what the others see while it is swept, and for how long that is.
fn sweep(runtime: &Runtime, server: &RedisServer, cache: &Cache) -> Result<(Vec<f64>, Duration)> {
    let swept_before = cache.stats().swept;
    runtime.block_on(cache.invalidate(RESOURCE).into_future())?;
    until(|| Ok(server.command::<u32>(["DBSIZE"])? < ENTRIES))?;
    let (others, started) = (Others::watch(server.url()), Instant::now());
    until(|| Ok(cache.stats().swept - swept_before >= u64::from(ENTRIES)))?;
    let took = started.elapsed();
    Ok((others.latencies()?, took))
}

/// Asks now and then; the pauses are so long that the asking does not show.
fn until(condition: impl Fn() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !condition()? {
        ensure!(started.elapsed() < Duration::from_mins(5), "the sweep does not get on");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn percentile_99(mut latencies: Vec<f64>) -> f64 {
    latencies.sort_by(f64::total_cmp);
    latencies[latencies.len() * 99 / 100]
}

/// Those who use the server, too, on a thread of their own.
struct Others {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<f64>>>,
}

impl Others {
    fn watch(url: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (url, ended) = (url.to_owned(), Arc::clone(&over));
        Self {
            over,
            thread: thread::spawn(move || read_until(&url, &ended)),
        }
    }

    /// How long their reads took.
    fn latencies(self) -> Result<Vec<f64>> {
        self.over.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(latencies) => latencies,
            Err(_) => bail!("the others panicked"),
        }
    }
}

fn read_until(url: &str, over: &Arc<AtomicBool>) -> Result<Vec<f64>> {
    let client = redis::Client::open(url)?;
    one_thread()?.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..OTHERS {
            let mut connection = client.get_multiplexed_async_connection().await?;
            let over = Arc::clone(over);
            tasks.push(tokio::spawn(async move {
                let mut latencies = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    let _: Vec<u8> = redis::cmd("GET").arg(OTHERS_KEY).query_async(&mut connection).await?;
                    latencies.push(nanoseconds(started.elapsed()));
                    tokio::time::sleep(THINKING).await;
                }
                anyhow::Ok(latencies)
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await??);
        }
        Ok(all)
    })
}
