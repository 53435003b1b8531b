use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{runtime, time::Instant};

use super::{
    database,
    faults::{self, Log},
    fleet::Fleet,
    node::Note,
    options::{Fault, Options},
    report,
    servers::Servers,
};

/// Runs the service, lets things go wrong, and judges. The code says whether the guarantee was kept.
///
/// # Errors
///
/// If the run could not be made; that says nothing about the guarantee.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let (notes, faults) = runtime.block_on(experiment(options))?;
    Ok(report::judge(options, notes, &faults))
}

async fn experiment(options: &Options) -> Result<(Vec<Note>, Log)> {
    let database = database::serve().await?;
    let mut servers = Servers::start(options.nodes, options.faults.contain(Fault::Failover)).await?;
    let fleet = Fleet::start(options, database, servers.ways().to_vec()).await?;
    let ends = Instant::now() + Duration::from_secs(options.seconds);
    let faults = faults::run(options, &mut servers, &fleet, ends).await?;
    Ok((fleet.finish().await?, faults))
}
