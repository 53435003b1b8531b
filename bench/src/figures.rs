//! The measurements, one file each.

mod allocations;
mod key;
mod near;
mod out_of_use;
mod redis_latency;
mod redis_throughput;

use anyhow::Result;

pub(crate) use self::allocations::count as count_allocations;
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
pub(crate) const ALL: &[Measurement] = &[
    redis_latency::MEASUREMENT,
    redis_throughput::MEASUREMENT,
    near::MEASUREMENT,
    allocations::MEASUREMENT,
    out_of_use::MEASUREMENT,
    key::MEASUREMENT,
];
