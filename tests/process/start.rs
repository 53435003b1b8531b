//! What a program says when it starts: which store is used and why, what is set and not read, that there is no cache.
//!
//! Each test runs a program of its own, this one, with an environment of its own.

use cache_runtime::{Cache, ConfigError, cached, invalidates, with_cache};
use cache_testkit::isolated;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry};

#[cached(resource = "answers")]
async fn answer(id: u32) -> u32 {
    id
}

#[invalidates("answers")]
async fn change() {}

/// Prints what is said at info and above.
struct Printed;

impl<S: Subscriber> Layer<S> for Printed {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() <= Level::INFO {
            println!("\nLOG {} {}", event.metadata().level(), support::fields(event));
        }
    }
}

/// What the program `name` logs in an environment of these variables alone.
fn said_by(name: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let output = support::process_of(&format!("start::{name}"))
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("this program starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("1 passed"),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
        .lines()
        .filter_map(|line| line.strip_prefix("LOG "))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn assert_lines(lines: &[String], expected: &[&[&str]]) {
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, words) in lines.iter().zip(expected) {
        for word in *words {
            assert!(line.contains(word), "{word} in {line}");
        }
        assert!(!line.contains("hush"), "{line}");
    }
}

fn printing() -> tracing::subscriber::DefaultGuard {
    tracing::subscriber::set_default(registry().with(Printed))
}

#[test]
#[ignore = "a program that other tests run"]
fn from_env_and_installed_twice() -> Result<(), ConfigError> {
    let _guard = printing();
    let cache = Cache::from_env()?;
    cache.install();
    cache.install();
    Ok(())
}

#[test]
fn the_store_is_named_once_with_the_variable_that_says_so() {
    for (url, store) in [
        (
            "redis://app:hush@cache.example/2",
            "store=\"redis://cache.example:6379/2\"",
        ),
        ("redis://:hush@[::1]:7000", "store=\"redis://[::1]:7000\""),
        (
            "redis+unix:///run/redis.sock?pass=hush",
            "store=\"redis+unix:///run/redis.sock\"",
        ),
        (
            "redis-cluster://:hush@one,two:7001",
            "store=\"redis-cluster://one:6379,two:7001\"",
        ),
        ("redis-sentinel://one/3#m", "store=\"redis-sentinel://one:26379/3#m\""),
    ] {
        let said = said_by("from_env_and_installed_twice", &[("REDIS_URL", url)]);
        assert_lines(
            &said,
            &[&["INFO", store, "variable=\"REDIS_URL\"", "keeps its entries"]],
        );
    }
}

#[test]
fn without_an_address_the_process_is_named_and_what_may_have_been_meant() {
    let memory: &[&str] = &["INFO", "REDIS_URL is not set", "store=\"the memory of this process\""];
    assert_lines(&said_by("from_env_and_installed_twice", &[]), &[memory]);
    assert_lines(
        &said_by(
            "from_env_and_installed_twice",
            &[
                ("REDIS_HOST", "hush"),
                ("REDIS_PASSWORD", "hush"),
                ("REDIS_URI", "redis://:hush@h"),
                ("PATH", "/bin"),
            ],
        ),
        &[
            memory,
            &["WARN", "variable=\"REDIS_HOST\"", "where Redis is says REDIS_URL"],
            &["WARN", "variable=\"REDIS_PASSWORD\"", "for use beside REDIS_URL"],
            &["WARN", "variable=\"REDIS_URI\"", "is REDIS_URL meant?"],
        ],
    );
}

#[test]
fn a_cache_that_is_turned_off_says_so() {
    let off = [("REDIS_ENABLED", "false"), ("REDIS_URL", "redis://h")];
    assert_lines(
        &said_by("from_env_and_installed_twice", &off),
        &[&["INFO", "disabled", "variable=\"REDIS_ENABLED\""]],
    );
}

#[test]
#[ignore = "a program that other tests run"]
fn built_in_code() {
    let _guard = printing();
    // Not every cache of a test.
    drop(Cache::builder().build());
    Cache::builder().memory(1 << 20).build().install();
    Cache::disabled().install();
}

#[test]
fn a_cache_that_was_built_in_code_is_named_when_it_is_installed() {
    assert_lines(
        &said_by("built_in_code", &[]),
        &[
            &["INFO", "keeps its entries", "the memory of this process"],
            &["INFO", "disabled"],
        ],
    );
}

#[tokio::test]
#[ignore = "a program that other tests run"]
async fn nothing_installed() {
    let _guard = printing();
    for id in 0..3 {
        answer(id).await;
        change().await;
    }
}

#[tokio::test]
#[ignore = "a program that other tests run"]
async fn nothing_installed_and_a_mutation_first() {
    let _guard = printing();
    change().await;
    answer(1).await;
}

#[test]
fn that_there_is_no_cache_is_said_once() {
    for program in ["nothing_installed", "nothing_installed_and_a_mutation_first"] {
        assert_lines(
            &said_by(program, &[]),
            &[&["WARN", "there is no cache", "Cache::install"]],
        );
    }
}

#[tokio::test]
#[ignore = "a program that other tests run"]
async fn caches_of_tasks_alone() {
    let _guard = printing();
    isolated(async |_| answer(1).await).await;
    with_cache(Cache::disabled(), async {
        answer(1).await;
        change().await;
    })
    .await;
}

#[test]
fn a_task_s_own_cache_and_one_that_does_nothing_are_caches() {
    assert_lines(&said_by("caches_of_tasks_alone", &[]), &[]);
}
