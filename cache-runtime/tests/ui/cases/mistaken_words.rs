#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "companies_list", skip("pool"))]
async fn quoted(pool: u32) -> u32 {
    pool
}

#[cached(resource = "companies_list", ttl = "1M")]
async fn a_month() -> u32 {
    1
}

#[cached(resource = "invoice_data")]
async fn of_a_group() -> u32 {
    1
}

#[invalidates("invoices_list", scope(company))]
async fn scope_beside_the_name(company: i64) {}

mod declared {
    cache_runtime::resources! {
        a { ttl = "1m" },
        b { ttl = "2m" },
    }
}

fn main() {}
