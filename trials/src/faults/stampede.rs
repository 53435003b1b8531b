//! Too many callers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    load::Load,
    matrix::Row,
    options::Options,
    outcome::{Outcome, percentile},
    service::Service,
    stage::{Scenery, Stage},
};

const CALLERS: usize = 10_000;
const COLD: &str = "/api/treasury?company=1";
/// Costs the service next to nothing: for opening connections.
const CHEAP: &str = "/";
/// Calls of a caller who is alone, to know what that takes.
const ALONE: usize = 100;
/// Files that a process has open besides its connections.
const OTHER_FILES: u64 = 200;

/// A statement of the database, in the log.
const STATEMENT: &str = "sqlx::query";
/// A statement that each load of [`COLD`] makes once.
const LOADED: &str = "GROUP BY kind";

/// Callers of one page that is not cached, all at once. The loads are counted by their statements.
pub(super) async fn stampede(scenery: &Scenery<'_>, row: &Row) -> Result<Outcome> {
    let callers = CALLERS.min(allow_files(CALLERS as u64 + OTHER_FILES));
    let stage = Stage::set(scenery, row, ",sqlx::query=debug").await?;
    let service = &stage.services.cached;
    // Opens the connections; a caller who waits for one is none.
    let _ = all_at_once(service, CHEAP, callers).await;
    let movement = json!({ "company": 1, "amount": 1, "booked_on": "2025-12-31" });
    service.post("/api/treasury/transactions", &movement).await?;
    let began = Instant::now();
    let (times, errors) = all_at_once(service, COLD, callers).await;
    let took = began.elapsed();
    let loads = async {
        // The log arrives a moment after the answers.
        sleep(Duration::from_millis(500)).await;
        let lines = service.heard.since(began);
        let is_load = |line: &str| line.contains(STATEMENT) && line.contains(LOADED);
        lines.iter().filter(|line| is_load(&line.text)).count()
    };
    let loads = loads.await;
    let mut outcome = Outcome {
        calls: times.len() + errors.len(),
        errors,
        resumed: Some(Duration::ZERO),
        peak_memory: service.peak_memory(),
        note: Some(format!("{loads} loads, all answered after {:.1} s", took.as_secs_f64())),
        ..Outcome::default()
    };
    outcome.require(loads > 0, || "no load was seen, so they cannot be counted".to_owned());
    outcome.require(loads * 100 <= callers, || {
        format!("{loads} loads for {callers} callers")
    });
    Ok(outcome)
}

/// More callers than the machine can serve, none of whom pauses, and then nobody but one.
pub(super) async fn overload(scenery: &Scenery<'_>, row: &Row, options: &Options) -> Result<Outcome> {
    let stage = Stage::set(scenery, row, "").await?;
    let service = &stage.services.cached;
    let began = Instant::now();
    let before = alone(service).await?;
    let load = Load::start_without_pause(&stage.services, options.callers.saturating_mul(10));
    sleep(options.lasting()).await;
    let seen = load.stop().await?;
    let ended = Instant::now();
    let recovered = async {
        while alone(service).await? > 2 * before + Duration::from_millis(1) {}
        anyhow::Ok(ended.elapsed())
    };
    let recovered = timeout(Duration::from_secs(20), recovered).await;
    let verdict = seen.verdict();
    let mut outcome = Outcome {
        calls: seen.samples().iter().filter(|sample| sample.cached).count(),
        errors: seen.errors(),
        stale: verdict.stale.len(),
        opened: service.heard.openings().count(began, ended),
        resumed: recovered.ok().transpose()?,
        peak_memory: service.peak_memory(),
        lines: service.heard.since(began).into_iter().map(|line| line.text).collect(),
        note: Some("until a lone caller's median is as before".to_owned()),
        ..Outcome::default()
    };
    outcome.require(verdict.stale.is_empty(), || "an old value".to_owned());
    Ok(outcome)
}

async fn all_at_once(service: &Arc<Service>, path: &'static str, callers: usize) -> (Vec<Duration>, Vec<String>) {
    let mut calls = JoinSet::new();
    for _ in 0..callers {
        let service = Arc::clone(service);
        calls.spawn(async move { service.get(path).await });
    }
    let (mut times, mut errors) = (Vec::new(), Vec::new());
    while let Some(call) = calls.join_next().await {
        match call.context("a caller panicked").and_then(|answer| answer) {
            Ok(answer) => times.push(answer.took),
            Err(error) => errors.push(format!("{path}: {error:#}")),
        }
    }
    (times, errors)
}

/// The median of what one caller after the other waits.
async fn alone(service: &Service) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..ALONE {
        times.push(service.get(COLD).await?.took);
    }
    times.sort_unstable();
    Ok(percentile(&times, 50))
}

/// Allows this process, and those that it starts, to have so many files open, or as many as the system lets it. Returns
/// how many connections that is.
fn allow_files(wanted: u64) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let allowed = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if current.is_some_and(|current| current < allowed) {
        // Then it stays as it is, which is looked at below.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(allowed),
                maximum,
            },
        );
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)
}
