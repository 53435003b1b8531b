//! The causes of refused entries that have been logged: each is, once.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::entry::Rejection;

#[derive(Debug, Default)]
pub(crate) struct LoggedRejections(AtomicU32);

impl LoggedRejections {
    /// Whether this is the first time.
    pub(crate) fn is_first(&self, cause: Rejection) -> bool {
        let bit = 1 << cause as u32;
        self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}
