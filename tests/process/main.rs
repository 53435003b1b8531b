//! The process around the calls: how it starts and what it says then, what it logs and what it keeps to itself, which
//! runtimes and servers its calls run on.
//!
//! What has an effect on the whole process is here: tests that count panics, that install a cache, or that have an
//! environment of their own. The last two run as programs of their own.

mod cache_resources;
mod listener;
mod logs;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "metrics")]
mod monitoring;
mod resource_stats;
mod runtimes;
mod secrets;
mod start;
mod traces;
