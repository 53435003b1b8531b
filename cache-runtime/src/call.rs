//! One call of a `#[cached]` function, until it is known what it is found by.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    Cache,
    arguments::{self, Arguments, Key},
    cache::Inner,
    compact::NotCompact,
    context::{self, CurrentCache, Reads},
    envelope::Identity,
    exact::Exact,
    identity::Function,
    key::Address,
    near::{Kept, Looked, NearCall},
    recent::KnownCall,
    resource::Tenancy,
    site::Site,
    stored::Stored,
};

/// One call of a `#[cached]` function.
#[derive(Debug)]
pub struct Call {
    site: &'static Site,
    cache: CurrentCache,
    /// Whether the store may be asked: nothing is encoded otherwise.
    reads: Reads,
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
    /// With its part in the near cache, boxed, so that a call is small where it is moved.
    Known(Arc<KnownCall>, Option<Box<NearCall>>),
}

impl Call {
    /// Starts a call; `cache` is what the attribute's `cache = expr` named.
    pub fn begin(site: &'static Site, cache: Option<&Cache>) -> Self {
        let (cache, reads) = CurrentCache::of_call(cache, site.resource());
        let has_store = cache.inner().is_some_and(|inner| inner.store().is_some());
        Self {
            site,
            cache,
            reads: if has_store { reads } else { Reads::Uncached },
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
        if !condition {
            self.reads = Reads::Uncached;
        }
    }

    /// What tells the call from others of the function: `parts` writes it, once in each of the two forms that there are, or in
    /// the quick one alone, if the process knows the call.
    pub fn key<P: Fn(&mut Key<'_>)>(&mut self, parts: P) {
        let Some(inner) = self.cache.inner() else { return };
        match self.reads {
            Reads::Cached => {}
            // Before the near cache is looked into: it must not answer either.
            Reads::CachedUnlessChanging if !is_changing(inner, self.site, &parts) => {}
            Reads::CachedUnlessChanging | Reads::Uncached => return,
        }
        self.found = find(inner, self.site, Function::of::<P>(self.site), &parts);
    }

    /// The value in the near cache that answers the call, if there is one.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        match &self.found {
            Found::Kept(kept) => Some(kept),
            Found::Nothing | Found::Known(..) => None,
        }
    }

    /// The key of the entry, if the call has one; for benchmarks and tools outside of this crate.
    pub fn into_entry_key(self) -> Option<String> {
        let keyed = self.into_keyed().ok()?;
        Some(keyed.known.address.entry().to_owned())
    }

    /// The key of an entry, worked out anew whatever the process knows; for benchmarks and tools outside of this crate.
    pub fn entry_key<P: Fn(&mut Key<'_>)>(site: &'static Site, cache: &Cache, parts: P) -> Option<String> {
        let arguments = Arguments::of(site, &cache.inner.settings, &parts)?;
        Some(arguments.entry_key(site, &cache.inner.key_prefix))
    }

    /// What the call is found by; the cache alone, if it has one, if the call is not to be cached.
    pub(crate) fn into_keyed(self) -> Result<Keyed, Option<Cache>> {
        let Self {
            site,
            cache,
            ttl,
            found,
            ..
        } = self;
        match (cache.into_cache(), found) {
            (Some(cache), Found::Known(known, near)) => Ok(Keyed {
                ttl: ttl
                    .or(site.declared().ttl())
                    .unwrap_or(cache.inner.settings.default_ttl),
                cache,
                site,
                known,
                near,
            }),
            (cache, _) => Err(cache),
        }
    }
}

/// Whether the call depends on what a mutation around it is changing. Such a call is not cached: what is stored is from before
/// the mutation, and what it loads may be seen by nobody else yet.
#[cold]
fn is_changing(inner: &Inner, site: &'static Site, parts: &dyn Fn(&mut Key<'_>)) -> bool {
    let arguments = Arguments::of(site, &inner.settings, parts);
    arguments.is_some_and(|arguments| {
        let address = arguments.address(site, &inner.key_prefix, None, &Exact::default());
        context::is_changing(address.stamps())
    })
}

/// Most forms are shorter than this. It lies on the stack.
const USUAL_FORM: usize = 512;

/// A call whose form would be longer than this is found by its canonical form.
const LONGEST_FORM: usize = 16 * 1024;

fn find(inner: &Arc<Inner>, site: &'static Site, function: Function, parts: &dyn Fn(&mut Key<'_>)) -> Found {
    let settings = &inner.settings;
    let mut usual = [0; USUAL_FORM];
    match arguments::write_compact(&mut usual, site, function, settings, parts) {
        Ok(len) => return find_by(inner, site, function, parts, &usual[..len], None),
        Err(NotCompact::NoRoom) => {}
        Err(NotCompact::NoForm) => return find_by_exact(inner, site, function, parts),
    }
    let mut longer = vec![0; LONGEST_FORM];
    match arguments::write_compact(&mut longer, site, function, settings, parts) {
        Ok(len) => find_by(inner, site, function, parts, &longer[..len], None),
        Err(_) => find_by_exact(inner, site, function, parts),
    }
}

fn find_by_exact(inner: &Arc<Inner>, site: &'static Site, function: Function, parts: &dyn Fn(&mut Key<'_>)) -> Found {
    let Some(told) = tell(inner, site, parts) else {
        return Found::Nothing;
    };
    let form = told.0.form(function, &told.1);
    find_by(inner, site, function, parts, &form, Some(told))
}

/// What tells the call from others, at length; `None` if it is not to be cached.
fn tell(inner: &Inner, site: &'static Site, parts: &dyn Fn(&mut Key<'_>)) -> Option<(Arguments, Exact)> {
    let arguments = Arguments::of(site, &inner.settings, parts)?;
    Some((arguments, arguments::exact(parts)?))
}

/// What tells the call from others at length is worked out if it is needed and not known yet.
fn find_by(
    inner: &Arc<Inner>,
    site: &'static Site,
    function: Function,
    parts: &dyn Fn(&mut Key<'_>),
    form: &[u8],
    told: Option<(Arguments, Exact)>,
) -> Found {
    let near = match site.coherence().map(|coherence| NearCall::look(inner, coherence, form)) {
        Some(Looked::Kept(kept)) => return Found::Kept(kept),
        Some(Looked::Call(near)) => Some(Box::new(near)),
        None => None,
    };
    let known = inner.recent.get(form);
    if let Some(known) = known.filter(|known| known.has_own_key == site.has_own_keys()) {
        return Found::Known(known, near);
    }
    find_anew(inner, site, function, parts, form, told).map_or(Found::Nothing, |known| Found::Known(known, near))
}

/// What the process does not know of the call; `None` if it is not to be cached.
#[cold]
#[inline(never)]
fn find_anew(
    inner: &Arc<Inner>,
    site: &'static Site,
    function: Function,
    parts: &dyn Fn(&mut Key<'_>),
    form: &[u8],
    told: Option<(Arguments, Exact)>,
) -> Option<Arc<KnownCall>> {
    let (arguments, exact) = told.or_else(|| tell(inner, site, parts))?;
    if site.declared().tenancy() == Tenancy::PerTenant {
        match arguments.named_tenant() {
            Some(tenant) => inner.note_tenant(tenant),
            None => inner.tenants.note_missing(site.resource()),
        }
    }
    let known = Arc::new(KnownCall::of(site, &inner.key_prefix, function, arguments, &exact));
    inner.recent.insert(form, &known);
    Some(known)
}

/// A call that is to be cached.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) cache: Cache,
    pub(crate) site: &'static Site,
    pub(crate) known: Arc<KnownCall>,
    pub(crate) near: Option<Box<NearCall>>,
    pub(crate) ttl: Duration,
}

impl Keyed {
    /// The call, if the runtime that it is made in can carry the cache; else the cache alone.
    pub(crate) fn carried(self) -> Result<Self, Option<Cache>> {
        if self.cache.inner.is_carried() {
            Ok(self)
        } else {
            Err(Some(self.cache))
        }
    }

    /// Where the entry stands, and what it must prove.
    pub(crate) fn locate<T: DeserializeOwned>(&self, function: Function) -> Located {
        Located {
            address: Arc::clone(&self.known.address),
            identity: Identity {
                fingerprint: self.known.fingerprint,
                shape: self.stored::<T>(function).shape,
            },
        }
    }
}

impl Keyed {
    /// What is known of what the function stores.
    pub(crate) fn stored<T: DeserializeOwned>(&self, function: Function) -> &'static Stored {
        self.site.stored.get::<T>(function, self.site.version())
    }
}

/// An entry's place and identity.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) address: Arc<Address>,
    pub(crate) identity: Identity,
}
