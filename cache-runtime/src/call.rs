//! One call of a `#[cached]` function, until it is known what it is found by.

use std::{any::type_name, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    Cache,
    arguments::{Arguments, Key},
    cache::Inner,
    canonical,
    context::{self, CurrentCache},
    envelope::Identity,
    identity,
    key::Address,
    near::{Kept, Looked, NearCall, tier::Nearness},
    site::Site,
};

/// One call of a `#[cached]` function.
#[derive(Debug)]
pub struct Call {
    site: &'static Site,
    cache: CurrentCache,
    /// Whether the store may be asked: nothing is encoded otherwise.
    active: bool,
    ttl: Option<Duration>,
    found: Found,
}

/// What a call is known by.
#[derive(Debug)]
enum Found {
    /// Nothing: it is not to be cached.
    Nothing,
    /// A value in the near cache that may be used as it is. There is no need to know anything more of the call.
    Kept(Arc<Kept>),
    /// Boxed, so that a call is small where it is moved.
    Arguments(Box<(Arguments, Option<NearCall>)>),
}

impl Call {
    /// Starts a call; `cache` is what the attribute's `cache = expr` named.
    pub fn begin(site: &'static Site, cache: Option<&Cache>) -> Self {
        let cache = match cache {
            Some(cache) => CurrentCache::Own(cache.clone()),
            None => CurrentCache::of_task(),
        };
        // What is read inside a transaction may be seen by nobody else yet.
        let active = cache.inner().is_some_and(|inner| inner.store().is_some()) && !context::is_in_transaction();
        Self {
            site,
            cache,
            active,
            ttl: None,
            found: Found::Nothing,
        }
    }

    /// The resource's name.
    pub(crate) fn resource(&self) -> &'static str {
        self.site.resource()
    }

    /// For counting; `None` without a cache.
    pub(crate) fn inner(&self) -> Option<&Inner> {
        self.cache.inner().map(Arc::as_ref)
    }

    /// The attribute's `ttl`.
    pub fn ttl(&mut self, ttl: Duration) {
        self.ttl = Some(ttl);
    }

    /// The attribute's `when`.
    pub fn when(&mut self, condition: bool) {
        self.active &= condition;
    }

    /// What tells the call from others of the function. `parts` writes it, at most once in each of the two forms that there
    /// are; without a near cache the quick one is not even compiled.
    pub fn key<N: Nearness, P: Fn(&mut Key<'_, N>)>(&mut self, parts: P) {
        let Some(inner) = self.cache.inner().filter(|_| self.active) else {
            return;
        };
        let near = match N::NEAR.then(|| NearCall::look(inner, self.site, type_name::<P>(), &parts)) {
            Some(Looked::Kept(kept)) => {
                self.found = Found::Kept(kept);
                return;
            }
            Some(Looked::Call(near)) => Some(near),
            Some(Looked::Nothing) | None => None,
        };
        if let Some(arguments) = Arguments::of(self.site, &inner.settings, parts) {
            self.found = Found::Arguments(Box::new((arguments, near)));
        }
    }

    /// The value in the near cache that answers the call, if there is one.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        match &self.found {
            Found::Kept(kept) => Some(kept),
            Found::Nothing | Found::Arguments(_) => None,
        }
    }

    /// The key of the entry, if the call has one; for benchmarks and tools outside of this crate.
    pub fn into_entry_key(self) -> Option<String> {
        let (keyed, _) = self.into_keyed().ok()?;
        Some(keyed.address().entry().to_owned())
    }

    /// What the call is found by; the cache alone, if it has one, if the call is not to be cached.
    pub(crate) fn into_keyed(self) -> Result<(Keyed, Option<NearCall>), Option<Cache>> {
        let Self {
            site,
            cache,
            ttl,
            found,
            ..
        } = self;
        let cache = cache.into_cache();
        let (Some(cache), Found::Arguments(found)) = (&cache, found) else {
            return Err(cache);
        };
        let (arguments, near) = *found;
        let ttl = ttl
            .or(site.declared().ttl())
            .unwrap_or(cache.inner.settings.default_ttl);
        let keyed = Keyed {
            cache: cache.clone(),
            site,
            arguments,
            ttl,
        };
        Ok((keyed, near))
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

impl Keyed {
    /// Where the entry stands, and what it must prove. `body` is the type name of the function's body.
    pub(crate) fn locate<T: DeserializeOwned>(&self, body: &'static str) -> Located {
        let address = self.address();
        let identity = Identity {
            fingerprint: identity::fingerprint(&address, &self.arguments.json),
            shape: self.site.shape.get::<T>(body, self.site.version()),
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
        let resource = self.site.declared();
        Address::from_escaped(tenant, resource.name(), scopes, hash).with_holds(resource.is_crash_safe())
    }
}

/// An entry's place and identity.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) address: Arc<Address>,
    pub(crate) identity: Identity,
}
