//! A call that is to be cached.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use super::{entry_ref::EntryRef, results::Results, site::Site};
use crate::{
    cache::Cache,
    entry::{Function, Identity},
    key::recent::KnownCall,
    near::NearLookup,
};

/// A call that is to be cached.
#[derive(Debug)]
pub(super) struct CacheableCall {
    pub(super) cache: Cache,
    pub(super) site: &'static Site,
    pub(super) known: Arc<KnownCall>,
    pub(super) near: Option<Box<NearLookup>>,
    pub(super) ttl: Duration,
}

impl CacheableCall {
    /// The entry of the call.
    pub(super) fn entry<T: DeserializeOwned>(&self, function: Function) -> EntryRef {
        EntryRef {
            address: Arc::clone(&self.known.address),
            identity: Identity {
                fingerprint: self.known.fingerprint,
                shape: self.results::<T>(function).shape,
            },
        }
    }

    /// What is known of what the function returns.
    pub(super) fn results<T: DeserializeOwned>(&self, function: Function) -> &'static Results {
        self.site.results.get::<T>(function, self.site.version())
    }
}
