#[path = "common/mod.rs"]
mod cache_resources;

use std::{cell::Cell, time::Duration};

use cache_runtime::cached;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct NotClone;

#[derive(Clone, Serialize, Deserialize)]
struct NotSync(Cell<i64>);

#[cached(resource = "companies_list", near = "tracked")]
async fn not_clone() -> NotClone {
    NotClone
}

#[cached(resource = "companies_list", near = "checked")]
async fn not_sync() -> Result<NotSync, String> {
    Ok(NotSync(Cell::new(1)))
}

/// Without a near cache neither is needed.
#[cached(resource = "companies_list", near = "off")]
async fn off() -> NotClone {
    NotClone
}

const NEVER: Duration = Duration::ZERO;

#[cached(resource = "companies_list", lease = NEVER)]
async fn zero_lease() -> i64 {
    1
}

fn main() {}
