//! How things are measured: several contenders one after the other, round after round.

use std::{
    future::Future,
    hint::black_box,
    slice,
    sync::{
        Arc, Barrier,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;

use crate::{
    bench::one_thread,
    figure::{Series, Spread},
    work::{Query, loads},
};

/// One of those who are compared; each call of `measure` yields one sample.
pub(crate) struct Contender<'a> {
    name: &'static str,
    measure: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, measure: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self {
            name,
            measure: Box::new(measure),
        }
    }
}

/// Measures every contender once per round, in turned order in every other round, so that neither a machine that slows down
/// nor whoever is always first has a share in the ratios.
///
/// # Errors
///
/// If a contender fails, or if a body ran: what is compared is hits.
pub(crate) fn interleaved(rounds: usize, contenders: &mut [Contender<'_>]) -> Result<Vec<Series>> {
    let mut all: Vec<Series> = contenders
        .iter()
        .map(|contender| Series {
            name: contender.name.to_owned(),
            samples: Vec::with_capacity(rounds),
        })
        .collect();
    for round in 0..rounds {
        let mut turns: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for turn in turns {
            let contender = &mut contenders[turn];
            let loads_before = loads();
            all[turn].samples.push((contender.measure)()?);
            let missed = loads() - loads_before;
            ensure!(missed == 0, "{}: {missed} calls were no hits", contender.name);
        }
    }
    Ok(all)
}

/// Somebody who asks again and again; tasks that ask at once have a clone each.
pub(crate) trait Contestant: Clone + Send + 'static {
    /// Returns the number of rows.
    fn call(&mut self, query: &Query) -> impl Future<Output = Result<usize>> + Send;
}

/// How many different keys the callers of a figure ask for.
pub(crate) const KEYS: u32 = 1024;

/// The queries of one of several callers: no two of them ask for the same.
fn queries(caller: u32, callers: u32, page_size: u32) -> Vec<Query> {
    let pages = (caller..KEYS).step_by(callers as usize);
    pages.map(|page| Query::new(page, page_size)).collect()
}

/// Asks for every key once, so that from here on every call is a hit.
pub(crate) fn warm<C: Contestant>(runtime: &Runtime, contestant: &C, page_size: u32) -> Result<()> {
    let mut caller = contestant.clone();
    let task = runtime.spawn(async move {
        for query in queries(0, 1, page_size) {
            caller.call(&query).await?;
        }
        Ok(())
    });
    runtime.block_on(task)?
}

/// Whether callers just call, are counted, or end.
const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

/// Calls per second of so many tasks that each call again and again.
pub(crate) fn throughput<C: Contestant>(
    runtime: &Runtime,
    contestant: &C,
    callers: u32,
    page_size: u32,
    window: Duration,
) -> Result<f64> {
    let phase = Arc::new(AtomicU8::new(WARMING));
    let tasks: Vec<_> = (0..callers)
        .map(|number| {
            let (mut caller, phase) = (contestant.clone(), Arc::clone(&phase));
            let queries = queries(number, callers, page_size);
            runtime.spawn(async move {
                let mut counted = 0_u64;
                for query in queries.iter().cycle() {
                    let rows = caller.call(query).await?;
                    ensure!(rows == page_size as usize, "{rows} rows instead of {page_size}");
                    match phase.load(Ordering::Relaxed) {
                        WARMING => {}
                        COUNTING => counted += 1,
                        _ => break,
                    }
                }
                Ok(counted)
            })
        })
        .collect();
    thread::sleep(window / 4);
    phase.store(COUNTING, Ordering::Relaxed);
    let started = Instant::now();
    thread::sleep(window);
    phase.store(OVER, Ordering::Relaxed);
    let took = started.elapsed();
    let mut calls = 0;
    for task in tasks {
        calls += runtime.block_on(task)??;
    }
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 calls")]
    Ok(calls as f64 / took.as_secs_f64())
}

/// The median time of one call, in nanoseconds, when there is a single caller.
pub(crate) fn latency<C: Contestant>(
    runtime: &Runtime,
    contestant: &C,
    page_size: u32,
    window: Duration,
) -> Result<f64> {
    let mut caller = contestant.clone();
    let times: Vec<f64> = runtime.block_on(runtime.spawn(async move {
        let queries = queries(0, 1, page_size);
        let mut times = Vec::with_capacity(1 << 16);
        let over = Instant::now() + window;
        for query in queries.iter().cycle() {
            let started = Instant::now();
            black_box(caller.call(query).await?);
            let ended = Instant::now();
            times.push(nanoseconds(ended - started));
            if ended > over {
                break;
            }
        }
        anyhow::Ok(times)
    }))??;
    Ok(Spread::of(times).map_or(f64::NAN, |spread| spread.median))
}

#[expect(clippy::cast_precision_loss, reason = "less than 2^52 ns are 52 days")]
pub(crate) fn nanoseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

/// How many calls are timed at once where one is shorter than what the clock can tell.
const BATCH: usize = 128;

/// The median time of one call, in nanoseconds, of calls that never wait.
pub(crate) fn busy<T>(runtime: &Runtime, window: Duration, inputs: &[T], mut call: impl AsyncFnMut(&T)) -> f64 {
    let times: Vec<f64> = runtime.block_on(async {
        let mut times = Vec::with_capacity(1 << 16);
        let mut inputs = inputs.iter().cycle();
        let over = Instant::now() + window;
        loop {
            let started = Instant::now();
            for input in inputs.by_ref().take(BATCH) {
                call(input).await;
            }
            let ended = Instant::now();
            #[expect(clippy::cast_precision_loss, reason = "a small constant")]
            times.push(nanoseconds(ended - started) / BATCH as f64);
            if ended > over {
                return times;
            }
            // Whatever works in the background gets its turn.
            tokio::task::yield_now().await;
        }
    });
    Spread::of(times).map_or(f64::NAN, |spread| spread.median)
}

/// As [`busy`], of so many threads at once, with a runtime each; what one of them needs for a call, in the middle of all.
pub(crate) fn busy_threads<T: Sync>(
    threads: usize,
    window: Duration,
    input: &T,
    call: &(impl AsyncFnMut(&T) + Clone + Send + Sync),
) -> f64 {
    let start = &Barrier::new(threads);
    let times: Vec<f64> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let call = call.clone();
                scope.spawn(move || {
                    let runtime = one_thread().expect("a runtime starts");
                    start.wait();
                    busy(&runtime, window, slice::from_ref(input), call)
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("nothing panics"))
            .collect()
    });
    Spread::of(times).map_or(f64::NAN, |spread| spread.median)
}
