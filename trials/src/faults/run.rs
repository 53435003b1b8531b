use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use escargot::CargoBuild;
use tokio::time::{interval, sleep, timeout};

use super::{
    load::Load,
    matrix::{MATRIX, Row, Shown},
    options::Options,
    outcome::{Outcome, RESUMES_WITHIN, Times},
    report::Report,
    service::Service,
    stage::{Scenery, Stage},
    stampede,
};
use crate::lab::{runtime, servers::Servers, strike::Fault};

/// How long callers are at work before the fault, from the first answer of the cache on, and after it.
const PEACE: Duration = Duration::from_millis(500);
/// Within this time a healthy cache answers.
const WARM: Duration = Duration::from_secs(20);

/// Runs the rows that were asked for. The code says whether all promises were kept.
///
/// # Errors
///
/// If a row could not be run; that says nothing about its promises.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let rows: Vec<_> = MATRIX
        .iter()
        .filter(|row| options.row.is_empty() || options.row.contains(&row.number))
        .collect();
    let numbers: Vec<_> = rows.iter().map(|row| row.number).collect();
    if let Some(unknown) = options.row.iter().find(|number| !numbers.contains(number)) {
        bail!("there is no row {unknown}: the rows are those of docs/resilience.md, 1 to 31");
    }
    let program = match &options.program {
        Some(program) => program.clone(),
        None => build()?,
    };
    let report = runtime::run(play(&program, &rows, options))?;
    let markdown = report.markdown();
    println!("\n{markdown}");
    if let Some(file) = &options.markdown {
        fs::write(file, &markdown).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if report.broken() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    println!("In {} rows a promise was broken.", report.broken());
    Ok(ExitCode::FAILURE)
}

/// The invoicing example, with optimisations.
fn build() -> Result<PathBuf> {
    println!("building invoicing ...");
    let built = CargoBuild::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .package("invoicing")
        .bin("invoicing")
        .release()
        .run()
        .context("invoicing does not build")?;
    Ok(built.path().to_owned())
}

async fn play(program: &Path, rows: &[&Row], options: &Options) -> Result<Report> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let database = folder.path().join("invoicing.db");
    let scenery = Scenery {
        program,
        database: &database,
        bare: Arc::new(Service::start(program, &database, None, "").await?),
    };
    let mut report = Report::new();
    for row in rows {
        let played = match row.shown {
            Shown::Strike(fault) => strike(&scenery, row, fault, options).await,
            Shown::Stampede => stampede::stampede(&scenery, row).await,
            Shown::Overload => stampede::overload(&scenery, row, options).await,
            Shown::Test(_) => {
                report.refer(row);
                continue;
            }
        };
        let mut outcome = played.with_context(|| format!("row {}, {}", row.number, row.name))?;
        outcome.judge();
        report.add(row, &outcome);
    }
    Ok(report)
}

async fn strike(scenery: &Scenery<'_>, row: &Row, fault: Fault, options: &Options) -> Result<Outcome> {
    let Stage { mut servers, services } = Stage::set(scenery, row, "").await?;
    let from_the_start = Instant::now();
    let load = Load::start(&services, options.callers, fault.loses_writes());
    if fault != Fault::Absent {
        timeout(WARM, load.seen().hit_since(from_the_start))
            .await
            .with_context(|| format!("the cache was not used within {WARM:?}"))?;
        sleep(PEACE).await;
    }
    let ways = servers.ways().to_vec();
    let began = Instant::now();
    let peak = Cell::new(0);
    let counting = async {
        let (mut second, mut before, mut most) = (interval(Duration::from_secs(1)), None, 0);
        loop {
            second.tick().await;
            let now: u64 = ways.iter().map(|way| way.accepted()).sum();
            most = most.max(now - before.replace(now).unwrap_or(now));
            peak.set(most);
        }
    };
    let (ended, resumed) = tokio::select! {
        struck = until_resumed(&mut servers, fault, options.lasting(), &load) => struck?,
        () = counting => unreachable!("it counts for ever"),
    };
    sleep(PEACE).await;
    let seen = load.stop().await?;
    let times = Times { began, ended, resumed };
    let mut outcome = Outcome::of(fault, &seen, &services.cached.heard, times);
    outcome.connections = peak.get();
    outcome.peak_memory = services.cached.peak_memory();
    Ok(outcome)
}

/// Makes the fault and ends it. Returns when that was, and when the cache was used again.
async fn until_resumed(
    servers: &mut Servers,
    fault: Fault,
    lasting: Duration,
    load: &Load,
) -> Result<(Instant, Option<Instant>)> {
    fault.strike(servers, lasting).await?;
    let ended = Instant::now();
    // Longer than it may take, so that it is known how much too long it took.
    let resumed = timeout(RESUMES_WITHIN * 3, load.seen().hit_since(ended)).await;
    Ok((ended, resumed.ok()))
}
