//! The measurements, one file each.

mod redis_latency;
mod redis_throughput;

use anyhow::Result;

use crate::{bench::Bench, figure::Figure};

/// A measurement: a table of figures.
pub(crate) struct Measurement {
    /// As `--only` takes it.
    pub(crate) name: &'static str,
    /// The table's heading.
    pub(crate) title: &'static str,
    pub(crate) run: fn(Bench) -> Result<Vec<Figure>>,
}

/// All measurements, in the order of the report.
pub(crate) const ALL: &[Measurement] = &[redis_latency::MEASUREMENT, redis_throughput::MEASUREMENT];
