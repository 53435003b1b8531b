#!/usr/bin/env bash
# A scoped `tracing` subscriber hears nothing of an event that another thread, which has none, came to first
#
# Versions  tracing 0.1.44, tracing-core 0.1.36, tracing-subscriber 0.3.23 (crates.io)
# Expected  `set_default` (and `with_default`) set a subscriber for the thread: what this thread logs arrives there, whatever other
#           threads do. That they share a process with one that has no subscriber is usual: tests, and threads of a runtime.
# Seen      An event asks once who is interested, when it is first come to. As long as there is one subscriber in the process, the one
#           of the thread that came first is asked instead of all; if that thread has none, the event is off for everybody. The thread
#           with the subscriber logs into the void from then on. With any second subscriber, which need not hear anything nor be set
#           anywhere, all are asked, and the events arrive. See https://github.com/tokio-rs/tracing/issues/3611.
# Why care  What a cache does when its store is away it says in the log and nowhere else. A test that collects the log and asserts
#           that nothing was said passes although something was; one that asserts that something was said fails now and then,
#           under a test runner with threads. Keep a second `Dispatch` for as long as the process lives.
#
# Output of a run:
#   one subscriber: 0 of 2 events arrived
#   two subscribers: 2 of 2 events arrived
#   as described: whether a thread's own subscriber is told depends on who came first
#
# Needs bash, cargo with a C linker, and access to crates.io. Exits 0 if it is as described, 1 if not, 2 if it could not be run.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"

cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "heard"
version = "0.0.0"
edition = "2021"
publish = false

[workspace]

[dependencies]
tracing = "=0.1.44"
tracing-core = "=0.1.36"
tracing-subscriber = "=0.3.23"
TOML

cat >"$folder/src/main.rs" <<'RUST'
use std::{
    env,
    sync::{
        atomic::{AtomicU32, Ordering},
        Arc,
    },
    thread,
};

use tracing::{dispatcher, Dispatch, Event, Subscriber};
use tracing_subscriber::{
    layer::{Context, SubscriberExt},
    registry, Layer,
};

#[derive(Clone, Default)]
struct Count(Arc<AtomicU32>);

impl<S: Subscriber> Layer<S> for Count {
    fn on_event(&self, _event: &Event<'_>, _context: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn main() {
    let has_second = env::args().nth(1).as_deref() == Some("two");
    let _second = has_second.then(|| Dispatch::new(registry()));
    let count = Count::default();
    let _set = dispatcher::set_default(&Dispatch::new(registry().with(count.clone())));
    let log = || tracing::warn!("an invalidation is pending");
    thread::spawn(log).join().expect("it logs");
    log();
    log();
    println!("{}", count.0.load(Ordering::SeqCst));
}
RUST

cargo build --quiet --manifest-path "$folder/Cargo.toml" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 2; }
one=$("$folder/target/debug/heard" one) || exit 2
two=$("$folder/target/debug/heard" two) || exit 2
echo "one subscriber: $one of 2 events arrived"
echo "two subscribers: $two of 2 events arrived"
if [[ $one == 0 && $two == 2 ]]; then
    echo "as described: whether a thread's own subscriber is told depends on who came first"
else
    echo "not as described any more"
    exit 1
fi
