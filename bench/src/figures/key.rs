use std::hint::black_box;

use anyhow::{Result, ensure};
use cache_runtime::{
    __private::{Call, Site},
    Cache,
};
use md5::{Digest as _, Md5};

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, say},
    cache_resources::invoices,
    figure::{Figure, Must, Unit},
    measure::{Contender, busy, interleaved},
    near::queries,
    work::{Query, SMALL},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "key",
    title: "The key of a call with five arguments: canonical JSON, MD5, escaping",
    run,
};

const MUST: Must = Must::RatioAtMost(0.6);

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = &one_thread()?;
    let queries = &queries(SMALL);
    let cache = &Cache::builder().build();
    let ours = |query: &Query| key(cache, query);
    for query in queries {
        let ends = |key: &str| key.strip_prefix("cache:default:invoices:").map(str::len);
        ensure!(ends(&ours(query)) == Some(12) && ends(&by_tree(query)) == Some(12));
    }
    let window = bench.window();
    say(MEASUREMENT.name);
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new("cache-runtime", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(ours(query));
                }))
            }),
            Contender::new("serde_json and MD5", || {
                Ok(busy(runtime, window, queries, async |query: &Query| {
                    black_box(by_tree(query));
                }))
            }),
        ],
    )?;
    let [ours, tree] = series.try_into().expect("two contenders");
    Ok(vec![
        Figure::new(MEASUREMENT.name, "five arguments", Unit::Nanoseconds, ours)
            .against(tree)
            .must(MUST),
    ])
}

static SITE: Site = Site::new(&invoices, module_path!(), "invoices", 0);

/// As `#[cached]` expands.
fn key(cache: &Cache, query: &Query) -> String {
    let mut call = Call::begin(&SITE, Some(cache));
    call.arg("company", &query.company);
    call.arg("filter", &query.filter);
    call.arg("page", &query.page);
    call.arg("page_size", &query.page_size);
    call.arg("year", &query.year);
    call.into_entry_key().unwrap_or_default()
}

/// As one writes it by hand: a tree of values keeps the members in order.
fn by_tree(query: &Query) -> String {
    let tree = serde_json::to_value(query).expect("a query is JSON");
    let text = serde_json::to_string(&tree).expect("a tree is JSON");
    let digest = Md5::digest(text);
    // 12 hex digits are 48 bits.
    let hash = u128::from_be_bytes(digest.into()) >> 80;
    format!("cache:default:invoices:{hash:012x}")
}
