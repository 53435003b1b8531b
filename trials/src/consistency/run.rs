use std::{process::ExitCode, time::Duration};

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::{
    database::{self, Commit},
    faults::{self, Log},
    fleet::Fleet,
    node::Note,
    options::{Fault, Near, Options, Protocol, name_of},
    report,
    stage::Stage,
};
use crate::lab::runtime;

/// Runs the service, lets things go wrong, and judges. The code says whether the guarantee was kept.
///
/// # Errors
///
/// If the run could not be made; that says nothing about the guarantee.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    ensure!(
        options.near == Near::Off || options.protocol == Protocol::Stamps,
        "--near {} needs --protocol stamps: the others have no near cache",
        name_of(&options.near)
    );
    ensure!(
        !options.policies || options.protocol == Protocol::Stamps,
        "--policies needs --protocol stamps: the others have none"
    );
    let of_cluster = options.faults.contain(Fault::Takeover);
    ensure!(
        !of_cluster || options.protocol == Protocol::Stamps && !options.faults.need_one_server(),
        "--faults takeover is about a cluster: it goes with node alone, and with --protocol stamps"
    );
    let ran = runtime::run(experiment(options))?;
    Ok(report::judge(options, ran))
}

/// What there is to judge after a run.
pub(super) struct Ran {
    pub(super) notes: Vec<Note>,
    pub(super) commits: Vec<Commit>,
    pub(super) faults: Log,
}

async fn experiment(options: &Options) -> Result<Ran> {
    let database = database::serve().await?;
    let mut stage = Stage::set(options).await?;
    let fleet = Fleet::start(options, database.address, stage.ways()).await?;
    let ends = Instant::now() + Duration::from_secs(options.seconds);
    let faults = faults::run(options, &mut stage, &fleet, ends).await?;
    Ok(Ran {
        notes: fleet.finish().await?,
        commits: database.commits(),
        faults,
    })
}
