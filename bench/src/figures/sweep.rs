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
use cache_testkit::{RedisServer, reaching};

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, patient, say},
    figure::{Figure, Must, OURS, Series, Unit},
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

/// The sweep runs for so long, and stands still for so long, in turn. Shorter than the deadline of one of its steps: a step
/// that was under way when it was stopped must not have failed when it goes on.
const WINDOW: Duration = Duration::from_secs(1);

/// How long the first entry may take to go: the sweep gathers invalidations for half a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// One sweep, in turns: it goes on only while its runtime, which has no thread of its own, is driven.
fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = one_thread()?;
    let server = RedisServer::start()?;
    let mut population = Population::found(&runtime, &server)?;
    server.command::<()>(["SET", OTHERS_KEY, &"x".repeat(400)])?;
    say("entries are made");
    population.settle(ENTRIES)?;
    let left = || server.command::<u32>(["DBSIZE"]);

    let goes_on_for = |time| runtime.block_on(async { tokio::time::sleep(time).await });
    let cache = runtime.block_on(reaching(&server, patient()));
    runtime.block_on(cache.invalidate(RESOURCE).into_future())?;
    let (all, started) = (left()?, Instant::now());
    while left()? == all {
        ensure!(started.elapsed() < PATIENCE, "the sweep does not begin");
        goes_on_for(Duration::from_millis(1));
    }

    say("the sweep");
    let (mut during, mut without, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    // As much of it as there is time for. The last window but one may not be full: it does not count.
    for round in 0..if bench.quick { 15 } else { 61 } {
        let mut quiet = || {
            without.push(percentile_99(&server, || thread::sleep(WINDOW))?);
            anyhow::Ok(())
        };
        if round % 2 == 0 {
            quiet()?;
        }
        let (before, started) = (left()?, Instant::now());
        let p99 = percentile_99(&server, || goes_on_for(WINDOW))?;
        let (after, took) = (left()?, started.elapsed());
        if cache.stats().swept > 0 {
            break;
        }
        during.push(p99);
        rates.push(f64::from(before - after) / took.as_secs_f64());
        if round % 2 == 1 {
            quiet()?;
        }
    }
    without.truncate(during.len());
    runtime.block_on(cache.close());

    // A window in which a busy machine let nothing happen says nothing about the whole.
    let moving = rates.iter().filter(|rate| **rate > 0.0);
    let whole = moving.map(|rate| f64::from(ENTRIES) / rate * 1e9).collect();
    let series = |name: &str, samples| Series {
        name: name.to_owned(),
        samples,
    };
    let figure = |name, unit, ours| Figure::new(MEASUREMENT.name, name, unit, ours);
    Ok(vec![
        figure("p99 of others", Unit::Nanoseconds, series("during a sweep", during))
            .against(series("without", without))
            .must(Must::RatioAtMost(1.2)),
        figure("entries swept", Unit::PerSecond, series(OURS, rates)),
        figure("the whole sweep, at that speed", Unit::Nanoseconds, series(OURS, whole)),
    ])
}

const OTHERS_KEY: &str = "others";

/// What the others see while something happens.
fn percentile_99(server: &RedisServer, meanwhile: impl FnOnce()) -> Result<f64> {
    let others = Others::watch(server.url());
    meanwhile();
    let mut latencies = others.latencies()?;
    ensure!(!latencies.is_empty(), "the others have read nothing");
    latencies.sort_by(f64::total_cmp);
    Ok(latencies[latencies.len() * 99 / 100])
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
