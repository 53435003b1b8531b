//! The service over real HTTP, on a small generated database of its own per test and a cache in the process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop; the helpers too")]

mod cache_status;
mod catalogue;
mod dashboards;
mod errors;
mod harness;
mod invalidation;
mod keys;
mod lists;
mod money;
mod oracle;
mod settlements;
mod tenants;
