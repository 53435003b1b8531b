//! What it costs to be given an old value, and who waits when a hot one expires.

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use cache_runtime::{Outcome, cached, observe};
use cache_testkit::{RedisServer, reaching};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, patient, runtime, say},
    figure::{Figure, Must, Series, Unit},
    measure::{Contender, busy, interleaved},
    work::{Filter, Page, Query, SMALL, load},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "freshness",
    title: "Old values, and callers who wait",
    run,
};

mod resources {
    cache_runtime::resources! {
        pages { ttl = "1h" }
        old_pages { ttl = "20ms", stale_while_revalidate = "1h", jitter = "off" }
        hot { ttl = "500ms" }
    }
}

#[cached(resource = resources::pages)]
async fn fresh(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Page {
    let _ = (company, year, filter);
    load(page, page_size)
}

/// The first load returns; the next one, in the background, goes on for as long as the figure is measured.
#[cached(resource = resources::old_pages, stale_while_revalidate)]
async fn old(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Page {
    let _ = (company, year, filter);
    if STALLED.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    load(page, page_size)
}

static STALLED: AtomicBool = AtomicBool::new(false);

const CALLERS: usize = 256;
const LOAD: Duration = Duration::from_millis(20);

#[cached(resource = resources::hot)]
async fn hot(key: u32) -> u64 {
    let _ = key;
    query().await
}

#[cached(resource = resources::hot, refresh_ahead)]
async fn hot_ahead(key: u32) -> u64 {
    let _ = key;
    query().await
}

async fn query() -> u64 {
    static LOADS: AtomicU64 = AtomicU64::new(0);
    tokio::time::sleep(LOAD).await;
    LOADS.fetch_add(1, Ordering::Relaxed)
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let stale = stale_hits(bench, &server)?;
    let waits = waits(bench, &server)?;
    Ok(vec![stale, waits])
}

fn stale_hits(bench: Bench, server: &RedisServer) -> Result<Figure> {
    say("a stale hit while a refresh runs");
    let runtime = one_thread()?;
    let cache = runtime.block_on(reaching(server, patient()));
    cache.install();
    let query = Query::new(1, SMALL);
    let call_fresh = async |query: &Query| {
        black_box(fresh(query.company, query.year, &query.filter, query.page, query.page_size).await);
    };
    let call_old = async |query: &Query| {
        black_box(old(query.company, query.year, &query.filter, query.page, query.page_size).await);
    };
    runtime.block_on(async {
        call_fresh(&query).await;
        call_old(&query).await;
        STALLED.store(true, Ordering::Relaxed);
        // Until its time is over, and a refresh runs.
        for _ in 0..1000 {
            let ((), outcomes) = observe(call_old(&query)).await;
            if outcomes.iter().all(|call| call.outcome == Outcome::StaleHit) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let before = cache.stats();
    let (queries, window) = ([query], bench.window());
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new("stale hit", || Ok(busy(&runtime, window, &queries, call_old))),
            Contender::new("hit", || Ok(busy(&runtime, window, &queries, call_fresh))),
        ],
    )?;
    let after = cache.stats();
    ensure!(
        after.fills == before.fills && after.stale_hits > before.stale_hits && after.refreshes == 1,
        "not all were hits while one refresh ran: {after:?}"
    );
    runtime.block_on(cache.close());
    let [stale, hit] = series.try_into().expect("two contenders");
    Ok(Figure::new(
        MEASUREMENT.name,
        "a stale hit while a refresh runs",
        Unit::Nanoseconds,
        stale,
    )
    .against(hit)
    .must(Must::RatioAtMost(1.1)))
}

fn waits(bench: Bench, server: &RedisServer) -> Result<Figure> {
    say("256 callers of a hot key");
    let runtime = runtime(2)?;
    let cache = runtime.block_on(reaching(server, patient()));
    cache.install();
    let (mut ahead, mut without) = (Vec::new(), Vec::new());
    for key in (0..).take(bench.rounds()) {
        ahead.push(callers_who_wait(&runtime, move || async move {
            black_box(hot_ahead(key).await);
        }));
        without.push(callers_who_wait(&runtime, move || async move {
            black_box(hot(key).await);
        }));
    }
    runtime.block_on(cache.close());
    let series = |name: &str, samples| Series {
        name: name.to_owned(),
        samples,
    };
    Ok(Figure::new(
        MEASUREMENT.name,
        "calls that wait, of 256 callers of a hot key",
        Unit::Count,
        series("with `refresh_ahead`", ahead),
    )
    .against(series("without", without))
    .must(Must::RatioAtMost(0.01)))
}

/// How many calls have waited for most of a load, of callers who call every 5 ms while the value expires a few times.
fn callers_who_wait<F>(runtime: &Runtime, call: impl Fn() -> F + Clone + Send + Sync + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    const SECONDS: Duration = Duration::from_secs(2);
    runtime.block_on(async {
        call().await;
        let end = Instant::now() + SECONDS;
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let call = call.clone();
                tokio::spawn(async move {
                    let mut waits = 0_u32;
                    while Instant::now() < end {
                        let began = Instant::now();
                        call().await;
                        waits += u32::from(began.elapsed() >= LOAD / 2);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    waits
                })
            })
            .collect();
        let mut waits = 0;
        for caller in callers {
            waits += caller.await.unwrap_or_default();
        }
        f64::from(waits)
    })
}
