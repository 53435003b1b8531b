//! What `#[cached]` expands to: the key is put together, then the store is asked, then the body runs, if it must.

use std::{
    any::type_name,
    fmt::Display,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{
    Cache,
    canonical::{self, CanonicalError},
    context,
    envelope::{Identity, Meta, Rejection},
    flight::{FlightKey, Joined, Landed, Leader},
    identity::{self, ShapeOfSite},
    key::{Address, SHARED_TENANT, ScopeValue, escape},
    observe::Outcome,
    protocol::Reading,
    resource::{Resource, Tenancy},
    returns::Shape,
    stamp::Ticket,
};

/// The constants of one `#[cached]` function.
#[derive(Debug)]
pub struct Site {
    resource: &'static Resource,
    module: &'static str,
    function: &'static str,
    version: u32,
    shape: ShapeOfSite,
    warned: AtomicBool,
}

impl Site {
    /// `version` is the attribute's, 0 without.
    pub const fn new(resource: &'static Resource, module: &'static str, function: &'static str, version: u32) -> Self {
        Self {
            resource,
            module,
            function,
            version,
            shape: ShapeOfSite::new(),
            warned: AtomicBool::new(false),
        }
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

    /// Everything the store must be asked for; `None` if it is not to be asked.
    fn prepare<T: DeserializeOwned>(self, body: &'static str) -> Prepared {
        let Self { site, key, cache } = self;
        let resource = site.resource;
        let ask = cache.as_ref().zip(key).and_then(|(cache, mut key)| {
            let tenant = match (resource.tenancy(), key.tenant) {
                (Tenancy::Shared, _) => SHARED_TENANT.to_owned(),
                (Tenancy::PerTenant, Some(tenant)) => tenant,
                (Tenancy::PerTenant, None) => context::tenant_or_default(&cache.inner.settings)?,
            };
            key.scopes
                .sort_by_key(|(name, _)| resource.scopes().iter().position(|declared| declared == name));
            key.arguments
                .extend_from_slice(if key.arguments.is_empty() { b"{}" } else { b"}" });
            let hash = canonical::hash12(&key.arguments);
            let hash = str::from_utf8(&hash).expect("hex digits are ASCII");
            let address = Address::from_escaped(&tenant, resource.name(), &key.scopes, hash);
            let identity = Identity {
                fingerprint: identity::fingerprint(&address, &key.arguments),
                shape: site.shape.get::<T>(body, site.version),
            };
            let ttl = key.ttl.or(resource.ttl()).unwrap_or(cache.inner.settings.default_ttl);
            Some(Ask {
                cache: cache.clone(),
                address: Arc::new(address),
                identity,
                ttl,
                tenant,
            })
        });
        Prepared {
            resource,
            cache,
            ask,
            started: Instant::now(),
        }
    }
}

/// A call whose key is complete.
struct Prepared {
    resource: &'static Resource,
    cache: Option<Cache>,
    ask: Option<Ask>,
    started: Instant,
}

/// What to ask the store.
struct Ask {
    cache: Cache,
    address: Arc<Address>,
    identity: Identity,
    ttl: Duration,
    tenant: String,
}

impl Prepared {
    fn report(&self, outcome: Outcome) {
        if let Some(cache) = &self.cache {
            cache.inner.counters.count(outcome);
        }
        if let Some(observer) = context::observer() {
            observer.note(self.resource.name(), outcome);
        }
        let tenant = self.ask.as_ref().map(|ask| ask.tenant.as_str());
        tracing::debug!(
            resource = self.resource.name(),
            tenant,
            outcome = outcome.as_str(),
            elapsed = ?self.started.elapsed(),
            "cache read",
        );
    }

    fn count_load(&self) {
        if let Some(cache) = &self.cache {
            cache.inner.counters.loads.add(1);
        }
    }
}

/// What the store's answer makes of the call.
enum Answer {
    Hit(Bytes, Ticket),
    Load(Option<Ticket>, Outcome),
}

impl Ask {
    async fn ask(&self) -> Answer {
        match self.cache.inner.read(&self.address, &self.identity).await {
            Some(Reading::Hit { envelope, ticket }) => Answer::Hit(envelope.payload(), ticket),
            Some(Reading::Miss { ticket, rejected: None }) => Answer::Load(ticket, Outcome::Miss),
            Some(Reading::Miss {
                ticket,
                rejected: Some(_),
            }) => Answer::Load(ticket, Outcome::Rejected),
            None => Answer::Load(None, Outcome::Bypass),
        }
    }
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

/// What can be stored.
#[diagnostic::on_unimplemented(
    message = "a result of type `{Self}` cannot be cached: it does not implement both `serde::Serialize` and `serde::de::DeserializeOwned`",
    label = "not storable",
    note = "derive `Serialize` and `Deserialize` for it, and return owned data"
)]
pub trait CacheValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> CacheValue for T {}

/// Answers from the cache, or runs `body` and fills.
pub async fn cached<R, S, U, F>(call: Call, _shape: S, unless: U, body: Pin<&mut F>) -> R
where
    S: Shape<R>,
    S::Value: CacheValue,
    U: FnOnce(&S::Value) -> bool,
    F: Future<Output = R>,
{
    let prepared = call.prepare::<S::Value>(type_name::<F>());
    let Some(ask) = &prepared.ask else {
        prepared.report(Outcome::Bypass);
        prepared.count_load();
        return body.await;
    };
    let began = ask.cache.inner.flights.now();
    let ticket = match ask.ask().await {
        Answer::Hit(payload, ticket) => {
            if let Ok(value) = serde_json::from_slice(&payload) {
                prepared.report(Outcome::Hit);
                return S::restore(value);
            }
            ask.cache.inner.note_rejection(&ask.address, Rejection::Decode);
            prepared.report(Outcome::Rejected);
            Some(ticket)
        }
        Answer::Load(ticket, outcome) => {
            prepared.report(outcome);
            ticket
        }
    };
    let flight = FlightKey::new(&ask.address, ask.identity, ticket.as_ref());
    let leader = match ask.cache.inner.flights.join(flight, began).await {
        Joined::Leader(leader) => Some(leader),
        Joined::Waiter(landed) => {
            if let Some(shared) = share::<R, S>(landed) {
                ask.cache.inner.counters.shared_loads.add(1);
                return shared;
            }
            None
        }
    };
    prepared.count_load();
    let load_began = Instant::now();
    let returned = body.await;
    let store = S::value(&returned).is_some_and(|value| !unless(value));
    let ticket = ticket.filter(|_| store);
    land::<R, S>(ask, leader, ticket, &returned, load_began.elapsed()).await;
    returned
}

/// What a waiter returns; `None` if it must load for itself.
fn share<R, S: Shape<R>>(landed: Landed) -> Option<R>
where
    S::Value: CacheValue,
{
    match landed {
        Landed::Value(payload) => serde_json::from_slice(&payload).ok().map(S::restore),
        Landed::Absent => S::absent(),
        Landed::Failed => None,
    }
}

/// Tells the waiters and fills. Encodes only if there is somebody to encode for.
async fn land<R, S: Shape<R>>(
    ask: &Ask,
    leader: Option<Leader>,
    ticket: Option<Ticket>,
    returned: &R,
    load_duration: Duration,
) where
    S::Value: CacheValue,
{
    let waited_for = leader.as_ref().is_some_and(Leader::has_waiters);
    let payload = match S::value(returned) {
        Some(value) if waited_for || ticket.is_some() => serde_json::to_vec(value).ok().map(Bytes::from),
        _ => None,
    };
    if let Some(leader) = &leader {
        leader.land(match (&payload, S::value(returned)) {
            (Some(payload), _) => Landed::Value(payload.clone()),
            (None, None) if S::succeeded(returned) => Landed::Absent,
            (None, _) => Landed::Failed,
        });
    }
    let overtaken = leader.as_ref().is_some_and(Leader::is_detached);
    if let (Some(ticket), Some(payload), false) = (ticket, payload, overtaken) {
        let meta = Meta {
            identity: ask.identity,
            ttl: ask.ttl,
            load_duration,
        };
        ask.cache.inner.fill(&ticket, meta, &payload).await;
    }
}

/// The `unless` of an attribute without one.
pub fn never<T: ?Sized>(_value: &T) -> bool {
    false
}
