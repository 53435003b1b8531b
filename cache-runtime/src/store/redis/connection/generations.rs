//! The count of what may have been another server each time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many connections of a store there have been, and failovers that were seen otherwise. Clones count together.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Generations(Arc<AtomicU64>);

impl Generations {
    pub(in super::super) fn current(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Before anything can be read from what may be another server.
    pub(in super::super) fn advance(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
