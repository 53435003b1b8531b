use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Result;
use tokio::time::Instant;

use super::{
    database::{self, Commit},
    faults::{self, Log},
    fleet::Fleet,
    node::{self, Note},
    options::{Options, Writers},
    report, sql,
    stage::Stage,
};
use crate::lab::runtime;

/// Runs the service, lets things go wrong, and judges. The code says whether the guarantee was kept.
///
/// # Errors
///
/// If the run could not be made; that says nothing about the guarantee.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    options.check()?;
    if options.writers == Writers::Sql {
        return sql::run(options);
    }
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
    let ways = stage.ways();
    let (of_nodes, address) = (options.clone(), database.address);
    let redis: Vec<SocketAddr> = ways.iter().map(|way| way.address()).collect();
    let fleet = Fleet::start(ways, move |number, seat| {
        node::arguments(&of_nodes, number, address, redis[seat])
    })
    .await?;
    let ends = Instant::now() + Duration::from_secs(options.seconds);
    let faults = faults::run(options, &mut stage, &fleet, ends).await?;
    Ok(Ran {
        notes: fleet.finish().await?,
        commits: database.commits(),
        faults,
    })
}
