//! Every request is served with the service's cache and the user's tenant; reads say what the cache did.
use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};

use super::App;
use crate::{caching, user::User};

static X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Sets the cache and the tenant for everything inside, and the header `x-cache` on reads that used the cache.
pub(super) async fn serve_with_cache(State(app): State<App>, user: User, request: Request, next: Next) -> Response {
    let is_read = request.method() == Method::GET;
    let (mut response, seen) = caching::serve(app.cache, &user.tenant_id, next.run(request)).await;
    if let Some(seen) = seen.filter(|_| is_read) {
        response
            .headers_mut()
            .insert(X_CACHE.clone(), HeaderValue::from_static(seen.as_str()));
    }
    response
}
