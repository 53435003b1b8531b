//! Routes, and the life of the server.
use std::{future::Future, io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    middleware::from_fn_with_state,
    response::{Html, IntoResponse as _, Response},
    routing::{get, post, put},
    serve::ListenerExt as _,
};
use cache_runtime::{
    Cache,
    dashboard::Dashboard,
    http::{liveness, readiness},
};
use futures_util::FutureExt as _;
use tokio::net::TcpListener;

use super::{Tokens, auth, companies, dashboard, error, invoices, metrics, treasury};
use crate::{caching, services::Services};

/// What every request needs.
#[derive(Clone, Debug)]
pub struct App {
    /// The services.
    pub services: Services,
    /// The cache that annotated methods use while they serve a request.
    pub cache: Cache,
    /// What verifies tokens.
    pub tokens: Arc<Tokens>,
}

/// The whole service, with the dashboard of its cache at `/cache`.
pub fn router(app: App, dashboard: Dashboard) -> Router {
    metrics::record();
    let api = Router::new()
        .route("/dashboard/summary", get(dashboard::summary))
        .route("/dashboard/trends", get(dashboard::trends))
        .route("/dashboard/detailed", get(dashboard::detailed))
        .route("/dashboard/performance", get(dashboard::performance))
        .route("/dashboard/cashflow", get(dashboard::cashflow))
        .route("/dashboard/maturity", get(dashboard::maturity))
        .route("/invoices", get(invoices::list).post(invoices::issue))
        .route("/invoices/summary", get(invoices::summary))
        .route("/invoices/settle", post(invoices::settle))
        .route("/invoices/{id}", put(invoices::change))
        .route("/invoices/{id}/pay", post(invoices::pay))
        .route("/companies", get(companies::list))
        .route("/companies/{id}", put(companies::change))
        .route("/treasury", get(treasury::show))
        .route("/treasury/transactions", post(treasury::book))
        .fallback(no_such_page)
        .method_not_allowed_fallback(no_such_method)
        // The last layer is the outermost: who asks is known before the tenant of the cache is set.
        .layer(caching::layer(&app.cache))
        .layer(from_fn_with_state(app.clone(), auth::authenticate));
    Router::new()
        .route("/", get(Html(include_str!("../page.html"))))
        .route("/metrics", get(metrics::show))
        .route_service("/healthz", liveness())
        .route_service("/readyz", readiness(&app.cache))
        .nest("/api", api)
        .nest("/cache", dashboard.into_router())
        .fallback(no_such_page)
        .with_state(app)
}

/// Serves until `shutdown` is done; requests that are being served are finished then.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may be delayed");
        }
    });
    let shutdown = shutdown.shared();
    // Nobody is authorised, so that this machine alone is let in, which takes to know who asks.
    let dashboard = Dashboard::new(&app.cache).service("invoicing").until(shutdown.clone());
    let service = router(app, dashboard).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await
}

async fn no_such_page(request: Request) -> Response {
    error::no_such_page(request.uri().path()).into_response()
}

async fn no_such_method(request: Request) -> Response {
    error::no_such_method(request.method(), request.uri().path()).into_response()
}
