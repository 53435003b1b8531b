use std::{
    any::{TypeId, type_name},
    hint::black_box,
};

use anyhow::{Result, ensure};
use cache_runtime::{
    __private::{Call, Item, KeyWriter, Site, in_key},
    Cache,
};

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, say},
    cache_resources::invoices,
    figure::{Figure, Must, OURS, Unit},
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
    // A call of a cache without a store, or outside of a runtime, has no key.
    let cache = &Cache::builder().memory(1024 * 1024).build();
    let _inside = runtime.enter();
    for query in queries {
        let ends = |key: &str| key.strip_prefix("cache:default:invoices:").map(str::len);
        for key in [anew(cache, query), known(cache, query), by_tree(query)] {
            ensure!(ends(&key) == Some(12), "{key}");
        }
    }
    let window = bench.window();
    say(MEASUREMENT.name);
    let timed = |key: &dyn Fn(&Query) -> String| {
        Ok(busy(runtime, window, queries, async |query: &Query| {
            black_box(key(query));
        }))
    };
    let series = interleaved(
        bench.rounds(),
        &mut [
            Contender::new(OURS, || timed(&|query| anew(cache, query))),
            Contender::new(OURS, || timed(&|query| known(cache, query))),
            Contender::new("serde_json and MD5", || timed(&by_tree)),
        ],
    )?;
    let [anew, known, tree] = series.try_into().expect("three contenders");
    let figure = |name, ours| Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, ours);
    Ok(vec![
        figure("five arguments", anew).against(tree.clone()).must(MUST),
        figure("five arguments, of a call made before", known).against(tree),
    ])
}

/// What the attribute declares in the body of a function.
struct Annotated;

static SITE: Site = Site::new(
    &invoices,
    0,
    Item::new(
        module_path!(),
        "invoices",
        type_name::<Annotated>,
        TypeId::of::<Annotated>,
        file!(),
        0,
    ),
);

/// Worked out whatever the process knows of the call.
fn anew(cache: &Cache, query: &Query) -> String {
    Call::entry_key(&SITE, cache, |key| tell(key, query)).unwrap_or_default()
}

/// As `#[cached]` has it: a call that was made before is known.
fn known(cache: &Cache, query: &Query) -> String {
    let mut call = Call::begin(&SITE, Some(cache));
    call.key(|key| tell(key, query));
    call.into_entry_key().unwrap_or_default()
}

#[expect(clippy::unit_arg, reason = "as the attribute writes it")]
fn tell(key: &mut KeyWriter<'_>, query: &Query) {
    key.arg("company", &query.company, in_key());
    key.arg("filter", &query.filter, in_key());
    key.arg("page", &query.page, in_key());
    key.arg("page_size", &query.page_size, in_key());
    key.arg("year", &query.year, in_key());
}

/// As one writes it by hand: a tree of values keeps the members in order.
fn by_tree(query: &Query) -> String {
    let tree = serde_json::to_value(query).expect("a query is JSON");
    let text = serde_json::to_string(&tree).expect("a tree is JSON");
    let digest = md5::compute(text);
    // 12 hex digits are 48 bits.
    let hash = u128::from_be_bytes(digest.0) >> 80;
    format!("cache:default:invoices:{hash:012x}")
}
