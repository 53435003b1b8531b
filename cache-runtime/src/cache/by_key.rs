//! Values by key as the engine stores them: each in a scope of its own, so that deleting one is an invalidation like any other.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::Engine;
use crate::{
    entry::{Fidelity, Identity, Meta, identity},
    key::{Address, BY_KEY, ScopeValue, escape},
    protocol::Reading,
};

/// The scope of a key.
pub(crate) fn scope_of_key(key: &str) -> ScopeValue {
    ("key", escape(key))
}

impl Engine {
    /// The value under a key of this tenant (escaped); `None` if there is none of the type, or the store does not answer in time.
    pub(crate) async fn value<T: DeserializeOwned>(&self, tenant: &str, key: &str) -> Option<T> {
        let (address, identity) = self.locate::<T>(tenant, key);
        match self.read(&address, None, &identity).await? {
            Reading::Hit { envelope, .. } => envelope.decode().ok(),
            Reading::Stale { .. } | Reading::Miss { .. } => None,
        }
    }

    /// Sets the value under a key of this tenant (escaped). Returns whether it was stored.
    pub(crate) async fn set_value<T>(&self, tenant: &str, key: &str, value: &T, ttl: Duration) -> bool
    where
        T: Serialize + DeserializeOwned,
    {
        let (address, identity) = self.locate::<T>(tenant, key);
        let Some(ticket) = self.ticket(&address).await.flatten() else {
            return false;
        };
        let limit = self.settings.sealing.max_value_size;
        let figures = self.figures.by_key();
        match figures.noting(self.settings.codec.encode(value, limit, Fidelity::Unsure)) {
            Ok(value) => {
                let filled = self.fill(figures, &ticket, Meta::new(identity, ttl), &value).await;
                filled.is_some()
            }
            Err(_) => false,
        }
    }

    fn locate<T: DeserializeOwned>(&self, tenant: &str, key: &str) -> (Arc<Address>, Identity) {
        let address = Address::from_escaped(&self.namespace, tenant, BY_KEY, &[scope_of_key(key)], "value");
        let fingerprint = identity::fingerprint(&address, &[]);
        let shape = identity::shape_by_key::<T>();
        (Arc::new(address), Identity { fingerprint, shape })
    }
}
