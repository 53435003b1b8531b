use std::{hint::black_box, slice};

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, runtime, say},
    figure::{Figure, Must, OURS, Series, Unit},
    measure::{Contender, busy, busy_threads, interleaved},
    near::{
        Amalgam, Moka, QuickCache, Tracked, number, page, page_by_cached, queries, shared, shared_by_cached,
        shared_by_cached_plainly, three, three_by_cached,
    },
    work::{LARGE, Query, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "near",
    title: "Hits in the process (`near = \"tracked\"`): time of a call",
    run,
};

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = one_thread()?;
    let mut figures = returning_shared(bench, &runtime)?;
    figures.extend(of_three_arguments(bench, &runtime)?);
    figures.extend(on_two_threads(bench)?);
    for (rows, must) in [(SMALL, 0.85), (LARGE, 1.0)] {
        figures.push(returning_copies(bench, &runtime, rows, Must::RatioAtMost(must))?);
    }
    Ok(figures)
}

fn returning_shared(bench: Bench, runtime: &Runtime) -> Result<Vec<Figure>> {
    let queries = &queries(SMALL);
    let tracked = runtime.block_on(Tracked::start(queries))?;
    let moka = Moka::new();
    let amalgam = Amalgam::new()?;
    let keyed: Vec<_> = queries.iter().map(|query| (query.formatted(), query.clone())).collect();
    for query in queries {
        runtime.block_on(async {
            shared_by_cached(query).await;
            shared_by_cached_plainly(query).await;
            moka.shared(query).await;
        });
    }
    for keyed in &keyed {
        runtime.block_on(amalgam.shared(keyed));
    }
    let asked = tracked.asked();
    let window = bench.window();
    say("returning an Arc");
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new(OURS, || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(shared(query).await);
                }))
            }),
            Contender::new("cached", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(shared_by_cached(query).await);
                }))
            }),
            Contender::new("cached, key by value", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(shared_by_cached_plainly(query).await);
                }))
            }),
            Contender::new("moka", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(moka.shared(query).await);
                }))
            }),
            Contender::new("amalgam-cache, key at hand", || {
                Ok(busy(runtime, window, &keyed, async |keyed: &(String, Query)| {
                    black_box(amalgam.shared(keyed).await);
                }))
            }),
        ],
    )?;
    ensure!(tracked.asked() == asked, "not all hits were near hits");
    runtime.block_on(tracked.close());
    let [ours, cached, plainly, moka, amalgam] = series.try_into().expect("five contenders");
    let figure =
        |peer| Figure::new(MEASUREMENT.name, "returning an Arc", Unit::Nanoseconds, ours.clone()).against(peer);
    Ok(vec![
        figure(cached).must(Must::RatioAtMost(0.65)),
        figure(plainly),
        figure(moka).must(Must::RatioAtMost(0.5)),
        figure(amalgam).must(Must::RatioAtMost(0.75)),
    ])
}

fn of_three_arguments(bench: Bench, runtime: &Runtime) -> Result<Vec<Figure>> {
    let queries = &queries(SMALL);
    let tracked = runtime.block_on(Tracked::start(queries))?;
    let quick_cache = QuickCache::new();
    for query in queries {
        runtime.block_on(three_by_cached(query));
        quick_cache.three(query);
    }
    let asked = tracked.asked();
    let window = bench.window();
    say("three arguments, and one");
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new(OURS, || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(three(query).await);
                }))
            }),
            Contender::new("cached, tuple", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(three_by_cached(query).await);
                }))
            }),
            Contender::new("quick_cache, formatted", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(quick_cache.three(query));
                }))
            }),
            Contender::new(OURS, || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(number(query).await);
                }))
            }),
        ],
    )?;
    ensure!(tracked.asked() == asked, "not all hits were near hits");
    runtime.block_on(tracked.close());
    let [ours, cached, quick_cache, number] = series.try_into().expect("four contenders");
    let figure = |peer| {
        Figure::new(
            MEASUREMENT.name,
            "an Arc, three arguments",
            Unit::Nanoseconds,
            ours.clone(),
        )
        .against(peer)
    };
    Ok(vec![
        figure(cached).must(Must::RatioAtMost(0.85)),
        figure(quick_cache).must(Must::RatioAtMost(0.8)),
        Figure::new(MEASUREMENT.name, "a number, one argument", Unit::Nanoseconds, number),
    ])
}

/// Two threads that call for one and the same value, beside one that does. And what two threads of this machine do to each other that
/// share nothing.
fn on_two_threads(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = runtime(2)?;
    let query = Query::new(0, SMALL);
    let tracked = runtime.block_on(Tracked::start(slice::from_ref(&query)))?;
    let (asked, window) = (tracked.asked(), bench.window());
    say("one value on two threads");
    let numbers = async |query: &Query| {
        black_box(number(query).await);
    };
    let digests = async |query: &Query| {
        black_box(md5::compute(black_box(query.company.to_le_bytes())));
    };
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new(OURS, || Ok(busy_threads(2, window, &query, &numbers))),
            Contender::new("one thread", || Ok(busy_threads(1, window, &query, &numbers))),
            Contender::new("MD5", || Ok(busy_threads(2, window, &query, &digests))),
            Contender::new("one thread", || Ok(busy_threads(1, window, &query, &digests))),
        ],
    )?;
    ensure!(tracked.asked() == asked, "not all hits were near hits");
    runtime.block_on(tracked.close());
    let [ours, alone, digests, digests_alone] = series.try_into().expect("four contenders");
    let figure =
        |name, each: Series, alone| Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, each).against(alone);
    Ok(vec![
        figure("a number, on each of two threads", ours, alone).must(Must::RatioAtMost(1.15)),
        figure(
            "an MD5 that shares nothing, on each of two threads",
            digests,
            digests_alone,
        ),
    ])
}

fn returning_copies(bench: Bench, runtime: &Runtime, rows: u32, must: Must) -> Result<Figure> {
    let queries = &queries(rows);
    let tracked = runtime.block_on(Tracked::start(queries))?;
    for query in queries {
        runtime.block_on(page_by_cached(query));
    }
    let asked = tracked.asked();
    let window = bench.window();
    let name = format!("returning a copy, {rows} rows");
    say(&name);
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new(OURS, || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(page(query).await);
                }))
            }),
            Contender::new("cached", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(page_by_cached(query).await);
                }))
            }),
        ],
    )?;
    ensure!(tracked.asked() == asked, "not all hits were near hits");
    runtime.block_on(tracked.close());
    let [ours, cached] = series.try_into().expect("two contenders");
    Ok(Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, ours)
        .against(cached)
        .must(must))
}
