//! What users notice of a Redis that is not there.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cache_testkit::RedisServer;

use super::{
    IN_BUDGET, NO_ERRORS, READ_BUDGET, RESUMES, count_same,
    instance::Instance,
    load::{self, Load, REQUESTS},
    mutation,
    report::{Report, shown},
};

/// How long the cache may take to find a Redis that is back, which it looks for in growing intervals.
const RETURN_WITHIN: Duration = Duration::from_mins(1);

/// Redis was never there.
pub(super) async fn endured(
    report: &mut Report,
    plain: &Instance,
    cached: &Instance,
    pages: &[String],
) -> anyhow::Result<()> {
    let load = Load::run(cached, pages, REQUESTS, async || ()).await;
    errors(report, &load);
    latency(report, plain, cached, pages).await
}

/// Redis is killed while requests are under way, stays away for a while, and comes back empty.
pub(super) async fn survived(
    report: &mut Report,
    plain: &Instance,
    cached: &Instance,
    pages: &[String],
    redis: &Arc<RedisServer>,
) -> anyhow::Result<()> {
    println!("killing redis-server while requests are under way ...");
    let server = Arc::clone(redis);
    let kill = async || {
        // A blocking call, on a thread of its own; it does not fail.
        let _ = tokio::task::spawn_blocking(move || server.kill()).await;
    };
    let during = Load::run(cached, pages, REQUESTS, kill).await;
    errors(report, &during);
    latency(report, plain, cached, pages).await?;
    mutation::shows_at_once(report, "the same with Redis down", cached).await?;

    let server = Arc::clone(redis);
    tokio::task::spawn_blocking(move || server.restart()).await??;
    let started = Instant::now();
    let back = returned(cached, &pages[0]).await?;
    let after = started.elapsed();
    let same = count_same(plain, cached, pages).await?;
    let measured = format!(
        "a hit after {}; {same} of {} answers are right",
        shown(after),
        pages.len()
    );
    report.promise(RESUMES, measured, back && same == pages.len());
    Ok(())
}

fn errors(report: &mut Report, load: &Load) {
    let errors = &load.errors;
    let first = errors
        .first()
        .map(|error| format!(", the first {error}"))
        .unwrap_or_default();
    report.promise(
        NO_ERRORS,
        format!("{} of {REQUESTS} requests failed{first}", errors.len()),
        errors.is_empty(),
    );
}

async fn latency(report: &mut Report, plain: &Instance, cached: &Instance, pages: &[String]) -> anyhow::Result<()> {
    let added = load::added_latency(plain, cached, pages).await?;
    report.promise(
        IN_BUDGET,
        format!("{} added to a request, the median", shown(added)),
        added <= READ_BUDGET,
    );
    Ok(())
}

/// Asks until the cache answers.
async fn returned(cached: &Instance, page: &str) -> anyhow::Result<bool> {
    let deadline = Instant::now() + RETURN_WITHIN;
    let mut pause = tokio::time::interval(Duration::from_millis(50));
    while Instant::now() < deadline {
        if cached.get(page).await?.is_hit() {
            return Ok(true);
        }
        pause.tick().await;
    }
    Ok(false)
}
