//! A layer for every HTTP service of `tower`, axum's among them, and probes for whoever runs the service.
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use cache_runtime::{
//!     Cache, Concern,
//!     http::{CacheLayer, ETag, TenantSource, liveness, readiness},
//! };
//!
//! # mod cache_resources { cache_runtime::resources! { rates { ttl = 60 } } }
//! # #[cache_runtime::cached(resource = "rates")]
//! # async fn rates() -> String { String::new() }
//! async fn show() -> (Extension<ETag>, String) {
//!     // The page is made of nothing but what calls return: whoever has it is told so, in place of being sent it again.
//!     (Extension(ETag::of_calls()), rates().await)
//! }
//!
//! # fn app(cache: &Cache) -> Router {
//! Router::new()
//!     .route("/rates", get(show))
//!     .layer(
//!         CacheLayer::new("invoicing") // Cache-Status: invoicing; hit; ttl=42
//!             .tenant(TenantSource::header("x-tenant")) // set by the gateway, which authenticates
//!             .server_timing(true),
//!     )
//!     .route_service("/livez", liveness())
//!     .route_service(
//!         "/readyz",
//!         readiness(cache).unready_when(|concern| matches!(concern, Concern::Starting)),
//!     )
//! # }
//! # fn main() { drop(app(&Cache::disabled())); }
//! ```
//!
//! [The manual](crate::manual::http) shows it, step by step.

// # Layout
//
// layer       what is said of the layer, before it is one
// service     the way of a request through it
// tenant      whose a request is
// directives  what a client asks of the cache
// etag        what a handler asks for, and the answer to a client that has it already
// fields      what a response says
// body        the body of a response
// probe       liveness and readiness

mod body;
mod directives;
mod etag;
mod fields;
mod layer;
mod probe;
mod service;
mod tenant;

pub use self::{
    body::{ResponseBody, Text},
    etag::ETag,
    layer::CacheLayer,
    probe::{Liveness, Readiness, liveness, readiness},
    service::{CacheService, ResponseFuture},
    tenant::{MissingTenant, TenantSource},
};
