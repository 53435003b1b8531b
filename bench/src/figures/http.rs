//! The invoicing example over HTTP: what its users notice of the cache.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cache_testkit::RedisServer;
use reqwest::{Client, RequestBuilder};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, runtime, say},
    figure::{Figure, Must, Series, Unit},
    measure::nanoseconds,
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "http",
    title: "The example `invoicing` over HTTP, with its cache and without",
    run,
};

const COMPANIES: u32 = 5;
const INVOICES: u32 = 400_000;

/// Connections that are busy at the same time.
const CONNECTIONS: u64 = 64;
/// One request in so many is a mutation.
const MUTATIONS: u64 = 50;

/// What is repeated, and how many of them are under way at once.
const REPEATED: usize = 100;
const AT_ONCE: usize = 10;

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let program = build()?;
    let runtime = runtime(1)?;
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("invoicing.db");
    say(&format!("{INVOICES} invoices are made"));
    let server = RedisServer::start()?;
    let cached = Service::start(&program, &database, Some(server.url()))?;
    let bare = Service::start(&program, &database, None)?;

    say("requests that repeat");
    let (mut with, mut without) = (Vec::new(), Vec::new());
    cached.repeat(&runtime)?;
    for _ in 0..if bench.quick { 3 } else { 5 } {
        with.push(nanoseconds(cached.repeat(&runtime)?));
        without.push(nanoseconds(bare.repeat(&runtime)?));
    }
    let repeated = Figure::new(
        MEASUREMENT.name,
        format!("{REPEATED} repeated requests"),
        Unit::Nanoseconds,
        series("cache on", with),
    );
    let repeated = repeated
        .against(series("cache off", without))
        .must(Must::RatioAtMost(0.025));

    say("reads and mutations");
    let (mut with, mut without, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..if bench.quick { 3 } else { 5 } {
        let window = Duration::from_secs(if bench.quick { 4 } else { 10 });
        let mixed = cached.mixed(&runtime, window)?;
        with.push(mixed.per_second);
        rates.push(mixed.hit_rate);
        without.push(bare.mixed(&runtime, window)?.per_second);
    }
    let name = format!("reads, 2 % mutations, {CONNECTIONS} connections");
    Ok(vec![
        repeated,
        Figure::new(MEASUREMENT.name, &name, Unit::PerSecond, series("cache on", with))
            .against(series("cache off", without)),
        Figure::new(
            MEASUREMENT.name,
            format!("{name}: hit rate"),
            Unit::Count,
            series("cache on", rates),
        )
        .must(Must::AtLeast(0.9)),
    ])
}

fn series(name: &str, samples: Vec<f64>) -> Series {
    Series {
        name: name.to_owned(),
        samples,
    }
}

/// Builds the example, which belongs to the workspace of the product, and returns where it is.
fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked", "--package", "invoicing"])
        .current_dir(&root)
        .status()?;
    ensure!(status.success(), "the example could not be built");
    Ok(root.join("target/release/invoicing"))
}

/// What users look at.
fn pages() -> Vec<String> {
    let pages = |company| {
        [
            format!("/api/dashboard/summary?company={company}"),
            format!("/api/dashboard/trends?company={company}&period=12m&compare=true"),
            format!("/api/dashboard/detailed?company={company}&page=1&page_size=50"),
            format!("/api/dashboard/performance?company={company}"),
            format!("/api/dashboard/cashflow?company={company}"),
            format!("/api/dashboard/maturity?company={company}"),
            format!("/api/invoices?company={company}&unpaid=true&page=1&page_size=50"),
            format!("/api/invoices/summary?company={company}"),
            format!("/api/treasury?company={company}"),
        ]
    };
    (1..=COMPANIES).flat_map(pages).collect()
}

/// A running example.
struct Service {
    process: Child,
    address: String,
    client: Client,
    pages: Arc<[String]>,
}

/// What came of reads and mutations at the same time.
struct Mixed {
    per_second: f64,
    hit_rate: f64,
}

impl Service {
    /// Without a server, its cache is off.
    fn start(program: &Path, database: &Path, redis: Option<&str>) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args([
                "--companies",
                &COMPANIES.to_string(),
                "--invoices",
                &INVOICES.to_string(),
            ])
            .arg("--database")
            .arg(database)
            .env_clear()
            .env("RUST_LOG", "error")
            .env("REDIS_ENABLED", redis.is_some().to_string())
            .env("REDIS_URL", redis.unwrap_or_default())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(process.stdout.take().context("the output of a process")?);
        let address = output.lines().find_map(|line| {
            let line = line.ok()?;
            Some(line.strip_prefix("listening on ")?.split(' ').next()?.to_owned())
        });
        Ok(Self {
            process,
            address: address.context("the example ended before it listened")?,
            client: Client::builder().no_proxy().build()?,
            pages: pages().into(),
        })
    }

    fn get(&self, page: &str) -> RequestBuilder {
        self.client.get(format!("{}{page}", self.address))
    }

    /// How long the pages of one company take, asked for again and again.
    fn repeat(&self, runtime: &Runtime) -> Result<Duration> {
        let requests: Vec<_> = self
            .pages
            .iter()
            .take(9)
            .cycle()
            .take(REPEATED)
            .map(|page| self.get(page))
            .collect();
        let next = AtomicU64::new(0);
        let started = Instant::now();
        runtime.block_on(async {
            let one_after_the_other = async || {
                while let Some(request) = requests.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed))?) {
                    answer(request.try_clone().context("a request has no body")?).await?;
                }
                anyhow::Ok(())
            };
            futures_util::future::try_join_all((0..AT_ONCE).map(|_| one_after_the_other())).await
        })?;
        Ok(started.elapsed())
    }

    /// Requests of all connections for so long.
    fn mixed(&self, runtime: &Runtime, window: Duration) -> Result<Mixed> {
        let over = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|connection| runtime.spawn(self.user(connection).until(Arc::clone(&over))))
            .collect();
        let started = Instant::now();
        thread::sleep(window);
        over.store(true, Ordering::Relaxed);
        let mut all = Counted::default();
        for task in tasks {
            let counted = runtime.block_on(task)??;
            all.requests += counted.requests;
            all.reads += counted.reads;
            all.hits += counted.hits;
        }
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
        Ok(Mixed {
            per_second: all.requests as f64 / started.elapsed().as_secs_f64(),
            hit_rate: all.hits as f64 / all.reads as f64,
        })
    }

    fn user(&self, seed: u64) -> User {
        User {
            client: self.client.clone(),
            address: self.address.clone(),
            pages: Arc::clone(&self.pages),
            random: fastrand::Rng::with_seed(seed),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing is lost with it; it may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Who is behind one of the connections.
struct User {
    client: Client,
    address: String,
    pages: Arc<[String]>,
    random: fastrand::Rng,
}

#[derive(Default)]
struct Counted {
    requests: u64,
    reads: u64,
    hits: u64,
}

impl User {
    async fn until(mut self, over: Arc<AtomicBool>) -> Result<Counted> {
        let mut counted = Counted::default();
        while !over.load(Ordering::Relaxed) {
            counted.requests += 1;
            if self.random.u64(0..MUTATIONS) == 0 {
                answer(self.mutation()).await?;
            } else {
                let page = &self.pages[self.random.usize(0..self.pages.len())];
                let hit = answer(self.client.get(format!("{}{page}", self.address))).await?;
                counted.reads += 1;
                counted.hits += u64::from(hit);
            }
        }
        Ok(counted)
    }

    /// Money comes in, or the amount of an invoice is changed.
    fn mutation(&mut self) -> RequestBuilder {
        let company = self.random.u32(1..=COMPANIES);
        // More than has been paid of any invoice.
        let cents = self.random.u32(50_000_000..60_000_000);
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        if self.random.bool() {
            let body = format!(r#"{{"company": {company}, "amount": {amount}, "booked_on": "2026-01-15"}}"#);
            self.client
                .post(format!("{}/api/treasury/transactions", self.address))
                .body(body)
        } else {
            let invoice = self.random.u32(1..=INVOICES);
            let body = format!(r#"{{"amount": {amount}}}"#);
            self.client
                .put(format!("{}/api/invoices/{invoice}", self.address))
                .body(body)
        }
    }
}

/// Whether the answer came from the cache.
async fn answer(request: RequestBuilder) -> Result<bool> {
    let response = request.send().await?;
    let status = response.status();
    let hit = response
        .headers()
        .get("x-cache")
        .is_some_and(|seen| seen == "hit" || seen == "near_hit");
    let body = response.bytes().await?;
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(hit)
}
