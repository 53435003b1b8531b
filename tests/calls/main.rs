//! Calls: what one call of a `#[cached]` function returns and stores, and what calls at the same time do to one another.

mod bulk;
mod bulk_errors;
mod bulk_flights;
mod bulk_leases;
mod bulk_policies;
mod bulk_timeouts;
mod bulk_verify;
mod cache_resources;
mod caching;
#[cfg(feature = "codecs")]
mod codecs;
mod costs;
mod encoded;
mod etag;
mod faithful;
mod flights;
mod http;
mod identity;
mod leases;
mod limits;
mod liveness;
mod liveness_circles;
mod liveness_random;
mod modes;
mod near;
mod near_threads;
mod owned;
mod spawned;
#[cfg(feature = "codecs")]
mod third_party;
mod unshown;
mod verify;
mod warm;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what is taken from the heap.
#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
