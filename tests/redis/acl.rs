//! The rights of docs/operations.md are enough, and none of them is too many. One that is missing is named in the log, once,
//! and when it is granted caching resumes by itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, NearHit},
    cached, invalidates, observe,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{PATIENCE, RedisServer, patient};
use support::Log;
use tracing::Level;

static ROUNDS: AtomicU64 = AtomicU64::new(0);

/// Nobody walks over the keys for fifty times as long as the last walk took, and longer after one in vain: on a busy machine that is
/// more than the other tests are patient for.
const NEXT_WALK: Duration = Duration::from_mins(2);

const OPERATIONS: &str = include_str!("../../docs/operations.md");

#[cached(resource = "rows")]
async fn row() -> u32 {
    1
}

#[cached(resource = "reports", lease)]
async fn report() -> u32 {
    2
}

#[cached(resource = "ledger")]
async fn balance() -> u32 {
    3
}

#[cached(resource = "rates", near = "tracked")]
async fn rate() -> u32 {
    4
}

/// Called with another number in each round: what a change makes unusable stays so, until it is swept.
#[cached(resource = "rows")]
async fn row_of(round: u64) -> u64 {
    round
}

#[invalidates("rows", "reports", "ledger")]
async fn change() {}

/// The words after `ACL SETUSER`, of every such line of the document.
fn documented() -> Vec<Vec<&'static str>> {
    let lines = OPERATIONS.lines().filter_map(|line| line.strip_prefix("ACL SETUSER "));
    lines.map(|line| line.split_whitespace().collect()).collect()
}

/// The rights among the words, each once.
fn rights() -> Vec<&'static str> {
    let words = documented().into_iter().flatten();
    let mut rights: Vec<_> = words.filter(|word| word.starts_with(['+', '~'])).collect();
    rights.sort_unstable();
    rights.dedup();
    rights
}

/// Gives the documented user its rights, but for one.
fn grant(server: &RedisServer, but: Option<&str>) {
    for (index, words) in documented().iter().enumerate() {
        let (user, words) = words.split_first().expect("a user");
        let mut line = vec!["ACL", "SETUSER", *user];
        line.extend((index == 0).then_some("reset"));
        line.extend(words.iter().filter(|word| Some(**word) != but));
        let () = server.command(line).expect("an ACL");
    }
}

/// A cache of the documented user, in a database that has to be selected.
fn cache(server: &RedisServer) -> Cache {
    let words = documented().into_iter().flatten().collect::<Vec<_>>();
    let password = words
        .iter()
        .find_map(|word| word.strip_prefix('>'))
        .expect("a password");
    let url = server
        .url()
        .replace("redis://", &format!("redis://{}:{password}@", words[0]));
    let config = RedisConfig::new(&format!("{url}/1")).expect("an address");
    patient().redis(config).build()
}

/// One round of everything. Every call is given what its body returns, whatever is missing.
async fn round() {
    for _ in 0..2 {
        assert_eq!(
            (row().await, report().await, balance().await, rate().await),
            (1, 2, 3, 4)
        );
    }
    let number = ROUNDS.fetch_add(1, Ordering::Relaxed);
    assert_eq!(row_of(number).await, number);
    change().await;
    // The background tasks share this thread.
    tokio::task::yield_now().await;
}

/// Rounds, until everything has been of use.
async fn until_all_works(cache: &Cache) {
    let mut last = None;
    let all_works = async {
        loop {
            let swept = cache.stats().swept;
            let ((), outcomes) = observe(round()).await;
            let near = outcomes.iter().any(|call| call.outcome == NearHit);
            let hits = outcomes.iter().filter(|call| call.outcome == Hit).count();
            if near && hits >= 3 && swept > 0 {
                return;
            }
            last = Some(outcomes);
        }
    };
    let worked = tokio::time::timeout(NEXT_WALK, all_works).await;
    worked.unwrap_or_else(|_| panic!("not all of it is of use: {last:?}, {:?}", cache.stats()));
}

/// What stands before the cause, or after it.
fn message(line: &str) -> &str {
    let after = line.find("message=").map_or(line, |at| &line[at..]);
    after.split("cause=").next().unwrap_or_default()
}

/// The warnings, but for the one of each mutation that goes on without its hold.
fn warnings(log: &Log) -> Vec<String> {
    let mut lines = log.at(Level::ERROR);
    lines.extend(log.at(Level::WARN));
    lines.retain(|line| !line.contains("goes on without its hold"));
    lines
}

/// Those that name a right.
fn naming(log: &Log, right: &str) -> Vec<String> {
    let command = format!("'{}'", right.trim_start_matches('+'));
    let mut lines = warnings(log);
    lines.retain(|line| line.contains(right) || line.contains(&command));
    lines.sort();
    lines
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_everything() {
    let (log, _guard) = Log::start();
    let server = RedisServer::start().unwrap();
    grant(&server, None);
    let cache = cache(&server);
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), until_all_works(&cache)).await;
    assert_eq!(warnings(&log), Vec::<String>::new());
    assert!(cache.close().await);
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_once_and_found_when_it_is_granted() {
    for right in rights() {
        let (log, _guard) = Log::start();
        // One of its own: after the last walk of another cache this one would have to rest.
        let server = RedisServer::start().unwrap();
        grant(&server, Some(right));
        let cache = cache(&server);
        let until_named = async {
            while naming(&log, right).is_empty() {
                round().await;
            }
        };
        with_cache(cache.clone(), async {
            let named = tokio::time::timeout(NEXT_WALK, until_named).await;
            named.unwrap_or_else(|_| panic!("without {right}: {:#?}", warnings(&log)));
            // Some probes, and some calls after each.
            for _ in 0..4 {
                cache.ready(Duration::from_millis(30)).await;
                round().await;
            }
            let mut said = naming(&log, right);
            let count = said.len();
            said.dedup_by_key(|line| message(line).to_owned());
            assert_eq!(
                said.len(),
                count,
                "each line once without {right}: {:#?}",
                warnings(&log)
            );
            grant(&server, None);
            assert!(cache.ready(PATIENCE).await, "without {right}");
            until_all_works(&cache).await;
        })
        .await;
        assert!(cache.close().await);
    }
}
