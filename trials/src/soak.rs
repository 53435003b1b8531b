//! `cargo xtask soak`: does anything grow, leak or stay slow, however long it goes on?
//!
//! This process is the laboratory. It has the Redis server and the bad network in front of it ([`crate::lab::servers`]), starts the
//! service with its callers as another process ([`node`]), lets one thing after the other go wrong ([`mishaps`]) under normal
//! load and under far too much in turns ([`run()`]), and watches that process from outside. What it came to is then judged
//! ([`report`]).

mod mishaps;
mod node;
mod orders;
mod report;
mod run;
mod service;

use std::time::Duration;

use clap::Args;

pub(crate) use self::{
    node::{NodeOptions, run as run_node},
    run::run,
};

/// `cargo xtask soak`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How long to go on, in minutes; `0.5` is half a minute.
    #[arg(long, default_value = "30", value_parser = minutes, value_name = "N")]
    minutes: Duration,

    /// What is asked for, how long it takes and what goes wrong is drawn from this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("`{text}` is no number of minutes"))?;
    Duration::try_from_secs_f64(minutes * 60.0)
        .ok()
        .filter(|lasting| lasting.as_secs() >= 1)
        .ok_or_else(|| "it has to last a second at least".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_may_be_parts_of_one() {
        assert_eq!(minutes("0.5"), Ok(Duration::from_secs(30)));
        for wrong in ["-1", "0", "NaN", "1e300", "soon"] {
            assert!(minutes(wrong).is_err(), "{wrong}");
        }
    }
}
