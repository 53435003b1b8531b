use std::hint::black_box;

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, say},
    figure::{Figure, Must, OURS, Unit},
    measure::{Contender, busy, interleaved},
    near::{Amalgam, Moka, Tracked, page, page_by_cached, queries, shared, shared_by_cached, shared_by_cached_plainly},
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
