//! What goes wrong, and when: drawn from the seed.

mod cluster;
mod log;
pub(super) mod network;
pub(super) mod storage;

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use tokio::time::{Instant, sleep};

pub(super) use self::log::Log;
use super::{
    fleet::Fleet,
    options::{Fault, Options},
    stage::Stage,
};

/// How long everything is well between two faults, in milliseconds: now and then too short to recover.
const PEACE: std::ops::Range<u64> = 50..1_500;

/// Lets things go wrong until the run ends, and leaves everything healed.
///
/// Two sequences run beside each other: of what happens to the store, and of what happens to single nodes.
pub(super) async fn run(options: &Options, stage: &mut Stage, fleet: &Fleet, ends: Instant) -> Result<Log> {
    let log = Log::default();
    let mut random = Rng::with_seed(options.seed);
    let (of_storage, of_network) = (random.fork(), random.fork());
    let storage = async {
        let kinds: &[Fault] = match stage {
            Stage::Server(_) => &storage::KINDS,
            Stage::Cluster(_) => &cluster::KINDS,
        };
        let mut sequence = Sequence::new(options.faults_among(kinds), of_storage, ends);
        while let Some((fault, random)) = sequence.next().await {
            match stage {
                Stage::Server(servers) => storage::strike(fault, random, servers, &log).await?,
                Stage::Cluster(members) => cluster::strike(fault, random, members, fleet, &log).await?,
            }
        }
        anyhow::Ok(())
    };
    let network = async {
        let kinds = options.faults_among(&network::KINDS);
        let mut sequence = Sequence::new(kinds, of_network, ends);
        while let Some((fault, random)) = sequence.next().await {
            network::strike(fault, random, fleet, &log).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(storage, network)?;
    Ok(log)
}

/// One fault after the other.
struct Sequence {
    kinds: Vec<Fault>,
    random: Rng,
    ends: Instant,
}

impl Sequence {
    fn new(kinds: Vec<Fault>, random: Rng, ends: Instant) -> Self {
        Self { kinds, random, ends }
    }

    /// Waits for a while; `None` when the run has ended.
    async fn next(&mut self) -> Option<(Fault, &mut Rng)> {
        if self.kinds.is_empty() {
            tokio::time::sleep_until(self.ends).await;
            return None;
        }
        sleep(millis(&mut self.random, PEACE)).await;
        let fault = self.kinds[self.random.usize(0..self.kinds.len())];
        (Instant::now() < self.ends).then_some((fault, &mut self.random))
    }
}

pub(super) fn millis(random: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}
