//! One call of a `#[cached]` function, while its key is being put together.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Cache,
    canonical::{self, CanonicalError},
    context,
    envelope::Identity,
    identity::{self, ShapeOfSite},
    key::{Address, SHARED_TENANT, ScopeValue, escape},
    near::Coherence,
    resource::{Resource, Tenancy},
};

/// The constants of one `#[cached]` function.
#[derive(Debug)]
pub struct Site {
    resource: &'static Resource,
    module: &'static str,
    function: &'static str,
    version: u32,
    coherence: Option<Coherence>,
    lease: Option<Duration>,
    shape: ShapeOfSite,
    warned: AtomicBool,
}

impl Site {
    /// The resource's name.
    pub(crate) const fn resource(&self) -> &'static str {
        self.resource.name()
    }

    pub(crate) const fn declared(&self) -> &'static Resource {
        self.resource
    }

    pub(crate) const fn version(&self) -> u32 {
        self.version
    }

    /// How values kept in the process are known to be valid; `None` if none are.
    pub(crate) const fn coherence(&self) -> Option<Coherence> {
        self.coherence
    }

    /// For how long a process that loads for all of them is waited for if it falls silent.
    pub(crate) const fn lease_lasts(&self) -> Option<Duration> {
        self.lease
    }

    /// `version` is the attribute's, 0 without.
    pub const fn new(resource: &'static Resource, module: &'static str, function: &'static str, version: u32) -> Self {
        Self {
            resource,
            module,
            function,
            version,
            coherence: None,
            lease: None,
            shape: ShapeOfSite::new(),
            warned: AtomicBool::new(false),
        }
    }

    /// The attribute's `near`.
    #[must_use]
    pub const fn near(mut self, coherence: Coherence) -> Self {
        self.coherence = Some(coherence);
        self
    }

    /// The attribute's `lease`, given as an expression, checked where the function is compiled.
    ///
    /// # Panics
    ///
    /// If it is shorter than a millisecond.
    #[track_caller]
    pub const fn checked_lease(lasting: Duration) -> Duration {
        assert!(
            lasting.as_millis() > 0,
            "a lease is at least one millisecond\nhelp: write `lease` alone for 2 seconds"
        );
        lasting
    }

    /// The attribute's `lease`.
    #[must_use]
    pub const fn lease(mut self, lasting: Duration) -> Self {
        self.lease = Some(lasting);
        self
    }
}

impl Site {
    /// Says once that calls cannot be cached because of an argument's value.
    fn warn_of(&self, argument: &str, cause: &CanonicalError) {
        let Self {
            module,
            function,
            warned,
            ..
        } = self;
        if !warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %cause,
                "the argument `{argument}` of {module}::{function} cannot be part of a key: such calls are not cached"
            );
        }
    }
}

/// One call of a `#[cached]` function, while its key is being put together.
#[derive(Debug)]
pub struct Call {
    site: &'static Site,
    /// `None` once it is known that the store will not be asked; nothing is encoded then.
    key: Option<Key>,
    /// For counting; `None` without a cache.
    cache: Option<Cache>,
}

#[derive(Debug)]
struct Key {
    tenant: Option<String>,
    scopes: Vec<ScopeValue>,
    /// The canonical JSON of the arguments, while it grows.
    arguments: Vec<u8>,
    ttl: Option<Duration>,
}

impl Call {
    /// Starts a call; `cache` is what the attribute's `cache = expr` named.
    pub fn begin(site: &'static Site, cache: Option<&Cache>) -> Self {
        let cache = cache.cloned().or_else(context::cache);
        // What is read inside a transaction may be seen by nobody else yet.
        let active =
            cache.as_ref().is_some_and(|cache| cache.inner.store().is_some()) && context::transaction().is_none();
        let key = active.then(|| Key {
            tenant: None,
            scopes: Vec::new(),
            arguments: Vec::with_capacity(128),
            ttl: None,
        });
        Self { site, key, cache }
    }

    /// The resource's name.
    pub(crate) fn resource(&self) -> &'static str {
        self.site.resource()
    }

    /// The attribute's `ttl`.
    pub fn ttl(&mut self, ttl: Duration) {
        if let Some(key) = &mut self.key {
            key.ttl = Some(ttl);
        }
    }

    /// The attribute's `when`.
    pub fn when(&mut self, condition: bool) {
        if !condition {
            self.key = None;
        }
    }

    /// The attribute's `tenant`, or the argument `tenant_id`.
    pub fn tenant<T: Display + ?Sized>(&mut self, tenant: &T) {
        if let Some(key) = &mut self.key {
            key.tenant = Some(escape(tenant));
        }
    }

    /// One scope value.
    pub fn scope<T: Display + ?Sized>(&mut self, name: &'static str, value: &T) {
        if let Some(key) = &mut self.key {
            key.scopes.push((name, escape(value)));
        }
    }

    /// One argument or key expression; given in ascending order of the names.
    pub fn arg<T: KeyArg + ?Sized>(&mut self, name: &'static str, value: &T) {
        let Some(key) = &mut self.key else { return };
        let separator: &[u8] = if key.arguments.is_empty() { b"{" } else { b", " };
        key.arguments.extend_from_slice(separator);
        let written = canonical::write(&mut key.arguments, name).and_then(|()| {
            key.arguments.extend_from_slice(b": ");
            canonical::write(&mut key.arguments, value)
        });
        if let Err(cause) = written {
            self.site.warn_of(name, &cause);
            self.key = None;
        }
    }

    /// The key of the entry, if the call has one; for benchmarks and tools outside of this crate.
    pub fn into_entry_key(self) -> Option<String> {
        let (_, keyed) = self.finish();
        Some(keyed?.address().entry().to_owned())
    }

    /// The call with its key complete, if it has one: a call that is not to be cached has none.
    pub(crate) fn finish(self) -> (Option<Cache>, Option<Keyed>) {
        let Self { site, key, cache } = self;
        let keyed = cache.as_ref().zip(key).and_then(|(cache, mut key)| {
            let tenant = match (site.resource.tenancy(), key.tenant) {
                (Tenancy::Shared, _) => SHARED_TENANT.to_owned(),
                (Tenancy::PerTenant, Some(tenant)) => tenant,
                (Tenancy::PerTenant, None) => context::tenant_or_default(&cache.inner.settings)?,
            };
            key.scopes
                .sort_by_key(|(name, _)| site.resource.scopes().iter().position(|declared| declared == name));
            key.arguments
                .extend_from_slice(if key.arguments.is_empty() { b"{}" } else { b"}" });
            let ttl = key
                .ttl
                .or(site.resource.ttl())
                .unwrap_or(cache.inner.settings.default_ttl);
            let arguments = Arguments {
                tenant,
                scopes: key.scopes,
                json: key.arguments,
            };
            Some(Keyed {
                cache: cache.clone(),
                site,
                arguments,
                ttl,
            })
        });
        (cache, keyed)
    }
}

/// A call whose key is complete.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) cache: Cache,
    pub(crate) site: &'static Site,
    pub(crate) arguments: Arguments,
    pub(crate) ttl: Duration,
}

/// What tells the calls of one function apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Arguments {
    /// Escaped.
    pub(crate) tenant: String,
    /// In the order of the declaration.
    pub(crate) scopes: Vec<ScopeValue>,
    /// The canonical JSON object.
    pub(crate) json: Vec<u8>,
}

impl Keyed {
    /// Where the entry stands, and what it must prove. `body` is the type name of the function's body.
    pub(crate) fn locate<T: DeserializeOwned>(&self, body: &'static str) -> Located {
        let address = self.address();
        let identity = Identity {
            fingerprint: identity::fingerprint(&address, &self.arguments.json),
            shape: self.site.shape.get::<T>(body, self.site.version),
        };
        Located {
            address: Arc::new(address),
            identity,
        }
    }

    fn address(&self) -> Address {
        let Arguments { tenant, scopes, json } = &self.arguments;
        let hash = canonical::hash12(json);
        let hash = str::from_utf8(&hash).expect("hex digits are ASCII");
        let resource = self.site.resource;
        Address::from_escaped(tenant, resource.name(), scopes, hash).with_holds(resource.is_crash_safe())
    }
}

/// An entry's place and identity.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) address: Arc<Address>,
    pub(crate) identity: Identity,
}

/// What can be part of a key.
#[diagnostic::on_unimplemented(
    message = "an argument of type `{Self}` cannot be part of a cache key: it does not implement `serde::Serialize`",
    label = "not serialisable",
    note = "leave it out of the key with `skip(...)`, or derive `Serialize` for it"
)]
pub trait KeyArg: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> KeyArg for T {}
