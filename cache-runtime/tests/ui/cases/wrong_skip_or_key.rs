#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[cached(
    resource = "companies_list",
    skip(filtre, filter, filter, self, tenant_id),
    key(page, filter)
)]
async fn of_every_kind(filter: &str, page: u32, tenant_id: &str) -> usize {
    filter.len()
}

fn main() {}
