//! Two processes of the real program on one database and one Redis, as behind a load balancer.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop; the helpers too")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use cache_testkit::RedisServer;
use prometheus_parse::{Scrape, Value as Number};
use serde_json::{Value, json};

const SUMMARY: &str = "/api/dashboard/summary?company=1";

/// `invoicing serve`, killed on drop.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts the program; it may still be making its data.
    fn spawn(database: &Path, redis: &RedisServer) -> Child {
        Command::new(env!("CARGO_BIN_EXE_invoicing"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--companies",
                "2",
                "--invoices",
                "2000",
                "--database",
            ])
            .arg(database)
            .env("REDIS_URL", redis.url())
            // A machine that is busy with something else is not to cost an entry.
            .envs(["CACHE_READ_TIMEOUT", "CACHE_FILL_TIMEOUT", "CACHE_INVALIDATE_TIMEOUT"].map(|name| (name, "10s")))
            // One may remove what was filled again a moment before: a miss, where this test counts on hits.
            .env("CACHE_SWEEP", "off")
            .env_remove("DATABASE_URL")
            .env_remove("JWT_SECRET")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits until the program says where it listens.
    fn ready(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines
            .find_map(|line| Some(line.strip_prefix("listening on ")?.split(' ').next()?.to_owned()))
            .expect("the program says where it listens");
        Self { child, address }
    }

    async fn get(&self, client: &reqwest::Client, path: &str) -> (Value, String) {
        let response = client.get(format!("{}{path}", self.address)).send().await.unwrap();
        let cache_status = response.headers()["cache-status"].to_str().unwrap().to_owned();
        (response.error_for_status().unwrap().json().await.unwrap(), cache_status)
    }

    /// What Prometheus reads.
    async fn metrics(&self, client: &reqwest::Client) -> Scrape {
        let response = client.get(format!("{}/metrics", self.address)).send().await.unwrap();
        let text = response.error_for_status().unwrap().text().await.unwrap();
        Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
    }

    async fn post(&self, client: &reqwest::Client, path: &str, body: Value) {
        let request = client.post(format!("{}{path}", self.address)).json(&body);
        request.send().await.unwrap().error_for_status().unwrap();
    }

    /// Asks until the cache is in use: a process begins to serve before it has reached Redis.
    async fn warm(&self, client: &reqwest::Client) {
        while !self.get(client, SUMMARY).await.1.contains("; hit") {}
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_through_one_is_seen_by_the_next_read_through_the_other() {
    let redis = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shared.db");
    // Both at once: one makes the data, the other waits for it.
    let (first, second) = (Process::spawn(&database, &redis), Process::spawn(&database, &redis));
    let (first, second) = (Process::ready(first), Process::ready(second));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    first.warm(&client).await;
    second.warm(&client).await;

    for round in 0..50 {
        let (writer, reader) = if round % 2 == 0 {
            (&first, &second)
        } else {
            (&second, &first)
        };
        let (before, _) = reader.get(&client, SUMMARY).await;
        assert_eq!(writer.get(&client, SUMMARY).await.0, before, "both read the same entry");
        let invoice = json!({
            "company": 1, "partner": 1, "amount": 1, "issued_on": "2025-12-31", "due_on": "2025-12-31"
        });
        writer.post(&client, "/api/invoices", invoice).await;
        let (after, _) = reader.get(&client, SUMMARY).await;
        assert_eq!(
            after["invoices"].as_i64(),
            before["invoices"].as_i64().map(|count| count + 1),
            "round {round}"
        );
        let (of_writer, _) = writer.get(&client, SUMMARY).await;
        assert_eq!(of_writer, after, "round {round}");
        // The change is invalidated once more, by whoever relays what the triggers have written down; then it is cached.
        writer.warm(&client).await;
    }
}

/// The number of a metric of one resource, and outcome, if it has one.
fn number(scrape: &Scrape, name: &str, resource: &str, outcome: Option<&str>) -> f64 {
    let mut samples = scrape.samples.iter().filter(|sample| sample.metric == name);
    let of = |label, value| move |sample: &&prometheus_parse::Sample| sample.labels.get(label) == value;
    let found = samples.find(|sample| of("resource", Some(resource))(sample) && of("outcome", outcome)(sample));
    match found.map(|sample| &sample.value) {
        Some(Number::Counter(number) | Number::Gauge(number) | Number::Untyped(number)) => *number,
        other => panic!("{name} of {resource}, {outcome:?}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_scrapes_is_what_was_called() {
    let redis = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
    let folder = tempfile::tempdir().unwrap();
    let process = Process::ready(Process::spawn(&folder.path().join("measured.db"), &redis));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    process.warm(&client).await;
    let before = process.metrics(&client).await;
    for _ in 0..10 {
        assert!(process.get(&client, SUMMARY).await.1.contains("; hit"));
    }
    let after = process.metrics(&client).await;
    let calls = |outcome| {
        let of = |scrape| number(scrape, "cache_requests_total", "dashboard_summary", Some(outcome));
        of(&after) - of(&before)
    };
    assert_eq!((calls("hit"), calls("miss"), calls("bypass")), (10.0, 0.0, 0.0));
    let loads = number(&after, "cache_load_duration_seconds_count", "dashboard_summary", None);
    assert!(loads >= 1.0, "the first one at least was loaded");
    assert!(number(&after, "cache_read_bytes_total", "dashboard_summary", None) > 0.0);
    assert!(after.docs.contains_key("cache_requests_total"), "it says what it means");
}
