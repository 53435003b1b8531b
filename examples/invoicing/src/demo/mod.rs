//! The demo: the same requests without and with the cache, in this process, over HTTP.
//!
//! Every verdict compares two measurements of one run, so that it does not depend on how fast the machine is.

mod instance;
mod load;
mod mutation;
mod outage;
mod report;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use cache_runtime::{Cache, store::RedisConfig};
use cache_testkit::RedisServer;

use self::{
    instance::Instance,
    load::{AT_A_TIME, Load, REQUESTS},
    report::{Report, shown},
};
use crate::{caching, cli, db::Books};

/// How long a request may wait for a cache that does not answer: the default of `cache-runtime`.
const READ_BUDGET: Duration = Duration::from_millis(50);
/// How long the demo waits for Redis before it takes it for dead.
const PATIENCE: Duration = Duration::from_secs(5);

const FASTER: &str = "100 repeated requests, 10 at a time: at least 97.5 % faster";
const FEWER: &str = "at least 60 % fewer database queries";
const HIT_RATE: &str = "more than 90 % hits after warm-up";
const SAME: &str = "the same answers as without the cache";
const AT_ONCE: &str = "a mutation shows in the next read";
const BY_OTHERS: &str = "a row changed by another program shows, and nothing waits for a TTL";
const NO_ERRORS: &str = "no error with Redis down";
const IN_BUDGET: &str = "Redis down: no slower than the read budget of 50 ms";
const RESUMES: &str = "Redis back: the cache is used again";

/// Measures, prints the table, and returns whether every promise was kept.
///
/// # Errors
/// When it cannot be measured.
pub async fn run(books: &Books, options: &cli::Demo) -> anyhow::Result<ExitCode> {
    let (redis, cache) = cache(options).await?;
    let alive = cache.ready(PATIENCE).await;
    if alive {
        // What earlier runs left would make a cold start warm.
        caching::forget_everything(&cache).await?;
    }
    println!(
        "measuring without the cache and with {} ...",
        cache_name(redis.is_some(), alive)
    );
    let plain = Instance::start(books, Cache::disabled()).await?;
    let cached = Instance::start(books, cache).await?;
    let pages = load::pages(books.size.companies);
    let mut report = Report::default();

    let without = Load::run(&plain, &pages, REQUESTS, async || ()).await;
    anyhow::ensure!(
        without.errors.is_empty(),
        "requests failed without the cache: {:?}",
        without.errors
    );
    if alive {
        repeated_requests(&mut report, &without, &cached, &pages).await;
        same_answers(&mut report, &plain, &cached, &pages).await?;
        mutation::shows_at_once(&mut report, AT_ONCE, &cached).await?;
        mutation::shows_by_others(&mut report, BY_OTHERS, &cached, books).await?;
        match redis {
            Some(redis) => outage::survived(&mut report, &plain, &cached, &pages, &redis).await?,
            None => {
                for promise in [NO_ERRORS, IN_BUDGET, RESUMES] {
                    report.not_applicable(promise, "run the demo with --spawn-redis");
                }
            }
        }
    } else {
        for promise in [FASTER, FEWER, HIT_RATE] {
            report.not_applicable(promise, "no Redis answers at REDIS_URL");
        }
        outage::endured(&mut report, &plain, &cached, &pages).await?;
        same_answers(&mut report, &plain, &cached, &pages).await?;
        mutation::shows_at_once(&mut report, AT_ONCE, &cached).await?;
        mutation::shows_by_others(&mut report, BY_OTHERS, &cached, books).await?;
        report.not_applicable(RESUMES, "run the demo with --spawn-redis");
    }

    plain.stop().await?;
    cached.stop().await?;
    println!("{report}");
    if report.missed() {
        println!("A promise was missed.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The cache to measure: of a server of the demo's own, or what the environment says.
async fn cache(options: &cli::Demo) -> anyhow::Result<(Option<Arc<RedisServer>>, Cache)> {
    if !options.spawn_redis {
        return Ok((None, Cache::from_env()?));
    }
    let server = tokio::task::spawn_blocking(RedisServer::start).await??;
    let config = RedisConfig::new(server.url())
        .map_err(anyhow::Error::msg)
        .context("the server's address")?;
    Ok((Some(Arc::new(server)), Cache::builder().redis(config).build()))
}

fn cache_name(spawned: bool, alive: bool) -> &'static str {
    let has_url = std::env::var_os("REDIS_URL").is_some_and(|url| !url.is_empty());
    match (spawned, has_url, alive) {
        (true, _, _) => "a redis-server of the demo's own",
        (false, true, true) => "the Redis at REDIS_URL",
        (false, true, false) => "a cache whose Redis does not answer",
        (false, false, true) => "the cache in the process",
        (false, false, false) => "a cache that is switched off",
    }
}

/// The plan's measurement: what a hundred requests cost once the pages have been seen.
async fn repeated_requests(report: &mut Report, without: &Load, cached: &Instance, pages: &[String]) {
    let cold = Load::run(cached, pages, pages.len(), async || ()).await;
    let warm = Load::run(cached, pages, REQUESTS, async || ()).await;
    let faster = 100.0 * (1.0 - warm.total.as_secs_f64() / without.total.as_secs_f64());
    let times = |load: &Load| {
        format!(
            "{} (p50 {}, p95 {})",
            shown(load.total),
            shown(load.percentile(50)),
            shown(load.percentile(95))
        )
    };
    let measured = format!("{} -> {}: {faster:.2} % faster", times(without), times(&warm));
    report.promise(FASTER, measured, faster >= 97.5 && warm.errors.is_empty());
    let pages = pages.len();
    report.note(
        "before that, every page once from a cold cache",
        format!("{} for {pages} pages, {AT_A_TIME} at a time", shown(cold.total)),
    );

    let with = cold.queries + warm.queries;
    let fewer = 100.0 - percent(with, without.queries);
    let measured = format!(
        "{} -> {with}, the cold start included: {fewer:.1} % fewer",
        without.queries
    );
    report.promise(FEWER, measured, fewer >= 60.0);

    let (hits, answered) = (warm.hits(), warm.answered());
    report.promise(HIT_RATE, format!("{hits} of {answered}"), hits * 10 > REQUESTS * 9);
}

/// Compares every page's answer, byte for byte.
async fn same_answers(
    report: &mut Report,
    plain: &Instance,
    cached: &Instance,
    pages: &[String],
) -> anyhow::Result<()> {
    let same = count_same(plain, cached, pages).await?;
    report.promise(SAME, format!("{same} of {} pages", pages.len()), same == pages.len());
    Ok(())
}

async fn count_same(plain: &Instance, cached: &Instance, pages: &[String]) -> anyhow::Result<usize> {
    let mut same = 0;
    for page in pages {
        same += usize::from(plain.get(page).await?.body == cached.get(page).await?.body);
    }
    Ok(same)
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for the eye")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}
