//! What happens to a cluster.

use anyhow::Result;
use fastrand::Rng;

use super::Log;
use crate::consistency::{fleet::Fleet, options::Fault, stage::Members};

pub(super) const KINDS: [Fault; 1] = [Fault::Takeover];

/// The nodes stand still until all servers know: as long as two of them take themselves for the owner of a slot both acknowledge
/// invalidations, and no client of theirs can be right.
pub(super) async fn strike(fault: Fault, random: &mut Rng, members: &Members, fleet: &Fleet, log: &Log) -> Result<()> {
    let still = fleet.hold().await?;
    let taken = members.take_over(random).await?;
    drop(still);
    if let Some(what) = taken {
        log.note(fault, what);
    }
    Ok(())
}
