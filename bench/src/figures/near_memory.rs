use std::{env, process::Command};

use anyhow::{Context as _, Result, bail, ensure};
use cache_runtime::{Cache, cached, with_cache};
use serde::{Deserialize, Serialize};

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, say},
    figure::{Figure, Must, OURS, Series, Unit},
    work::{Filter, Page, Query, SMALL, load},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "near-memory",
    title: "Memory of the near cache: bytes that are taken from the heap",
    run,
};

/// The program beside this one that counts.
const COUNTER: &str = "count-bytes";

/// So many entries are kept, of which each takes the same.
const ENTRIES: u32 = 100_000;
const DISTINCT: u32 = 1_000_000;
const BOUND: u64 = 32 << 20;

/// As many calls fill what a cache knows of recent calls, which is no part of the near cache: it has a bound of its own.
const WARM: u32 = 20_000;

/// The store is this small, and full before anything is counted: what grows is the near cache.
const STORE: u64 = 64 << 10;

mod resources {
    cache_runtime::resources! {
        near_memory { ttl = "1h" }
    }
}

#[cached(resource = resources::near_memory, near = "tracked")]
async fn by_number(number: u32) -> Page {
    load(number, SMALL)
}

#[cached(resource = resources::near_memory, near = "tracked")]
async fn by_five(company: i64, year: i32, filter: &Filter, page: u32, page_size: u32) -> Page {
    let _ = (company, year, filter);
    load(page, page_size)
}

/// So long is a small value.
const SMALL_VALUE: usize = 100;

#[cached(resource = resources::near_memory, near = "tracked")]
async fn small(number: u32) -> String {
    small_value(number)
}

fn small_value(number: u32) -> String {
    format!("{number:0SMALL_VALUE$}")
}

/// What [`COUNTER`] prints, in bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    /// A value that is not kept by a cache.
    value: f64,
    /// An entry.
    by_one: f64,
    by_five: f64,
    /// An entry with a small value, and the same in `quick_cache` under a formatted key.
    by_small: f64,
    quick_cache: f64,
    /// Everything after a call for each of more keys than there is room for.
    bounded: f64,
    /// The same as the cache itself estimates it.
    weight: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a small constant")]
fn run(_bench: Bench) -> Result<Vec<Figure>> {
    say("a million keys");
    let program = env::current_exe()?.with_file_name(COUNTER);
    let output = Command::new(&program)
        .output()
        .with_context(|| format!("{} could not be run: build all of this package", program.display()))?;
    if !output.status.success() {
        bail!("{COUNTER} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let counted: Counted = serde_json::from_slice(&output.stdout)?;
    let beside = |name: &str, entry: f64| {
        Figure::new(MEASUREMENT.name, name, Unit::Bytes, series(OURS, entry - counted.value))
            .against(series("the value", counted.value))
    };
    let bounded = |name: &str, sample| {
        Figure::new(MEASUREMENT.name, name, Unit::Bytes, series(OURS, sample))
            .at("keys", DISTINCT.into())
            .against(series("`near_capacity`", BOUND as f64))
    };
    Ok(vec![
        beside("an entry beside its value, one argument", counted.by_one).must(Must::AtMost(200.0)),
        beside("an entry beside its value, five arguments", counted.by_five),
        Figure::new(
            MEASUREMENT.name,
            format!("an entry with a value of {SMALL_VALUE} bytes"),
            Unit::Bytes,
            series(OURS, counted.by_small),
        )
        .at("keys", DISTINCT.into())
        .against(series("quick_cache, formatted", counted.quick_cache))
        .must(Must::RatioAtMost(1.3)),
        bounded("weight", counted.weight).must(Must::RatioAtMost(1.0)),
        bounded("taken from the heap", counted.bounded),
    ])
}

fn series(name: &str, sample: f64) -> Series {
    Series {
        name: name.to_owned(),
        samples: vec![sample],
    }
}

/// What [`COUNTER`] prints; `held` returns how many bytes are taken now.
pub(crate) fn count(held: impl Fn() -> usize) -> Result<String> {
    let per_entry = |bytes| bytes / f64::from(ENTRIES);
    let value = per_entry(bare(&held));
    let one = near(&held, WARM, u64::MAX, ENTRIES, async |number| {
        drop(by_number(number).await);
    })?;
    let five = near(&held, WARM, u64::MAX, ENTRIES, async |number| {
        let Query {
            company,
            year,
            filter,
            page,
            page_size,
        } = Query::new(number, SMALL);
        drop(by_five(company, year, &filter, page, page_size).await);
    })?;
    let by_small = near(&held, WARM, u64::MAX, DISTINCT, async |number| {
        drop(small(number).await);
    })?;
    // Everything is counted here, what is known of recent calls, too.
    let bounded = near(&held, 1000, BOUND, DISTINCT, async |number| {
        drop(by_number(number).await);
    })?;
    Ok(serde_json::to_string(&Counted {
        value,
        by_one: per_entry(one.bytes),
        by_five: per_entry(five.bytes),
        by_small: by_small.bytes / f64::from(DISTINCT),
        quick_cache: quick_cache(&held) / f64::from(DISTINCT),
        bounded: bounded.bytes,
        weight: bounded.weight,
    })?)
}

/// What `quick_cache` takes with small values under the keys that its users format.
fn quick_cache(held: impl Fn() -> usize) -> f64 {
    let before = held();
    let cache = quick_cache::sync::Cache::new(2 * DISTINCT as usize);
    for number in 0..DISTINCT {
        cache.insert(format!("small:{number}"), small_value(number));
    }
    difference(held(), before)
}

/// What a near cache takes.
struct Taken {
    bytes: f64,
    weight: f64,
}

/// What values take that lie in a vector which was there before.
fn bare(held: impl Fn() -> usize) -> f64 {
    let mut values = Vec::with_capacity(ENTRIES as usize);
    let before = held();
    values.extend((0..ENTRIES).map(|number| Box::new(load(number, SMALL))));
    difference(held(), before)
}

/// What a near cache of this capacity takes after a call for each number, and `warm` others before anything is counted.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 bytes")]
fn near(held: impl Fn() -> usize, warm: u32, capacity: u64, numbers: u32, call: impl AsyncFn(u32)) -> Result<Taken> {
    // One thread: nobody else allocates meanwhile.
    one_thread()?.block_on(async {
        let cache = Cache::builder().memory(STORE).near_capacity(capacity).build();
        let bytes = with_cache(cache.clone(), async {
            // Fills the store and what is known of recent calls, and waits until what watches the stamps has begun to.
            for number in 0..warm {
                call(u32::MAX / 8 - number).await;
                tokio::task::yield_now().await;
            }
            let before = held();
            for number in 0..numbers {
                call(number).await;
            }
            difference(held(), before)
        })
        .await;
        let stats = cache.stats();
        ensure!(stats.near_entries > 1000, "nothing was kept: {stats:?}");
        cache.close().await;
        Ok(Taken {
            bytes,
            weight: stats.near_bytes as f64,
        })
    })
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 bytes")]
fn difference(after: usize, before: usize) -> f64 {
    after as f64 - before as f64
}
