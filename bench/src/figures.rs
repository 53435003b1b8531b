//! The measurements, one file each.

mod allocations;
mod bulk;
mod changes;
mod cluster_throughput;
mod codecs;
mod cold_key;
mod encoded;
mod expansion;
mod freshness;
mod http;
mod invalidation;
mod key;
mod near;
mod near_memory;
mod out_of_use;
mod reach;
mod redis_latency;
mod redis_throughput;
mod service_latency;
mod sweep;
mod sweep_price;

use anyhow::Result;

pub(crate) use self::{
    allocations::count as count_allocations, cold_key::process as one_of_several_processes,
    near_memory::count as count_bytes,
};
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
    cluster_throughput::MEASUREMENT,
    bulk::MEASUREMENT,
    codecs::MEASUREMENT,
    encoded::MEASUREMENT,
    near::MEASUREMENT,
    allocations::MEASUREMENT,
    out_of_use::MEASUREMENT,
    key::MEASUREMENT,
    cold_key::MEASUREMENT,
    freshness::MEASUREMENT,
    invalidation::MEASUREMENT,
    reach::MEASUREMENT,
    sweep::MEASUREMENT,
    sweep_price::MEASUREMENT,
    changes::MEASUREMENT,
    near_memory::MEASUREMENT,
    service_latency::MEASUREMENT,
    http::MEASUREMENT,
    expansion::MEASUREMENT,
];
