//! Values by key, for what annotations cannot express.

use std::{borrow::Cow, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cache::{Cache, Invalidated, scope_of_key},
    invalidation::Invalidation,
    key::UNSHOWN,
};

impl Cache {
    /// The value set under `key` for the current tenant; `None` if there is none, if it is of another type, if the store
    /// does not answer in time, or if a tenant is required and missing.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.engine.value(&self.tenant_of_value()?, key).await
    }

    /// Sets a value under `key` for the current tenant, for `ttl`. Returns whether it was stored: not if the store does not
    /// answer in time, if the value cannot be encoded or is too large, or if a tenant is required and missing.
    ///
    /// Concurrent calls for one key: the last one stored stays, unless [`delete`](Self::delete) was called after it began.
    pub async fn set<T: Serialize + DeserializeOwned>(&self, key: &str, value: &T, ttl: Duration) -> bool {
        match self.tenant_of_value() {
            Some(tenant) => self.engine.set_value(&tenant, key, value, ttl).await,
            None => false,
        }
    }

    /// Deletes the value under `key` for the current tenant. Like every invalidation, it happens even if the store does not
    /// answer now.
    pub async fn delete(&self, key: &str) -> Invalidated {
        let mut invalidation = Invalidation::new(&self.engine.namespace);
        if let Some(tenant) = self.tenant() {
            invalidation.add_by_key(&tenant, &[scope_of_key(key)]);
        }
        self.engine.apply(invalidation).await
    }

    /// The tenant of what is stored; `None` if nothing is.
    fn tenant_of_value(&self) -> Option<Cow<'static, str>> {
        let is_carried = self.engine.upstream.is_carried();
        is_carried
            .then(|| self.tenant())
            .flatten()
            .filter(|tenant| tenant != UNSHOWN)
    }

    fn tenant(&self) -> Option<Cow<'static, str>> {
        self.engine.tenant_of_task("a value by key")
    }
}
