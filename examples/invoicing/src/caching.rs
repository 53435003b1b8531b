//! All this service does with its cache by hand: what surrounds its requests, and what a new database asks for.
use cache_runtime::{
    Cache, Invalidated,
    http::{CacheLayer, TenantSource},
};

use crate::{db::TENANTS, user::User};

/// Serves each request with `cache`, for the tenant of the user who was authenticated, and says what the cache did.
pub fn layer(cache: &Cache) -> CacheLayer {
    let tenant = TenantSource::from_fn(|request| Some(request.extensions.get::<User>()?.tenant_id.clone()));
    CacheLayer::new("invoicing")
        .cache(cache)
        .tenant(tenant)
        .server_timing(true)
        .release(env!("CARGO_PKG_VERSION"))
}

/// Makes everything that the cache holds for the tenants of the generated data unusable: they have new data.
///
/// # Errors
/// When the cache cannot be asked to.
pub async fn forget_everything(cache: &Cache) -> anyhow::Result<()> {
    for tenant in TENANTS {
        if cache.invalidate_tenant(tenant).await? == Invalidated::Pending {
            tracing::warn!(
                tenant,
                "other processes may show the data of before until Redis answers"
            );
        }
    }
    Ok(())
}
