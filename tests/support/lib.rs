//! What the tests of several subjects share.

mod log;

use std::{process::Command, time::Duration};

use cache_runtime::{
    Cache, Outcome, observe,
    store::{MemoryStore, RedisConfig, RedisStore, Store as _},
};
use cache_testkit::{FaultProxy, PATIENCE, RedisServer, SpyStore, patient};

pub use crate::log::{Log, fields, recorded};

/// What a future returns, and the outcome of the one cached call in it.
///
/// # Panics
///
/// If there is no such call.
pub async fn outcome_of<T>(call: impl Future<Output = T>) -> (T, Outcome) {
    let (value, outcomes) = observe(call).await;
    (value, outcomes.iter().next().expect("a cached call").outcome)
}

/// How long a cluster or sentinels may take to put another server in the place of one. They wait for seconds themselves.
pub const ELECTION: Duration = PATIENCE.saturating_mul(2);

/// Waits until a store says why it is not to be used, with these words in its answer.
///
/// # Panics
///
/// If it does not within [`ELECTION`].
pub async fn until_refused(store: &RedisStore, because: &str) {
    let mut last = String::new();
    let refused = async {
        loop {
            if let Err(error) = store.probe().await {
                last = error.to_string();
                if last.contains(because) {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(ELECTION, refused).await;
    assert!(refused.is_ok(), "{because} in {last}");
}

/// A spy over an empty store in memory.
pub fn spy() -> SpyStore {
    SpyStore::new(MemoryStore::new(1 << 20))
}

/// The caches of two processes, on one store.
pub fn two_caches(store: &SpyStore) -> [Cache; 2] {
    [(); 2].map(|()| patient().store(store.clone()).jitter(0.0).build())
}

/// The address of a server.
///
/// # Panics
///
/// If it is none that the runtime understands.
pub fn at(server: &RedisServer) -> RedisConfig {
    RedisConfig::new(server.url()).expect("the address of a server")
}

/// A proxy in front of a server, and the address that leads through it.
///
/// # Panics
///
/// If the server listens on no port, or the system gives none to the proxy.
pub fn through_a_proxy(server: &RedisServer) -> (FaultProxy, RedisConfig) {
    let port = server.port().expect("it listens on a port");
    let proxy = FaultProxy::start(([127, 0, 0, 1], port)).expect("a free port");
    let config = RedisConfig::new(&format!("redis://{}", proxy.address())).expect("the address of a proxy");
    (proxy, config)
}

/// The keys on a server that match a pattern, in order.
///
/// # Panics
///
/// If the server does not answer.
pub fn keys(server: &RedisServer, pattern: &str) -> Vec<String> {
    let mut keys: Vec<String> = server.command(["KEYS", pattern]).expect("KEYS answers");
    keys.sort();
    keys
}

/// The one entry on a server: its key, and what stands under it.
///
/// # Panics
///
/// If there is none, or another one.
pub fn entry(server: &RedisServer) -> (String, Vec<u8>) {
    let keys = keys(server, "cache:*");
    let [key] = &keys[..] else {
        panic!("one entry, not {keys:?}")
    };
    (key.clone(), get(server, key))
}

/// The commands that a server runs while something happens, each as its words, the last one first.
///
/// # Panics
///
/// If the server does not answer.
pub async fn commands_while(server: &RedisServer, event: impl Future) -> Vec<Vec<String>> {
    let log_what_takes = |micros| {
        let () = server
            .command(["CONFIG", "SET", "slowlog-log-slower-than", micros])
            .expect("CONFIG answers");
    };
    log_what_takes("0");
    event.await;
    log_what_takes("-1");
    let log: Vec<(i64, i64, i64, Vec<String>, String, String)> =
        server.command(["SLOWLOG", "GET", "128"]).expect("SLOWLOG answers");
    log.into_iter().map(|(_, _, _, words, ..)| words).collect()
}

/// What stands under a key.
///
/// # Panics
///
/// If the server does not answer.
pub fn get(server: &RedisServer, key: &str) -> Vec<u8> {
    server.command(["GET", key]).expect("GET answers")
}

/// Writes something else under a key, which lives for as long as before.
///
/// # Panics
///
/// If the server does not take it.
pub fn overwrite(server: &RedisServer, key: &str, value: &[u8]) {
    server
        .command::<()>([b"SET", key.as_bytes(), value, b"KEEPTTL"])
        .expect("SET answers");
}

/// Where an entry says what its payload is written in: `docs/keys.md`.
pub const CODEC: usize = 4;

/// Where the payload of an entry with one stamp begins, and its length stands: `docs/keys.md`.
pub const PAYLOAD: usize = 56 + 8;
const PAYLOAD_LENGTH: std::ops::Range<usize> = 28..32;

/// An entry of one stamp with another payload, its length set right.
///
/// # Panics
///
/// If the payload is longer than an entry can say.
pub fn with_payload(entry: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&entry[..PAYLOAD], payload].concat();
    let length = u32::try_from(payload.len()).expect("a length of an entry");
    bytes[PAYLOAD_LENGTH].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// The program of these tests once more, as a process that runs one of them alone, whether it is ignored or not.
///
/// # Panics
///
/// If the system does not say where the program is.
pub fn process_of(test: &str) -> Command {
    let mut process = Command::new(std::env::current_exe().expect("the path of this program"));
    process.args(["--exact", test, "--include-ignored", "--nocapture"]);
    process
}
