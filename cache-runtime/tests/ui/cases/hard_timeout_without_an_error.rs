mod cache_resources {
    cache_runtime::resources! {
        plain {}
        limited { load_timeout(hard = "5s") }
        slow { stale_if_error = "10m", load_timeout(soft = "1s") }
    }
}

use std::collections::HashMap;

use cache_runtime::cached;

#[derive(Debug)]
struct AppError;

#[cached(resource = "plain", load_timeout(hard = "5s"))]
async fn no_result(page: u32) -> Option<u32> {
    Some(page)
}

#[cached(resource = "plain", load_timeout(hard = "5s"))]
async fn no_conversion(page: u32) -> Result<u32, AppError> {
    Ok(page)
}

#[cached(resource = "limited", load_timeout)]
async fn no_conversion_of_a_declared_one(page: u32) -> Result<u32, AppError> {
    Ok(page)
}

#[cached(resource = "plain", each = ids, load_timeout(hard = "5s"))]
async fn no_result_of_each(ids: &[u32]) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(resource = "limited", each = ids, load_timeout)]
async fn no_conversion_of_each(ids: &[u32]) -> Result<HashMap<u32, u32>, AppError> {
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

#[cached(resource = "slow", load_timeout)]
async fn fine(page: u32) -> Result<u32, AppError> {
    Ok(page)
}

fn main() {}
