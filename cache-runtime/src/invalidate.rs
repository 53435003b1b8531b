//! Invalidation: what is named, what becomes of it.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::Instant;

use crate::{
    Cache, by_key,
    cache::Inner,
    declared,
    journal::Position,
    key::{self, DEFAULT_TENANT, NOBODY, SHARED_TENANT, ScopeValue, UNSHOWN, escape},
    resource::{Resource, Selection, Tenancy},
    store::{StampWatcher as _, StoreError},
    sweeper::Sweeper,
};

/// Stamps to remove, and the patterns to sweep afterwards.
#[derive(Debug, Default)]
pub(crate) struct Invalidation {
    /// What the keys of the cache begin with.
    prefix: Arc<str>,
    stamps: BTreeSet<String>,
    patterns: Vec<String>,
    /// For the log.
    resources: BTreeSet<&'static str>,
    tenants: BTreeSet<String>,
    /// All stamps of all tenants.
    everything: bool,
}

impl Invalidation {
    /// Of this cache, of nothing yet.
    pub(crate) fn of(inner: &Inner) -> Self {
        Self {
            prefix: Arc::clone(&inner.key_prefix),
            ..Self::default()
        }
    }

    /// Adds a resource of a tenant (escaped), or only what has these scope values. Without a tenant only a resource that
    /// tenants share can be meant.
    pub(crate) fn add(&mut self, tenant: Option<&str>, resource: &Resource, scopes: &[ScopeValue]) {
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
        self.resources.insert(resource.name());
        self.tenants.insert(tenant.to_owned());
        self.stamps
            .insert(key::stamp_key(&self.prefix, tenant, resource.name(), stamped));
        self.patterns
            .push(key::sweep_pattern(&self.prefix, tenant, resource.name(), stamped));
    }

    /// Adds what was set by key: under these scope values, or all of it.
    pub(crate) fn add_by_key(&mut self, tenant: &str, scopes: &[ScopeValue]) {
        if tenant == UNSHOWN {
            self.widen();
        }
        self.resources.insert(by_key::RESOURCE);
        self.tenants.insert(tenant.to_owned());
        self.stamps
            .insert(key::stamp_key(&self.prefix, tenant, by_key::RESOURCE, scopes));
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
        self.patterns.extend(other.patterns.iter().cloned());
        self.resources.extend(&other.resources);
        self.tenants.extend(other.tenants.iter().cloned());
    }

    /// What it is about, for the log.
    fn subject(&self) -> Subject {
        let tenants: Vec<&str> = self.tenants.iter().map(String::as_str).collect();
        let resources: Vec<&str> = self.resources.iter().copied().collect();
        Subject {
            resource: resources.join(","),
            tenant: tenants.join(","),
            stamps: self.stamps.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stamps.is_empty() && !self.everything
    }

    /// Whether anything of the resource is named.
    pub(crate) fn names(&self, resource: &str) -> bool {
        self.resources.contains(resource)
    }

    /// Whether one of these stamps is removed.
    pub(crate) fn touches(&self, stamps: &[String]) -> bool {
        self.everything || stamps.iter().any(|stamp| self.stamps.contains(stamp))
    }

    /// The keys of the stamps.
    pub(crate) fn stamps(&self) -> Vec<String> {
        self.stamps.iter().cloned().collect()
    }
}

/// Everything of a tenant that this program can have stored; of the shared one, what tenants share.
pub(crate) fn all_of_tenant(inner: &Inner, tenant: &str) -> Invalidation {
    let tenancy = if tenant == SHARED_TENANT {
        Tenancy::Shared
    } else {
        Tenancy::PerTenant
    };
    let mut invalidation = Invalidation::of(inner);
    for resource in declared::resources().filter(|resource| resource.tenancy() == tenancy) {
        invalidation.add(Some(tenant), resource, &[]);
    }
    if tenancy == Tenancy::PerTenant {
        invalidation.add_by_key(tenant, &[]);
    }
    invalidation
}

/// The resources, the tenants, and the number of stamps of an invalidation.
struct Subject {
    resource: String,
    tenant: String,
    stamps: usize,
}

/// One line for each invalidation. `acknowledged` is false while the keeper still has to send it.
fn log(
    Subject {
        resource,
        tenant,
        stamps,
    }: &Subject,
    acknowledged: bool,
    started: Instant,
) {
    tracing::info!(resource, tenant, stamps, acknowledged, elapsed = ?started.elapsed(), "invalidated");
}

/// What became of an invalidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an invalidation has reached everybody or it has not, and who looks must not forget the second"
)]
pub enum Invalidated {
    /// No call that starts from now on, in any process, is given what was loaded before.
    Acknowledged,
    /// The store did not answer in time. No call in *this* process is given what was loaded before; for the others the
    /// invalidation is sent in the background until the store has acknowledged it.
    Pending,
}

impl Inner {
    /// Writes the removal of all stamps down: from here on it happens, whatever becomes of the caller, and nobody in this process is
    /// given what depends on them.
    fn enqueue_everything(self: &Arc<Self>) {
        self.journal.write_everything();
        self.near.all_changed();
        self.flights.detach_all();
        self.keeper.ensure(self);
        self.keeper.wake();
    }

    /// As [`enqueue_everything`](Self::enqueue_everything), of these stamps.
    fn enqueue(self: &Arc<Self>, stamps: &[String]) -> Position {
        let position = self.journal.write(stamps);
        self.near.void(stamps);
        self.flights.detach(stamps);
        self.keeper.ensure(self);
        position
    }

    /// As [`apply`](Self::apply), for what was dropped half-way: nobody can wait, and whether the database has committed is
    /// not known, nor whether it is still going to. So the invalidation is made now, and again some time later.
    pub(crate) fn apply_unfinished(self: &Arc<Self>, invalidation: Invalidation) {
        if self.store.is_some() && !invalidation.is_empty() {
            let started = Instant::now();
            let stamps = invalidation.stamps();
            if invalidation.everything {
                self.enqueue_everything();
            }
            self.enqueue(&stamps);
            if !self.keeper.is_closed() {
                self.repeats.write(&stamps);
            }
            self.counters.invalidations.add(1);
            self.keeper.wake();
            log(&invalidation.subject(), false, started);
            Sweeper::request(self, invalidation.patterns);
        }
    }

    /// Writes the removal of these stamps down once more.
    pub(crate) fn repeat(self: &Arc<Self>, stamps: &[String]) {
        if !stamps.is_empty() {
            tracing::debug!(
                stamps = stamps.len(),
                "invalidated again: their mutations were dropped half-way"
            );
            self.enqueue(stamps);
        }
    }

    /// Invalidates, and waits for the acknowledgement within the deadline.
    pub(crate) async fn apply(self: &Arc<Self>, invalidation: Invalidation) -> Invalidated {
        if self.store.is_none() || invalidation.is_empty() {
            return Invalidated::Acknowledged;
        }
        let started = Instant::now();
        self.counters.invalidations.add(1);
        let invalidated = if invalidation.everything {
            self.enqueue_everything();
            Invalidated::Pending
        } else {
            self.remove(&invalidation.stamps()).await
        };
        log(
            &invalidation.subject(),
            invalidated == Invalidated::Acknowledged,
            started,
        );
        Sweeper::request(self, invalidation.patterns);
        invalidated
    }

    /// As [`apply`](Self::apply), before a mutation of `crash_safe` resources: what it is about is unusable already while the
    /// body runs. The mutation's own invalidation follows.
    pub(crate) async fn prepare(self: &Arc<Self>, invalidation: Invalidation) {
        if self.store.is_some() {
            if invalidation.everything {
                self.enqueue_everything();
            }
            self.remove(&invalidation.stamps()).await;
        }
    }

    async fn remove(self: &Arc<Self>, stamps: &[String]) -> Invalidated {
        let position = self.enqueue(stamps);
        // Dropped half-way, or without an answer, the rest is the keeper's.
        let mut unfinished = WakeKeeper(Some(self));
        let removed = match &self.store {
            Some(store) if self.health.is_trusted() && self.is_carried() => {
                self.write("an invalidation", store.remove_stamps(stamps)).await
            }
            _ => Err(StoreError::unavailable()),
        };
        if removed.is_err() {
            return Invalidated::Pending;
        }
        self.journal.acknowledge(stamps, position);
        unfinished.0 = None;
        Invalidated::Acknowledged
    }
}

/// Hands what is unfinished to the keeper.
struct WakeKeeper<'a>(Option<&'a Arc<Inner>>);

impl Drop for WakeKeeper<'_> {
    fn drop(&mut self) {
        if let Some(inner) = self.0 {
            inner.keeper.wake();
        }
    }
}

/// An invalidation by hand, made by [`Cache::invalidate`]: add to it, then `.await` it.
#[derive(Debug)]
#[must_use = "an invalidation does nothing until it is awaited"]
pub struct Invalidate {
    cache: Cache,
    what: What,
    tenant: Option<String>,
    scopes: Vec<(String, String)>,
}

#[derive(Debug)]
enum What {
    Pattern(String),
    Tenant,
}

impl Invalidate {
    pub(crate) fn of_pattern(cache: &Cache, pattern: String) -> Self {
        Self {
            cache: cache.clone(),
            what: What::Pattern(pattern),
            tenant: None,
            scopes: Vec::new(),
        }
    }

    pub(crate) fn of_tenant(cache: &Cache, tenant: &dyn fmt::Display) -> Self {
        Self {
            cache: cache.clone(),
            what: What::Tenant,
            tenant: Some(escape(tenant)),
            scopes: Vec::new(),
        }
    }

    /// The tenant. Default: the task's current one, else `default`. If its `Display` returns an error, all tenants are meant.
    pub fn tenant(mut self, tenant: impl fmt::Display) -> Self {
        self.tenant = Some(escape(&tenant));
        self
    }

    /// Only what has this scope value; if its `Display` returns an error, the whole resource. Every matched resource must declare the scope; a group with parameters must declare the
    /// parameter, and what is given none of these is meant as a whole.
    pub fn scope(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.scopes.push((name.into(), escape(&value)));
        self
    }

    /// As [`scope`](Self::scope), only what has the value `None` in this scope: that of nobody. Every matched resource must
    /// declare the scope as an `Option`.
    pub fn scope_none(mut self, name: impl Into<String>) -> Self {
        self.scopes.push((name.into(), NOBODY.to_owned()));
        self
    }

    fn resolve(&self) -> Result<Invalidation, InvalidateError> {
        let What::Pattern(pattern) = &self.what else {
            return Ok(all_of_tenant(
                &self.cache.inner,
                self.tenant.as_deref().unwrap_or(DEFAULT_TENANT),
            ));
        };
        let mut targets = Vec::new();
        for selection in declared::find(pattern).map_err(InvalidateError)? {
            targets.extend(selection.targets(&self.scopes_of(selection)?));
        }
        let have_tenants = targets
            .iter()
            .any(|(resource, _)| resource.tenancy() == Tenancy::PerTenant);
        let tenant = match &self.tenant {
            None if have_tenants => self.cache.inner.tenant_of_task("an invalidation by hand"),
            tenant => tenant.clone().map(Cow::from),
        };
        let tenant = tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        let mut invalidation = Invalidation::of(&self.cache.inner);
        for (resource, scopes) in targets {
            check_nobody(resource, &scopes)?;
            invalidation.add(Some(tenant), resource, &scopes);
        }
        Ok(invalidation)
    }

    /// The given scope values, if every selected resource declares these scopes, or the selected group these parameters.
    fn scopes_of(&self, selection: Selection) -> Result<Vec<ScopeValue>, InvalidateError> {
        if let Selection::Parts(group) = selection {
            return self.among(group.parameters(), &format!("group `{}`", group.name()), "parameter");
        }
        let mut scopes = Vec::new();
        for resource in selection.resources() {
            scopes = self.among(resource.scopes(), &format!("resource `{}`", resource.name()), "scope")?;
        }
        Ok(scopes)
    }

    fn among(&self, declared: &[&'static str], of: &str, kind: &str) -> Result<Vec<ScopeValue>, InvalidateError> {
        let scope = |(name, value): &(String, String)| {
            let found = declared.iter().find(|declared| *declared == name);
            found.map(|&name| (name, value.clone())).ok_or_else(|| {
                let offered = match declared {
                    [] => "it declares none".to_owned(),
                    names => format!("it declares {}", names.join(", ")),
                };
                InvalidateError(format!("{of} has no {kind} `{name}`: {offered}"))
            })
        };
        self.scopes.iter().map(scope).collect()
    }
}

/// Refuses `None` for a scope that always has a value.
fn check_nobody(resource: &Resource, scopes: &[ScopeValue]) -> Result<(), InvalidateError> {
    let never_none = |(name, value): &&ScopeValue| value == NOBODY && !resource.optional_scopes().contains(name);
    scopes.iter().find(never_none).map_or(Ok(()), |(name, _)| {
        Err(InvalidateError(format!(
            "the scope `{name}` of resource `{}` is not declared as an `Option`: it is never `None`",
            resource.name()
        )))
    })
}

impl IntoFuture for Invalidate {
    type Output = Result<Invalidated, InvalidateError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let invalidation = self.resolve()?;
            Ok(self.cache.inner.apply(invalidation).await)
        })
    }
}

/// A name, pattern or scope that this program does not declare. A store that cannot be reached is no error, see
/// [`Invalidated::Pending`]. `Debug` is the sentence that `Display` is, for programs that return it from `main`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidateError(String);

impl fmt::Debug for InvalidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
