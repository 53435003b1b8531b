//! The layer for HTTP services and the probes, in a router of axum: what a client is told, and what it may ask for.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop; the helpers too")]

mod cache_resources;
mod directives;
mod etag;
mod faults;
mod probes;
mod shop;
mod status;
mod tenants;
