//! Values by key, for what annotations cannot express.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cache::{Cache, Invalidated},
    entry::{Codec, Fidelity, Identity, Meta, Windows, identity},
    invalidation::Invalidation,
    key::{Address, BY_KEY, ScopeValue, UNSHOWN, escape},
    protocol::Reading,
};

impl Cache {
    /// The value set under `key` for the current tenant; `None` if there is none, if it is of another type, if the store
    /// does not answer in time, or if a tenant is required and missing.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let (address, identity) = self.locate::<T>(key)?;
        match self.engine.read(&address, None, &identity).await? {
            Reading::Hit { envelope, .. } => envelope.decode().ok(),
            Reading::Stale { .. } | Reading::Miss { .. } => None,
        }
    }

    /// Sets a value under `key` for the current tenant, for `ttl`. Returns whether it was stored: not if the store does not
    /// answer in time, if the value cannot be encoded or is too large, or if a tenant is required and missing.
    ///
    /// Concurrent calls for one key: the last one stored stays, unless [`delete`](Self::delete) was called after it began.
    pub async fn set<T: Serialize + DeserializeOwned>(&self, key: &str, value: &T, ttl: Duration) -> bool {
        self.try_set(key, value, ttl).await.unwrap_or(false)
    }

    /// Deletes the value under `key` for the current tenant. Like every invalidation, it happens even if the store does not
    /// answer now.
    pub async fn delete(&self, key: &str) -> Invalidated {
        let mut invalidation = Invalidation::new(&self.engine.namespace);
        if let Some(tenant) = self.tenant() {
            invalidation.add_by_key(&tenant, &[scope(key)]);
        }
        self.engine.apply(invalidation).await
    }

    async fn try_set<T: Serialize + DeserializeOwned>(&self, key: &str, value: &T, ttl: Duration) -> Option<bool> {
        let (address, identity) = self.locate::<T>(key)?;
        let ticket = match self.engine.read(&address, None, &identity).await? {
            Reading::Hit { ticket, .. } => ticket,
            Reading::Stale { ticket, .. } | Reading::Miss { ticket, .. } => ticket?,
        };
        let limit = self.engine.settings.sealing.max_value_size;
        let value = self.engine.encode(value, Codec::Json, limit, Fidelity::Unsure).ok()?;
        let meta = Meta {
            identity,
            ttl,
            windows: Windows::default(),
            load_duration: Duration::ZERO,
            is_negative: false,
        };
        Some(self.engine.fill(&ticket, meta, &value).await)
    }

    fn locate<T: DeserializeOwned>(&self, key: &str) -> Option<(Arc<Address>, Identity)> {
        if !self.engine.upstream.is_carried() {
            return None;
        }
        let tenant = self.tenant().filter(|tenant| tenant != UNSHOWN)?;
        let address = Address::from_escaped(&self.engine.namespace, &tenant, BY_KEY, &[scope(key)], "value");
        let fingerprint = identity::fingerprint(&address, &[]);
        let shape = identity::shape_by_key::<T>();
        Some((Arc::new(address), Identity { fingerprint, shape }))
    }

    fn tenant(&self) -> Option<Cow<'static, str>> {
        self.engine.tenant_of_task("a value by key")
    }
}

/// A key is a scope of its own, so that deleting it is an invalidation like any other.
fn scope(key: &str) -> ScopeValue {
    ("key", escape(key))
}
