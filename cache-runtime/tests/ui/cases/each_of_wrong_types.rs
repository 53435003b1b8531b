//! `each`: types that there is no entry for each id with.

#[path = "common/mod.rs"]
mod cache_resources;

use std::collections::HashMap;

use cache_runtime::cached;

#[cached(resource = "companies_list", each = ids)]
async fn of_rows(ids: &[u32]) -> Vec<u32> {
    ids.to_vec()
}

#[cached(resource = "companies_list", each = ids)]
async fn of_rows_or_an_error(ids: &[u32]) -> Result<Vec<u32>, String> {
    Ok(ids.to_vec())
}

#[cached(resource = "companies_list", each = ids)]
async fn of_a_map_by_something_else(ids: &[u32]) -> HashMap<String, u32> {
    ids.iter().map(|id| (id.to_string(), *id)).collect()
}

#[derive(serde::Serialize)]
struct Handle;

#[cached(resource = "companies_list", each = ids)]
async fn with_an_argument_that_is_no_clone(ids: &[u32], handle: Handle) -> HashMap<u32, u32> {
    drop(handle);
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
