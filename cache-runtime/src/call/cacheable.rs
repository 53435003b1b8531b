//! A call that is to be cached.

use std::time::Duration;

use super::{mode::Mode, site::Site};
use crate::cache::Cache;

/// A call that is to be cached, as far as it is like others of its function.
#[derive(Debug, Clone)]
pub(super) struct CacheableCall {
    pub(super) cache: Cache,
    pub(super) site: &'static Site,
    pub(super) ttl: Duration,
    /// That of the task.
    pub(super) mode: Option<Mode>,
    /// Whether a hit is verified.
    pub(super) verifies: bool,
}
