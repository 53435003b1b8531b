//! Prints how many heap allocations a hit takes. A process of its own: counting them costs time, which the other
//! measurements must not be charged with.

use std::{alloc::System, process::ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    cache_bench::count_allocations(|| {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    })
}
