//! A call that is to be cached.

use std::{sync::Arc, time::Duration};

use super::{mode::Mode, site::Site};
use crate::{cache::Cache, key::recent::KnownCall, near::NearLookup};

/// What a call that is to be cached has in common with others of its function.
#[derive(Debug, Clone)]
pub(super) struct CommonCall {
    pub(super) cache: Cache,
    pub(super) site: &'static Site,
    pub(super) ttl: Duration,
    pub(super) mode: Option<Mode>,
    pub(super) verifies: bool,
}

impl CommonCall {
    /// One of the calls.
    pub(super) fn into_call(self, known: Arc<KnownCall>, near: Option<Box<NearLookup>>) -> CacheableCall {
        let Self {
            cache,
            site,
            ttl,
            mode,
            verifies,
        } = self;
        CacheableCall {
            cache,
            site,
            known,
            near,
            ttl,
            mode,
            verifies,
        }
    }
}

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
