//! Which keys somebody wants to see.

use std::fmt::Display;

use super::key::Key;
use crate::key::{ENTRY, Namespace, SHARED_TENANT, STAMP, escape, glob};

/// Which keys are wanted: all entries, unless it says less.
///
/// ```
/// use cache_runtime::inspect::{Key, KeyFilter};
///
/// let filter = KeyFilter::entries().tenant("acme").resource("invoices_*").scope("company", 123);
/// assert!(filter.accepts(&Key::parse("cache:acme:invoices_list:company-123:9f1c2ab34d56")));
/// assert!(!filter.accepts(&Key::parse("cache:acme:invoices_list:company-7:9f1c2ab34d56")));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct KeyFilter {
    kinds: Kinds,
    /// Escaped.
    tenant: Option<String>,
    resource: Option<String>,
    /// Escaped values.
    scopes: Vec<(String, String)>,
    pattern: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kinds {
    #[default]
    Entries,
    Stamps,
    All,
}

impl KeyFilter {
    /// Cached results, and values that were set by key.
    pub fn entries() -> Self {
        Self::default()
    }

    /// Stamps of every sort.
    pub fn stamps() -> Self {
        Self {
            kinds: Kinds::Stamps,
            ..Self::default()
        }
    }

    /// Every key in the namespace of the cache; without one, every key that there is, [foreign](super::KeyKind::Foreign) ones, too.
    pub fn everything() -> Self {
        Self {
            kinds: Kinds::All,
            ..Self::default()
        }
    }

    /// Only of this tenant.
    pub fn tenant(mut self, tenant: impl Display) -> Self {
        self.tenant = Some(escape(&tenant));
        self
    }

    /// Only of what tenants share.
    pub fn shared(mut self) -> Self {
        self.tenant = Some(SHARED_TENANT.to_owned());
        self
    }

    /// Only of this resource, or of those that match, if there is a `*` in it; of tags: of this kind.
    pub fn resource(mut self, pattern: impl Into<String>) -> Self {
        self.resource = Some(pattern.into());
        self
    }

    /// Only with this scope value.
    pub fn scope(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.scopes.push((name.into(), escape(&value)));
        self
    }

    /// Only keys that match, namespace and all. `*` matches any run of characters.
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Whether this is one of the keys.
    pub fn accepts(&self, key: &Key) -> bool {
        let is_of_kind = match self.kinds {
            Kinds::Entries => key.kind.is_entry(),
            Kinds::Stamps => key.kind.is_stamp(),
            Kinds::All => true,
        };
        is_of_kind
            && self
                .pattern
                .as_deref()
                .is_none_or(|pattern| glob::matches(pattern, &key.text))
            && self.tenant.as_deref().is_none_or(|tenant| key.is_of_tenant(tenant))
            && self.is_of_resource(key)
            && self.scopes.iter().all(|(name, value)| key.has_scope(name, value))
    }

    fn is_of_resource(&self, key: &Key) -> bool {
        let Some(pattern) = &self.resource else { return true };
        let resource = key.hot_resource().or(key.resource.as_deref());
        resource.is_some_and(|resource| glob::matches(pattern, resource))
    }

    /// What the store is to look for: never less than what is accepted.
    pub(super) fn to_glob(&self, namespace: &Namespace) -> String {
        if let Some(pattern) = &self.pattern {
            return pattern.clone();
        }
        let tenant = self.tenant.as_deref().unwrap_or("*");
        match (self.kinds, &self.resource) {
            (Kinds::Entries, Some(resource)) if self.tenant.is_some() && tenant != SHARED_TENANT => {
                format!("{}{ENTRY}{tenant}:{resource}:*", namespace.prefix())
            }
            (Kinds::Entries, _) => format!("{}{ENTRY}{tenant}:*", namespace.prefix()),
            (Kinds::Stamps, _) => format!("{}{STAMP}{tenant}:*", namespace.prefix()),
            (Kinds::All, _) => format!("{}*", namespace.prefix()),
        }
    }
}
