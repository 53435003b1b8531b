//! What is counted, one function each.

use std::{hint::black_box, pin::Pin, time::Duration};

use cache_runtime::{
    __private::{canonical_json, key_hash},
    Cache, Stats,
    store::Address,
};
use serde::Serialize;

use crate::service::{self, Filter, Range};

/// Does its thing so many times.
type Subject = fn(u32) -> Pin<Box<dyn Future<Output = ()>>>;

/// What can be counted, by name.
pub(crate) const SUBJECTS: &[(&str, Subject)] = &[
    ("near-hit-u64", |times| Box::pin(near_hit_number(times))),
    ("near-hit-arc", |times| Box::pin(near_hit_arc(times))),
    ("near-hit-5-rows", |times| Box::pin(near_hit(times))),
    ("hit-5-rows", |times| Box::pin(hit(times))),
    ("shared-load", |times| Box::pin(shared_load(times))),
    ("key-5-arguments", |times| Box::pin(key(times))),
    ("decode-5-rows", |times| Box::pin(decode(times, 5))),
    ("decode-500-rows", |times| Box::pin(decode(times, 500))),
];

const FILTER: Filter = Filter {
    status: "overdue",
    from: "2026-01-01",
    to: "2026-12-31",
    amount: Range {
        least: 10_000,
        most: None,
    },
};

async fn near_hit_number(times: u32) {
    let call = async || assert_eq!(service::near_number(black_box(7)).await, 7);
    repeat(times, call, |stats| stats.near_hits).await;
}

async fn near_hit_arc(times: u32) {
    let call = async || drop(service::near_shared(black_box(123), 1, 50, "due_date", &FILTER).await);
    repeat(times, call, |stats| stats.near_hits).await;
}

async fn near_hit(times: u32) {
    let call = async || drop(service::near(black_box(123), 1, 50, "due_date", &FILTER).await);
    repeat(times, call, |stats| stats.near_hits).await;
}

/// The whole of a hit of the store, which is in this process: the key, the checks, the decoding.
async fn hit(times: u32) {
    let call = async || drop(service::stored(black_box(123), 1, 50, "due_date", &FILTER).await);
    repeat(times, call, |stats| stats.hits).await;
}

/// A task that calls, waits for the load of another call, and is given what that has loaded.
async fn shared_load(times: u32) {
    let cache = Cache::builder().build();
    cache.install();
    let calls: Vec<_> = (0..=times)
        .map(|_| tokio::spawn(service::slow(black_box(123))))
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("nothing panics").len(), 50);
    }
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.shared_loads), (1, u64::from(times)), "{stats:?}");
}

/// Calls until it is answered as it is to be, and then so many times more.
async fn repeat(times: u32, call: impl AsyncFn(), answered: fn(&Stats) -> u64) {
    let cache = Cache::builder().build();
    cache.install();
    while answered(&cache.stats()) == 0 {
        call().await;
        // Near values are not used before what watches the stamps has begun to.
        tokio::task::yield_now().await;
    }
    for _ in 0..times {
        call().await;
    }
    assert_eq!(answered(&cache.stats()), u64::from(times) + 1, "{:?}", cache.stats());
}

#[derive(Serialize)]
struct Arguments<'a> {
    company: i64,
    filter: &'a Filter,
    page: u32,
    page_size: u32,
    sort: &'a str,
}

/// Canonical JSON, its hash, and the keys of the entry and of its stamps.
#[expect(clippy::unused_async, reason = "subjects are async")]
async fn key(times: u32) {
    for _ in 0..times {
        let arguments = black_box(Arguments {
            company: 123,
            filter: &FILTER,
            page: 1,
            page_size: 50,
            sort: "due_date",
        });
        let json = canonical_json(&arguments).expect("arguments can be written");
        let hash = key_hash(json.as_bytes());
        black_box(Address::new("default", "invoices", &[("company", "123")], &hash));
    }
}

/// Finding a stored value, checking it and decoding it.
async fn decode(times: u32, rows: u64) {
    let cache = Cache::builder().build();
    let rows = service::rows(rows);
    assert!(
        cache.set("rows", &rows, Duration::from_hours(1)).await,
        "the rows are stored"
    );
    for _ in 0..times {
        let read = cache.get::<Vec<service::Row>>(black_box("rows")).await;
        assert_eq!(read.map(|read| read.len()), Some(rows.len()));
    }
}
