use std::{ops::Range, time::Duration};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use crate::lab::{
    servers::Servers,
    strike::{Fault, RIGHTS},
};

/// What goes wrong: everything that leaves the server the writes that it has acknowledged, as there is no saying what is old
/// otherwise.
const FAULTS: [Fault; 23] = [
    Fault::Killed,
    Fault::Hung,
    Fault::BlackHole,
    Fault::Slow(20),
    Fault::Slow(200),
    Fault::Slow(2_000),
    Fault::Trickling,
    Fault::Refused,
    Fault::Reset,
    Fault::HalfClosed,
    Fault::OutOfMemory,
    Fault::EvictsAnything,
    Fault::ReadOnly,
    Fault::CannotSave,
    Fault::NoReplicas,
    Fault::Busy,
    Fault::WrongPassword,
    Fault::NoRight,
    Fault::NoRightToKeys,
    Fault::OneClient,
    Fault::Garbage,
    Fault::WrongTypes,
    Fault::BrokenEntries,
];

/// How long one lasts, in milliseconds.
const LASTING: Range<u64> = 200..3_000;
/// How long everything is well before the next one: now and then too short to recover.
const PEACE: Range<u64> = 50..2_500;

/// What the server's configuration needs for all of them to be possible.
pub(super) fn config() -> Vec<(&'static str, &'static str)> {
    let mut config = vec![RIGHTS];
    config.extend(FAULTS.iter().flat_map(|fault| fault.config()));
    config
}

/// One thing goes wrong after the other, drawn from a seed.
pub(super) struct Mishaps {
    random: Rng,
    count: u64,
}

impl Mishaps {
    pub(super) fn new(random: Rng) -> Self {
        Self { random, count: 0 }
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Lets things go wrong until then, and leaves everything healed.
    pub(super) async fn strike_until(&mut self, ends: Instant, servers: &mut Servers) -> Result<()> {
        loop {
            sleep(self.millis(PEACE)).await;
            let lasting = self.millis(LASTING);
            if Instant::now() + lasting >= ends {
                return Ok(());
            }
            let fault = FAULTS[self.random.usize(0..FAULTS.len())];
            self.count += 1;
            fault
                .strike(servers, lasting)
                .await
                .with_context(|| format!("{fault:?} could not be made"))?;
        }
    }

    fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.random.u64(range))
    }
}
