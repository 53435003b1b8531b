//! A dashboard of a cache, mounted in the service that it belongs to: an [`axum`] router.
//!
//! It shows whether the cache earns its keep, what is wrong if something is, and what stands in the store; and it invalidates.
//!
//! ```
//! use std::net::SocketAddr;
//!
//! use axum::Router;
//! use cache_runtime::{Cache, dashboard::Dashboard};
//!
//! # fn service(cache: &Cache) -> axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
//! let app: Router = Router::new()
//!     // ... the routes of the service ...
//!     .nest("/cache", Dashboard::new(cache).into_router());
//! // Who asks is known to the dashboard by this, and this machine alone is let in.
//! app.into_make_service_with_connect_info::<SocketAddr>()
//! # }
//! # drop(service(&Cache::disabled()));
//! ```
//!
//! Everything on its pages is made by the server; they read, and work, without JavaScript. A small script keeps the figures live.
//! Nothing comes from elsewhere, and the policy that it sends (`Content-Security-Policy`) says so.
//!
//! # Who may see it
//!
//! Entries hold what your service returns to its users. So nobody is let in but this machine, unless
//! [`authorize`](Dashboard::authorize) says who is; and what an entry holds can be [redacted](Dashboard::redact).
//!
//! [The manual](crate::manual::dashboard) shows it, step by step.

mod access;
mod assets;
mod condition;
mod events;
mod headers;
mod hot_watch;
mod links;
mod origin;
mod page;
mod redaction;
mod sampler;
mod view;
mod visit;

use std::{pin::Pin, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, http::request::Parts, middleware::from_fn_with_state, routing::get};
use futures_util::{FutureExt, future::Shared};

pub use self::{access::Access, redaction::Redaction};
use self::{
    access::{Door, admit},
    assets::{ICON, SCRIPT, STYLE},
    hot_watch::HotWatch,
    links::Links,
    page::{entries, hot, invalidate, overview, resource, resources},
    redaction::Redactions,
    sampler::Sampler,
};
use crate::{Cache, catalogue::Catalogue, inspect::EntryReport};

/// More than any form of these pages.
const LARGEST_FORM: usize = 64 * 1024;

type Ending = Shared<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// A dashboard that is not mounted yet.
#[derive(Debug)]
#[must_use = "a dashboard is seen once its router is mounted"]
pub struct Dashboard {
    site: Site,
}

impl Dashboard {
    /// The dashboard of this cache.
    pub fn new(cache: &Cache) -> Self {
        Self {
            site: Site {
                cache: cache.clone(),
                catalogue: cache.catalogue(),
                door: Door::default(),
                ending: None,
                hot_watch: HotWatch::default(),
                links: None,
                redactions: Redactions::default(),
                sampler: Sampler::new(cache),
                service: "Cache".to_owned(),
                shows_arguments: true,
            },
        }
    }

    /// The name of the service, for the head of each page. Default: `Cache`.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.site.service = name.into();
        self
    }

    /// Has each request decided by this: from its head, which has what layers around the dashboard have put into it, too. It returns
    /// an [`Access`], or a `bool` for all or nothing, or a response that is sent in place of the page.
    ///
    /// ```
    /// use cache_runtime::dashboard::{Access, Dashboard};
    ///
    /// #[derive(Clone)]
    /// struct User { is_operator: bool } // put there by the layer that authenticates
    ///
    /// # fn mount(cache: &cache_runtime::Cache) -> axum::Router {
    /// Dashboard::new(cache)
    ///     .authorize(|request| async move {
    ///         match request.extensions.get::<User>() {
    ///             Some(user) if user.is_operator => Access::Full,
    ///             Some(_) => Access::ReadOnly,
    ///             None => Access::forbidden(),
    ///         }
    ///     })
    ///     .into_router()
    /// # }
    /// # drop(mount(&cache_runtime::Cache::disabled()));
    /// ```
    ///
    /// Without it this machine alone is let in: peers with a loopback address, that ask for one of its own names, and not through a
    /// proxy. The router must then be served with `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn authorize<F, D, A>(mut self, decide: F) -> Self
    where
        F: Fn(Parts) -> D + Send + Sync + 'static,
        D: Future<Output = A> + Send + 'static,
        A: Into<Access>,
    {
        self.site.door = Door::hook(decide);
        self
    }

    /// Decides of each entry that is looked at what is shown of its payload. Default: all of it.
    ///
    /// ```
    /// use cache_runtime::dashboard::{Dashboard, Redaction};
    ///
    /// # fn mount(cache: &cache_runtime::Cache) -> axum::Router {
    /// Dashboard::new(cache)
    ///     .redact(|entry| match entry.summary.key.resource.as_deref() {
    ///         Some("payroll") => Redaction::Hide,
    ///         _ => Redaction::Show,
    ///     })
    ///     .into_router()
    /// # }
    /// # drop(mount(&cache_runtime::Cache::disabled()));
    /// ```
    pub fn redact(mut self, decide: impl Fn(&EntryReport) -> Redaction + Send + Sync + 'static) -> Self {
        self.site.redactions = Redactions::by(decide);
        self
    }

    /// Does not show the arguments of the calls that are made most. Default: they are shown.
    pub fn hide_arguments(mut self) -> Self {
        self.site.shows_arguments = false;
        self
    }

    /// Ends the streams of open pages when this is done: what tells the server to shut down. Without it a graceful shutdown waits for
    /// them, fifteen seconds at most.
    pub fn until(mut self, ending: impl Future<Output = ()> + Send + 'static) -> Self {
        let ending: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(ending);
        self.site.ending = Some(ending.shared());
        self
    }

    /// The path that browsers find it under, if a proxy gives it another one than the router is mounted at. Where it is mounted, and a
    /// proxy that puts something in front of that, need not be told.
    pub fn path(mut self, path: &str) -> Self {
        self.site.links = Some(Links::under(path));
        self
    }

    /// The router, to be nested at any path of another one, or merged with it. From now on it looks at the cache every two seconds; if
    /// this is not called in a tokio runtime, from the first request on.
    pub fn into_router<S>(self) -> Router<S> {
        let site = Arc::new(self.site);
        site.sampler.ensure(&site.cache);
        let mut router = Router::new()
            .route("/", get(overview::show))
            .route("/resources", get(resources::show))
            .route("/resource", get(resource::show))
            .route("/entries", get(entries::list))
            .route("/entry", get(entries::show))
            .route("/hot", get(hot::show))
            .route("/confirm", get(invalidate::confirm))
            .route("/invalidate", get(invalidate::ask).post(invalidate::run))
            .route("/events", get(events::stream));
        for asset in [STYLE, SCRIPT, ICON] {
            let path = format!("/{}", asset.name);
            router = router.route(&path, get(async move || asset.response()));
        }
        router
            .layer(DefaultBodyLimit::max(LARGEST_FORM))
            .layer(from_fn_with_state(Arc::clone(&site), admit))
            .with_state(site)
    }
}

/// What all requests share.
#[derive(Debug)]
struct Site {
    cache: Cache,
    catalogue: Catalogue,
    door: Door,
    ending: Option<Ending>,
    hot_watch: HotWatch,
    links: Option<Links>,
    redactions: Redactions,
    sampler: Arc<Sampler>,
    service: String,
    shows_arguments: bool,
}

impl Site {
    /// Waits until the server shuts down, if it is known when it does.
    async fn ending(&self) {
        match &self.ending {
            Some(ending) => ending.clone().await,
            None => std::future::pending().await,
        }
    }
}
