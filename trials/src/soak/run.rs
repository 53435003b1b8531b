use std::{cell::Cell, process::ExitCode, time::Duration};

use anyhow::Result;
use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Options,
    mishaps::{self, Mishaps},
    orders::{Alone, Callers, Counts, Order},
    report::Report,
    service::Service,
};
use crate::lab::{runtime, servers::Servers};

/// The caches of the service: two, so that what one of them invalidates is news to the other.
const CACHES: u64 = 2;

/// How many times more callers than keep the machine busy there are in every other phase.
const TOO_MANY: u32 = 10;

/// How long the load stays the same, in a long run.
const PHASE: Duration = Duration::from_secs(20);
/// Phases of each kind that a short run has.
const PHASES: u32 = 2;

/// How often the process is looked at, and how often the figures are printed.
const SAMPLE: Duration = Duration::from_millis(250);
const PRINT: Duration = Duration::from_secs(10);

/// How long the service has before it is measured for what comes later to be compared with: until mutations that were dropped
/// half-way have been invalidated a second time.
const SETTLING: Duration = Duration::from_secs(6);
/// Within this time after a phase the service is as it was.
/// What is invalidated within the rest after a walk is swept when that is over, which takes fifty times as long as the walk did.
const RECOVERY: Duration = Duration::from_mins(2);
/// Between two looks at a service that is not.
const AGAIN: Duration = Duration::from_millis(100);

/// Runs the service, lets things go wrong, and judges. The code says whether it has stood that.
///
/// # Errors
///
/// If the run could not be made; that says nothing about the service.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let report = runtime::run(soak(options))?;
    Ok(report.judge())
}

/// What the service is like when nobody calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct AtRest {
    /// `None` if Redis did not answer.
    pub(super) alone: Option<Alone>,
    pub(super) tasks: u64,
    pub(super) files: u64,
}

async fn soak(options: &Options) -> Result<Report> {
    let mut random = Rng::with_seed(options.seed);
    let mut servers = Servers::start(&mishaps::config(), CACHES, false).await?;
    let mut service = Service::start(&servers, random.u64(..))?;
    let mut mishaps = Mishaps::new(random);

    let served = service.ask(Order::Fill).await?;
    service.ask::<()>(Order::Callers(Callers::NOBODY)).await?;
    sleep(SETTLING).await;
    let mut report = Report::new(served, at_rest(&mut service).await?);
    let phase = PHASE.min(options.minutes / (2 * PHASES));
    let ends = Instant::now() + options.minutes;
    while Instant::now() < ends {
        for callers in [
            Callers {
                count: served,
                paused: true,
            },
            Callers {
                count: served * TOO_MANY,
                paused: false,
            },
        ] {
            service.ask::<()>(Order::Callers(callers)).await?;
            let (ends, over) = (Instant::now() + phase, Cell::new(false));
            let striking = async {
                mishaps.strike_until(ends, &mut servers).await?;
                sleep_until(ends).await;
                over.set(true);
                anyhow::Ok(())
            };
            tokio::try_join!(striking, watch(&mut service, callers, &over, &mut report))?;
        }
        service.ask::<()>(Order::Callers(Callers::NOBODY)).await?;
        recover(&mut service, &mut report).await?;
    }
    report.end(service.ask::<Counts>(Order::Count).await?, mishaps.count());
    service.end().await?;
    Ok(report)
}

/// Looks at the process until the phase is over.
async fn watch(service: &mut Service, callers: Callers, over: &Cell<bool>, report: &mut Report) -> Result<()> {
    while !over.get() {
        report.sample(service.resident()?, service.files()?);
        if report.printed_before(PRINT) {
            report.print(callers, &service.ask(Order::Count).await?);
        }
        sleep(SAMPLE).await;
    }
    Ok(())
}

/// Waits until the service is as it was in the beginning, or should have been.
async fn recover(service: &mut Service, report: &mut Report) -> Result<()> {
    let began = Instant::now();
    loop {
        let now = at_rest(service).await?;
        if report.is_recovered(now) || began.elapsed() > RECOVERY {
            report.rest(now, began.elapsed());
            return Ok(());
        }
        sleep(AGAIN).await;
    }
}

async fn at_rest(service: &mut Service) -> Result<AtRest> {
    Ok(AtRest {
        alone: service.ask(Order::CallAlone).await?,
        tasks: service.ask::<Counts>(Order::Count).await?.tasks,
        files: service.files()?,
    })
}
