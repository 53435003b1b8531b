//! What is to be invalidated: the stamps and patterns that names and scope values come to, and what waits to be sent, or to be
//! made again.

mod change;
mod journal;
mod patterns;
mod repeats;

use std::{
    borrow::Cow,
    collections::BTreeSet,
    slice,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::time::Instant;

pub(crate) use self::{
    change::{Change, Changes},
    journal::{Journal, LIMIT as JOURNAL_LIMIT, Position},
    patterns::Patterns,
    repeats::Repeats,
};
use crate::{
    key::{Address, BY_KEY, Namespace, SHARED_TENANT, ScopeValue, StampKey, UNSHOWN},
    resource::{Resource, Tenancy, declared},
};

/// What becomes of the entries that are invalidated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Strength {
    /// Nobody is given one of them any more.
    #[default]
    Strict,
    /// They are old: returned only while they are replaced.
    Soft,
}

/// Stamps to remove, and the patterns to sweep afterwards.
#[derive(Debug, Default)]
pub(crate) struct Invalidation {
    namespace: Namespace,
    stamps: BTreeSet<StampKey>,
    patterns: Patterns,
    /// For the log.
    resources: BTreeSet<Cow<'static, str>>,
    /// Of tags; for the log.
    kinds: BTreeSet<Cow<'static, str>>,
    tenants: BTreeSet<String>,
    /// All stamps of all tenants.
    everything: bool,
}

impl Invalidation {
    /// Of nothing yet, in this namespace.
    pub(crate) fn new(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            patterns: Patterns::new(namespace),
            ..Self::default()
        }
    }

    /// Of everything of a tenant that this program can have stored; of the shared one, of what tenants share. What cannot be
    /// invalidated softly is strictly.
    pub(crate) fn of_tenant(namespace: &Namespace, strength: Strength, tenant: &str) -> Self {
        let tenancy = if tenant == SHARED_TENANT {
            Tenancy::Shared
        } else {
            Tenancy::PerTenant
        };
        let mut invalidation = Self::new(namespace);
        for resource in declared::resources().filter(|resource| resource.tenancy() == tenancy) {
            let strength = if resource.is_soft() { strength } else { Strength::Strict };
            invalidation.add(strength, Some(tenant), resource, &[]);
        }
        if tenancy == Tenancy::PerTenant {
            invalidation.add_by_key(tenant, &[]);
        }
        // Other programs may have tagged what this one does not declare.
        for kind in declared::tags() {
            invalidation.stamps.insert(namespace.kind(tenant, kind));
        }
        invalidation
    }

    /// Adds a resource of a tenant (escaped), or only what has these scope values. Without a tenant only a resource that
    /// tenants share can be meant. Softly only what is declared so.
    pub(crate) fn add(&mut self, strength: Strength, tenant: Option<&str>, resource: &Resource, scopes: &[ScopeValue]) {
        let tenant = match resource.tenancy() {
            Tenancy::Shared => SHARED_TENANT,
            Tenancy::PerTenant => match tenant {
                Some(tenant) => tenant,
                None => return,
            },
        };
        if tenant == UNSHOWN {
            self.widen();
        }
        // Of a value that cannot be told nothing is known but the resource.
        let is_told = scopes.iter().all(|(_, value)| value != UNSHOWN);
        let mut scopes = if is_told { scopes.to_vec() } else { Vec::new() };
        scopes.sort_by_key(|(name, _)| resource.scopes().iter().position(|declared| declared == name));
        // There is a stamp for each scope value and one for all of them together. For some of several, the stamp of the
        // first covers them, and more.
        let stamped = if scopes.len() == resource.scopes().len() {
            &scopes[..]
        } else {
            &scopes[..scopes.len().min(1)]
        };
        match strength {
            Strength::Strict => self.add_strict(tenant, resource.name().into(), stamped),
            // Nothing is to be swept: the entries are of use until they are replaced.
            Strength::Soft => {
                let stamp = self.namespace.stamp(tenant, resource.name(), stamped);
                self.stamps.insert(stamp.soft());
                self.note(tenant, resource.name().into());
            }
        }
    }

    /// Adds one stamp of a resource that another version of the program may have declared: of a tenant (escaped), or of what
    /// tenants share. If the tenant is not known, everything of all of them is meant.
    pub(crate) fn add_stamp(&mut self, tenant: Option<&str>, shared: bool, resource: &str, scopes: &[(&str, String)]) {
        let tenant = if shared { Some(SHARED_TENANT) } else { tenant };
        match tenant {
            Some(tenant) => self.add_strict(tenant, resource.to_owned().into(), scopes),
            None => self.everything = true,
        }
    }

    /// Adds stamps that were found in the store.
    #[cfg(feature = "cli")]
    pub(crate) fn add_stamps(&mut self, stamps: impl IntoIterator<Item = StampKey>) {
        self.stamps.extend(stamps);
    }

    /// Adds one tag of a kind that another version of the program may have declared, or all tags of the kind; of the tenant as for
    /// [`add_stamp`](Self::add_stamp), and of what tenants share.
    pub(crate) fn add_tag(&mut self, tenant: Option<&str>, kind: &str, value: Option<&str>) {
        let Some(tenant) = tenant else {
            self.everything = true;
            return;
        };
        self.kinds.insert(kind.to_owned().into());
        for tenant in [tenant, SHARED_TENANT] {
            self.insert_tags(tenant, kind, value.as_ref().map(slice::from_ref));
        }
    }

    fn add_strict(&mut self, tenant: &str, resource: Cow<'static, str>, scopes: &[(&str, String)]) {
        self.stamps.insert(self.namespace.stamp(tenant, &resource, scopes));
        self.patterns.add(tenant, resource.clone(), scopes);
        self.note(tenant, resource);
    }

    fn note(&mut self, tenant: &str, resource: Cow<'static, str>) {
        self.resources.insert(resource);
        self.tenants.insert(tenant.to_owned());
    }

    /// Adds what was set by key: under these scope values, or all of it.
    pub(crate) fn add_by_key(&mut self, tenant: &str, scopes: &[ScopeValue]) {
        if tenant == UNSHOWN {
            self.widen();
        }
        self.note(tenant, BY_KEY.into());
        self.stamps.insert(self.namespace.stamp(tenant, BY_KEY, scopes));
    }

    /// Adds the tags of a kind that have these values (escaped), or all of its tags: those of a tenant (escaped), and those of what
    /// tenants share, since it is not known what has been tagged. Without a tenant only the latter can be meant.
    pub(crate) fn add_tags(&mut self, tenant: Option<&str>, kind: &'static str, values: Option<&[ScopeValue]>) {
        if tenant == Some(UNSHOWN) {
            self.widen();
        }
        self.kinds.insert(kind.into());
        // Of a value that cannot be told nothing is known but the kind.
        let told = values.filter(|values| values.iter().all(|(_, value)| value != UNSHOWN));
        let told: Option<Vec<&str>> = told.map(|values| values.iter().map(|(_, value)| value.as_str()).collect());
        for tenant in tenant.into_iter().chain([SHARED_TENANT]) {
            self.insert_tags(tenant, kind, told.as_deref());
        }
    }

    /// The stamps of tags of these values, or of all tags of the kind.
    fn insert_tags(&mut self, tenant: &str, kind: &str, values: Option<&[&str]>) {
        let kind = self.namespace.kind(tenant, kind);
        match values {
            Some(values) => {
                let stamps = values.iter().flat_map(|value| [kind.epoch_of(value), kind.tag(value)]);
                self.stamps.extend(stamps);
            }
            None => _ = self.stamps.insert(kind),
        }
        self.tenants.insert(tenant.to_owned());
    }

    /// It is not known whose: everything of all tenants is meant.
    fn widen(&mut self) {
        static SAID: AtomicBool = AtomicBool::new(false);
        if !SAID.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the `Display` of a tenant returned an error: what is to be invalidated for it is invalidated for all tenants"
            );
        }
        self.everything = true;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.everything |= other.everything;
        self.stamps.extend(other.stamps.iter().cloned());
        self.patterns.merge(other.patterns.clone());
        self.resources.extend(other.resources.iter().cloned());
        self.kinds.extend(other.kinds.iter().cloned());
        self.tenants.extend(other.tenants.iter().cloned());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stamps.is_empty() && !self.everything
    }

    /// Whether anything of the resource is named, or might be: tags of any resource are.
    pub(crate) fn may_name(&self, resource: &str) -> bool {
        self.resources.contains(resource) || !self.kinds.is_empty()
    }

    /// Whether the entry at this address depends on one of the stamps that are removed, or might.
    pub(crate) fn may_touch(&self, address: &Address) -> bool {
        self.everything || self.stamps.iter().any(|stamp| address.may_depend_on(stamp))
    }

    /// The keys of the stamps.
    pub(crate) fn stamps(&self) -> Vec<StampKey> {
        self.stamps.iter().cloned().collect()
    }

    /// The names of the resources of which something is meant.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(AsRef::as_ref)
    }

    /// The kinds of tags of which something is meant.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(AsRef::as_ref)
    }

    /// The tenants whose, escaped.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.iter().map(String::as_str)
    }

    /// Whether all stamps of all tenants are meant.
    pub(crate) fn is_of_everything(&self) -> bool {
        self.everything
    }

    /// The patterns of the entries that become unusable.
    pub(crate) fn into_patterns(self) -> Patterns {
        self.patterns
    }

    /// One line for each invalidation. `acknowledged` is false while it still has to be sent.
    pub(crate) fn log(&self, acknowledged: bool, started: Instant) {
        let tenants: Vec<&str> = self.tenants.iter().map(String::as_str).collect();
        let resources: Vec<&str> = self.resources.iter().map(AsRef::as_ref).collect();
        let kinds: Vec<&str> = self.kinds.iter().map(AsRef::as_ref).collect();
        let tags = kinds.join(",");
        tracing::info!(
            resource = resources.join(","),
            tags = (!tags.is_empty()).then_some(&*tags),
            tenant = tenants.join(","),
            stamps = self.stamps.len(),
            acknowledged,
            elapsed = ?started.elapsed(),
            "invalidated"
        );
    }
}
