//! The rights of docs/operations.md are enough, and none of them is too many. One that is missing is named in the log, once,
//! and when it is granted caching resumes by itself.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::{Hit, NearHit},
    cached, invalidates, observe,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::RedisServer;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry};

const OPERATIONS: &str = include_str!("../../docs/operations.md");

const PATIENCE: Duration = Duration::from_secs(10);

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
    Cache::builder()
        .redis(config)
        .read_timeout(PATIENCE)
        .fill_timeout(PATIENCE)
        .invalidate_timeout(PATIENCE)
        .build()
}

/// One round of everything. Every call is given what its body returns, whatever is missing.
async fn round() {
    for _ in 0..2 {
        assert_eq!(
            (row().await, report().await, balance().await, rate().await),
            (1, 2, 3, 4)
        );
    }
    change().await;
    // The background tasks share this thread.
    tokio::task::yield_now().await;
}

/// Rounds, until everything has been of use.
async fn until_all_works(cache: &Cache) {
    let all_works = async {
        loop {
            let swept = cache.stats().swept;
            let ((), outcomes) = observe(round()).await;
            let near = outcomes.iter().any(|call| call.outcome == NearHit);
            let hits = outcomes.iter().filter(|call| call.outcome == Hit).count();
            if near && hits >= 3 && swept > 0 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE * 2, all_works)
        .await
        .expect("all of it is of use");
}

/// What stands before the cause, or after it.
fn message(line: &str) -> &str {
    let after = line.find("message=").map_or(line, |at| &line[at..]);
    after.split("cause=").next().unwrap_or_default()
}

/// The warnings of this thread.
#[derive(Debug, Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target().starts_with("cache_runtime") && *event.metadata().level() <= Level::WARN {
            let mut line = Line::default();
            event.record(&mut line);
            self.0.lock().expect("no panic holds it").push(line.0);
        }
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("a String takes everything");
    }
}

impl Warnings {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let warnings = Self::default();
        let guard = tracing::subscriber::set_default(registry().with(warnings.clone()));
        (warnings, guard)
    }

    /// Those that name a right.
    fn naming(&self, right: &str) -> Vec<String> {
        let command = format!("'{}'", right.trim_start_matches('+'));
        let mut lines = self.lines();
        lines.retain(|line| line.contains(right) || line.contains(&command));
        lines.sort();
        lines
    }

    /// But for the one of each mutation that goes on without its hold.
    fn lines(&self) -> Vec<String> {
        let mut lines = self.0.lock().expect("no panic holds it").clone();
        lines.retain(|line| !line.contains("goes on without its hold"));
        lines
    }
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_everything() {
    let (warnings, _guard) = Warnings::start();
    let server = RedisServer::start().unwrap();
    grant(&server, None);
    let cache = cache(&server);
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), until_all_works(&cache)).await;
    assert_eq!(warnings.lines(), Vec::<String>::new());
    assert!(cache.close().await);
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_once_and_found_when_it_is_granted() {
    let server = RedisServer::start().unwrap();
    for right in rights() {
        let (warnings, _guard) = Warnings::start();
        grant(&server, Some(right));
        let cache = cache(&server);
        let until_named = async {
            while warnings.naming(right).is_empty() {
                round().await;
            }
        };
        with_cache(cache.clone(), async {
            let named = tokio::time::timeout(PATIENCE, until_named).await;
            named.unwrap_or_else(|_| panic!("without {right}: {:#?}", warnings.lines()));
            // Some probes, and some calls after each.
            for _ in 0..4 {
                cache.ready(Duration::from_millis(30)).await;
                round().await;
            }
            let mut said = warnings.naming(right);
            let count = said.len();
            said.dedup_by_key(|line| message(line).to_owned());
            assert_eq!(
                said.len(),
                count,
                "each line once without {right}: {:#?}",
                warnings.lines()
            );
            grant(&server, None);
            assert!(cache.ready(PATIENCE).await, "without {right}");
            until_all_works(&cache).await;
        })
        .await;
        assert!(cache.close().await);
    }
}
