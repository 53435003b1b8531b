//! A call that is to be cached.

use std::{sync::Arc, time::Duration};

use super::{mode::Mode, site::Site};
use crate::{cache::Cache, key::recent::KnownCall, near::NearLookup};

/// A call that is to be cached.
#[derive(Debug)]
pub(super) struct CacheableCall {
    pub(super) cache: Cache,
    pub(super) site: &'static Site,
    pub(super) known: Arc<KnownCall>,
    pub(super) near: Option<Box<NearLookup>>,
    pub(super) ttl: Duration,
    /// That of the task.
    pub(super) mode: Option<Mode>,
    /// Whether a hit is verified.
    pub(super) verifies: bool,
}
