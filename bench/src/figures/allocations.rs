use std::{env, hint::black_box, process::Command};

use anyhow::{Context as _, Result, bail};

use super::Measurement;
use crate::{
    bench::{Bench, one_thread},
    figure::{Figure, Must, Series, Unit},
    near::{Moka, Tracked, queries, shared, shared_by_cached},
    work::{Query, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "allocations",
    title: "Heap allocations of a hit in the process that returns an `Arc`",
    run,
};

/// The program beside this one that counts.
const COUNTER: &str = "count-allocations";

fn run(_bench: Bench) -> Result<Vec<Figure>> {
    let program = env::current_exe()?.with_file_name(COUNTER);
    let output = Command::new(&program)
        .output()
        .with_context(|| format!("{} could not be run: build all of this package", program.display()))?;
    if !output.status.success() {
        bail!("{COUNTER} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let counted: Vec<Series> = serde_json::from_slice(&output.stdout)?;
    let [ours, cached, moka] = counted.try_into().ok().context("three were to be counted")?;
    let figure = |peer| Figure::new(MEASUREMENT.name, "per call", Unit::Count, ours.clone()).against(peer);
    Ok(vec![figure(cached).must(Must::AtMost(0.0)), figure(moka)])
}

/// What [`COUNTER`] prints; `allocations` returns how many there have been so far.
pub(crate) fn count(allocations: impl Fn() -> usize) -> Result<String> {
    let queries = &queries(SMALL);
    // One thread, which nobody else gets while it counts.
    let runtime = one_thread()?;
    let counted = runtime.block_on(async {
        let tracked = Tracked::start(queries).await?;
        let moka = Moka::new();
        for query in queries {
            shared_by_cached(query).await;
            moka.shared(query).await;
        }
        let ours = per_call(queries, &allocations, async |query| {
            black_box(shared(query).await);
        });
        let ours = ours.await;
        let cached = per_call(queries, &allocations, async |query| {
            black_box(shared_by_cached(query).await);
        });
        let cached = cached.await;
        let moka = per_call(queries, &allocations, async |query| {
            black_box(moka.shared(query).await);
        });
        let moka = moka.await;
        tracked.close().await;
        anyhow::Ok([("cache-runtime", ours), ("cached", cached), ("moka", moka)])
    })?;
    let series = counted.map(|(name, samples)| Series {
        name: name.to_owned(),
        samples,
    });
    Ok(serde_json::to_string(&series)?)
}

const ROUNDS: usize = 5;
const CALLS: usize = 1000;

async fn per_call(queries: &[Query], allocations: impl Fn() -> usize, mut call: impl AsyncFnMut(&Query)) -> Vec<f64> {
    let mut counts = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let before = allocations();
        for query in queries.iter().cycle().take(CALLS) {
            call(query).await;
        }
        let during = allocations() - before;
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        counts.push(during as f64 / CALLS as f64);
    }
    counts
}
