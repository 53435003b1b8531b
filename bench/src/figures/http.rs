//! The invoicing example over HTTP: what its users notice of the cache.

use std::{
    fs,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use cache_testkit::RedisServer;
use fastrand::Rng;
use serde_json::json;
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, runtime, say},
    figure::{Figure, Must, Series, Unit},
    measure::{Contender, interleaved, nanoseconds},
    service::{Answer, Books, Caching, Requests, Service, build, prepare},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "http",
    title: "The example `invoicing` over HTTP, with its cache and without",
    run,
};

/// Of all companies together.
const INVOICES: u32 = 400_000;
/// Accountants with many small clients, and a group with few large ones.
const MANY: u32 = 200;
const FEW: u32 = 5;
/// Those to whom the invoices are issued; the example makes so many of them.
const PARTNERS: i64 = 400;

/// Connections that are busy at the same time.
const CONNECTIONS: usize = 64;
/// What a user does between an answer and the next request, in milliseconds: more than they let the service idle, and less than
/// people think.
const THINKING: Range<u64> = 50..150;
/// One request in so many is a mutation.
const MUTATIONS: u32 = 50;

/// What users look at, in a hundred reads. The page that one arrives at comes first, then what is to be done, and seldom the
/// reports. `{page}` is a page of a list: half as often the next as the one before it.
const READS: [(u32, &str); 9] = [
    (28, "/api/dashboard/summary?company={company}"),
    (
        20,
        "/api/invoices?company={company}&unpaid=true&page={page}&page_size=50",
    ),
    (12, "/api/dashboard/detailed?company={company}&page={page}&page_size=50"),
    (10, "/api/treasury?company={company}"),
    (8, "/api/invoices/summary?company={company}"),
    (8, "/api/dashboard/trends?company={company}&period=12m&compare=true"),
    (6, "/api/dashboard/cashflow?company={company}"),
    (4, "/api/dashboard/performance?company={company}"),
    (4, "/api/dashboard/maturity?company={company}"),
];

/// What users change, in a hundred mutations; each makes three to five of the nine reads of its company unusable. Reads and
/// mutations are of the same companies: who works on a company looks at it.
const CHANGES: [(u32, Change); 4] = [
    (40, Change::Issue),
    (40, Change::Pay),
    (10, Change::Correct),
    (10, Change::Book),
];

#[derive(Clone, Copy)]
enum Change {
    /// An invoice is issued.
    Issue,
    /// One that this user has issued is paid.
    Pay,
    /// Its amount is changed.
    Correct,
    /// Money moves on the company's account.
    Book,
}

/// What is repeated, and how many of them are under way at once.
const REPEATED: usize = 100;
const AT_ONCE: usize = 10;

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let program = build()?;
    let runtime = runtime(1)?;
    let folder = tempfile::tempdir()?;
    let few = Pair::start(&program, folder.path(), FEW)?;
    let mut figures = vec![few.repeated(bench, &runtime)?];
    let many = Pair::start(&program, folder.path(), MANY)?;
    let [per_second, hits] = many.mixed(bench, &runtime, true)?;
    figures.extend([per_second, hits.must(Must::AtLeast(0.9))]);
    // Here a load takes so long that many wait for each: they share it, and count as misses. Without the cache, a single round
    // would take a minute.
    figures.extend(few.mixed(bench, &runtime, false)?);
    Ok(figures)
}

/// The same service with its cache and without, each with a database of its own.
struct Pair {
    companies: u32,
    cached: Service,
    bare: Service,
    _server: RedisServer,
}

impl Pair {
    fn start(program: &Path, folder: &Path, companies: u32) -> Result<Self> {
        say(&format!("{companies} companies with {INVOICES} invoices are made"));
        let (one, other) = (
            folder.join(format!("{companies}.db")),
            folder.join(format!("{companies}-bare.db")),
        );
        let mut books = Books {
            database: &one,
            companies,
            invoices: INVOICES,
        };
        prepare(program, books)?;
        fs::copy(&one, &other)?;
        let server = RedisServer::start()?;
        let cached = Service::start(program, books, Caching::Redis(server.url()))?;
        books.database = &other;
        Ok(Self {
            companies,
            cached,
            bare: Service::start(program, books, Caching::Off)?,
            _server: server,
        })
    }

    /// How long the pages of one company take, asked for again and again.
    fn repeated(&self, bench: Bench, runtime: &Runtime) -> Result<Figure> {
        say("requests that repeat");
        let (cached, bare) = (self.cached.requests(), self.bare.requests());
        let repeat = |requests: &Requests| anyhow::Ok(nanoseconds(repeat(runtime, requests)?));
        repeat(&cached)?;
        let series = interleaved(
            if bench.quick { 3 } else { 5 },
            &mut [
                Contender::new("cache on", || repeat(&cached)),
                Contender::new("cache off", || repeat(&bare)),
            ],
        )?;
        let [with, without] = series.try_into().expect("two contenders");
        let name = format!("{REPEATED} repeated requests");
        Ok(Figure::new(MEASUREMENT.name, name, Unit::Nanoseconds, with)
            .against(without)
            .must(Must::RatioAtMost(0.025)))
    }

    /// Requests per second of all connections, beside those without the cache if they are wanted, and how many of the reads were
    /// hits.
    fn mixed(&self, bench: Bench, runtime: &Runtime, beside_bare: bool) -> Result<[Figure; 2]> {
        say(&format!("reads and mutations, {} companies", self.companies));
        let window = Duration::from_secs(if bench.quick { 4 } else { 10 });
        let mix = |service: &Service, seed| mixed(runtime, &service.requests(), self.companies, seed, window);
        look_at_everything(runtime, &self.cached.requests(), self.companies)?;
        mix(&self.cached, 0)?;
        let (mut with, mut without, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 1..=if bench.quick { 3 } else { 5 } {
            let mixed = mix(&self.cached, seed)?;
            with.push(mixed.per_second);
            rates.push(mixed.hit_rate);
            if beside_bare {
                without.push(mix(&self.bare, seed)?.per_second);
            }
        }
        let series = |name: &str, samples| Series {
            name: name.to_owned(),
            samples,
        };
        let name = format!(
            "reads, 2 % mutations, {CONNECTIONS} connections, {} companies",
            self.companies
        );
        let mut requests = Figure::new(MEASUREMENT.name, &name, Unit::PerSecond, series("cache on", with));
        if beside_bare {
            requests = requests.against(series("cache off", without));
        }
        Ok([
            requests,
            Figure::new(
                MEASUREMENT.name,
                format!("{name}: hit rate"),
                Unit::Share,
                series("cache on", rates),
            ),
        ])
    }
}

fn repeat(runtime: &Runtime, requests: &Requests) -> Result<Duration> {
    let paths: Vec<String> = READS.iter().map(|(_, path)| address(path, 1, 1)).collect();
    let repeated: Vec<_> = paths.iter().map(String::as_str).cycle().take(REPEATED).collect();
    let started = Instant::now();
    ask(runtime, requests, &repeated, AT_ONCE)?;
    Ok(started.elapsed())
}

/// Asks for all of these, so many at once.
fn ask(runtime: &Runtime, requests: &Requests, paths: &[&str], at_once: usize) -> Result<()> {
    let next = AtomicUsize::new(0);
    let one_after_the_other = async || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            requests.get(path).await?;
        }
        anyhow::Ok(())
    };
    let all = (0..at_once).map(|_| one_after_the_other());
    runtime.block_on(futures_util::future::try_join_all(all))?;
    Ok(())
}

fn address(path: &str, company: u32, page: u32) -> String {
    path.replace("{company}", &company.to_string())
        .replace("{page}", &page.to_string())
}

/// What came of reads and mutations at the same time.
struct Mixed {
    per_second: f64,
    hit_rate: f64,
}

/// What every company looks at: a service that has been up for a while has loaded it.
fn look_at_everything(runtime: &Runtime, requests: &Requests, companies: u32) -> Result<()> {
    let first = (1..=companies).flat_map(|company| READS.iter().map(move |(_, path)| address(path, company, 1)));
    let further = (1..=companies).flat_map(|company| {
        let lists = READS.iter().filter(|(_, path)| path.contains("{page}"));
        lists.flat_map(move |(_, path)| (2..=3).map(move |page| address(path, company, page)))
    });
    let paths: Vec<String> = first.chain(further).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    ask(runtime, requests, &paths, CONNECTIONS)
}

/// Requests of all connections for so long.
fn mixed(runtime: &Runtime, requests: &Requests, companies: u32, seed: u64, window: Duration) -> Result<Mixed> {
    let over = Arc::new(AtomicBool::new(false));
    let frequencies: Arc<[f64]> = zipf(companies).into();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let user = User {
                requests: requests.clone(),
                frequencies: Arc::clone(&frequencies),
                issued: Vec::new(),
                random: Rng::with_seed(seed * CONNECTIONS as u64 + connection as u64),
            };
            runtime.spawn(user.until(Arc::clone(&over)))
        })
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

/// The second company is worked on half as often as the first, the third a third as often, and so on: for each, how often it or
/// one before it is, out of 1.
fn zipf(companies: u32) -> Vec<f64> {
    let total: f64 = (1..=companies).map(|rank| 1.0 / f64::from(rank)).sum();
    let mut so_far = 0.0;
    (1..=companies)
        .map(|rank| {
            so_far += 1.0 / f64::from(rank) / total;
            so_far
        })
        .collect()
}

/// Who is behind one of the connections.
struct User {
    requests: Requests,
    frequencies: Arc<[f64]>,
    /// Invoices that are to be paid.
    issued: Vec<i64>,
    random: Rng,
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
            if self.random.u32(0..MUTATIONS) == 0 {
                self.change().await?;
            } else {
                let answer = self.read().await?;
                counted.reads += 1;
                counted.hits += u64::from(answer.hit);
            }
            let thinking = Duration::from_millis(self.random.u64(THINKING));
            tokio::time::sleep(thinking).await;
        }
        Ok(counted)
    }

    async fn read(&mut self) -> Result<Answer> {
        let path = one_of(&READS, &mut self.random);
        let mut page = 1;
        while self.random.u32(0..3) == 0 {
            page += 1;
        }
        let path = address(path, self.company(), page);
        self.requests.get(&path).await
    }

    async fn change(&mut self) -> Result<()> {
        let amount = self.random.u32(100..100_000);
        match (one_of(&CHANGES, &mut self.random), self.issued.last().copied()) {
            (Change::Issue, _) | (Change::Pay | Change::Correct, None) => {
                let invoice = json!({
                    "company": self.company(), "partner": self.random.i64(1..=PARTNERS), "amount": amount,
                    "issued_on": "2025-12-30", "due_on": "2026-01-30",
                });
                let answer = self.requests.post("/api/invoices", &invoice).await?;
                self.issued.push(answer.id()?);
            }
            (Change::Pay, Some(invoice)) => {
                let path = format!("/api/invoices/{invoice}/pay");
                self.issued.pop();
                self.requests.post(&path, &json!({})).await?;
            }
            (Change::Correct, Some(invoice)) => {
                let path = format!("/api/invoices/{invoice}");
                self.requests.put(&path, &json!({ "amount": amount })).await?;
            }
            (Change::Book, _) => {
                let movement = json!({ "company": self.company(), "amount": amount, "booked_on": "2025-12-30" });
                self.requests.post("/api/treasury/transactions", &movement).await?;
            }
        }
        Ok(())
    }

    fn company(&mut self) -> u32 {
        let drawn = self.random.f64();
        let rank = self.frequencies.partition_point(|so_far| *so_far < drawn);
        // The last one is not quite 1.
        u32::try_from(rank.min(self.frequencies.len() - 1)).expect("as many as there are companies") + 1
    }
}

/// One of some that come in a hundred.
fn one_of<T: Copy>(hundred: &[(u32, T)], random: &mut Rng) -> T {
    let mut drawn = random.u32(0..100);
    for (times, what) in hundred {
        match drawn.checked_sub(*times) {
            Some(rest) => drawn = rest,
            None => return *what,
        }
    }
    unreachable!("there are a hundred")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_hundred_reads_and_a_hundred_changes() {
        assert_eq!(READS.iter().map(|(times, _)| times).sum::<u32>(), 100);
        assert_eq!(CHANGES.iter().map(|(times, _)| times).sum::<u32>(), 100);
    }

    #[test]
    fn the_frequencies_of_the_companies_add_up() {
        let frequencies = zipf(3);
        assert!((frequencies[0] - 6.0 / 11.0).abs() < 1e-9);
        assert!((frequencies[2] - 1.0).abs() < 1e-9);
    }
}
