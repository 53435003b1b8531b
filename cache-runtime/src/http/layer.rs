//! What is said of the layer, before it is one.

use std::{fmt, sync::Arc};

use ::http::request::Parts;
use tower_layer::Layer;

use super::{
    service::CacheService,
    tenant::{MissingTenant, TenantSource},
};
use crate::Cache;

/// A layer of `tower` for HTTP services: it sets the tenant, does what the client asks of the cache, if it may, and says what the cache has
/// done.
///
/// It goes inside of what authenticates and outside of the handlers. Layers that change bodies, such as compression, go outside of
/// it, or inside; it does not look at bodies.
///
/// ```
/// use axum::{Router, routing::get};
/// use cache_runtime::http::CacheLayer;
///
/// let app: Router = Router::new()
///     .route("/", get(async || "hello"))
///     .layer(CacheLayer::new("invoicing"));
/// # drop(app);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until a service is wrapped in it"]
pub struct CacheLayer(Arc<Settings>);

/// Whether a request may do something.
type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) cache: Option<Cache>,
    pub(super) tenant: Option<TenantSource>,
    pub(super) missing_tenant: MissingTenant,
    pub(super) obeys: Option<Predicate>,
    pub(super) server_timing: bool,
    pub(super) release: String,
}

impl CacheLayer {
    /// A layer that adds `Cache-Status` (RFC 9211) to every response for which `#[cached]` functions were called, as
    /// [`Outcomes::cache_status`](crate::Outcomes::cache_status) says it, and sees to what handlers ask for ([`ETag`](super::ETag)). `name` is what
    /// the cache is called there: the service, for example.
    ///
    /// Of calls that were not asked, `detail` says why: `disabled`, `closed`, `starting` or `unavailable` ([`Concern`](crate::Concern)),
    /// `no-store` ([`obey_directives`](Self::obey_directives)), `no-tenant` ([`MissingTenant::Bypass`]), `no-cache-installed`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(Arc::new(Settings {
            name: name.into(),
            cache: None,
            tenant: None,
            missing_tenant: MissingTenant::default(),
            obeys: None,
            server_timing: false,
            release: String::new(),
        }))
    }

    /// Has the service use this cache. Default: that of the task, else the installed one.
    pub fn cache(self, cache: &Cache) -> Self {
        self.change(|settings| settings.cache = Some(cache.clone()))
    }

    /// Has each request served for the tenant that this finds ([`with_tenant`](crate::with_tenant)). Default: the layer sets none.
    ///
    /// A request that names an impossible one is answered with `400 Bad Request`; for one that names none see
    /// [`missing_tenant`](Self::missing_tenant).
    pub fn tenant(self, source: TenantSource) -> Self {
        self.change(|settings| settings.tenant = Some(source))
    }

    /// What becomes of a request in which [`tenant`](Self::tenant) finds none. Default: it is rejected.
    pub fn missing_tenant(self, missing: MissingTenant) -> Self {
        self.change(|settings| settings.missing_tenant = missing)
    }

    /// Obeys what the client asks of the cache in `Cache-Control` (RFC 9111), of requests with `GET` or `HEAD` for which this is true:
    ///
    /// | directive | what calls do |
    /// |---|---|
    /// | `no-cache`, `max-age=0` | they load anew, and store it: [`refresh`](crate::refresh) |
    /// | `no-store` | they load, and leave the cache alone: [`bypass`](crate::bypass) |
    /// | `only-if-cached` | they look what is there: [`peek`](crate::peek); if one had to load, the answer is `504 Gateway Timeout` |
    ///
    /// Each of the first two is a load of the database for whoever asks, and browsers ask for it at every forced reload: let those have it who
    /// may cost you that, operators say. Default: nobody is obeyed.
    ///
    /// ```
    /// use cache_runtime::http::CacheLayer;
    ///
    /// #[derive(Clone)]
    /// struct User { is_operator: bool } // put there by the layer that authenticates
    ///
    /// let layer = CacheLayer::new("invoicing").obey_directives(|request| {
    ///     request.extensions.get::<User>().is_some_and(|user| user.is_operator)
    /// });
    /// # drop(layer);
    /// ```
    pub fn obey_directives(self, of: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.change(|settings| settings.obeys = Some(Arc::new(of)))
    }

    /// Adds `Server-Timing` to the responses that have `Cache-Status`, as
    /// [`Outcomes::server_timing`](crate::Outcomes::server_timing) says it. Default: no. Whoever sees it sees whether somebody else has asked
    /// for the same before.
    pub fn server_timing(self, is_said: bool) -> Self {
        self.change(|settings| settings.server_timing = is_said)
    }

    /// What else all [`ETag`](super::ETag)s are of: the release of the service, or of its templates, if another one may show the same values
    /// another way. Default: nothing.
    pub fn release(self, release: impl Into<String>) -> Self {
        self.change(|settings| settings.release = release.into())
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(inner, Arc::clone(&self.0))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("cache", &self.cache)
            .field("tenant", &self.tenant)
            .field("missing_tenant", &self.missing_tenant)
            .field("obeys_directives", &self.obeys.is_some())
            .field("server_timing", &self.server_timing)
            .field("release", &self.release)
            .finish()
    }
}
