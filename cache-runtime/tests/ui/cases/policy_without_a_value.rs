#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[cached(resource = "companies_list", stale_while_revalidate)]
async fn stale(page: u32) -> u32 {
    page
}

#[cached(resource = "companies_list", load_timeout, refresh_ahead)]
async fn timed(page: u32) -> u32 {
    page
}

#[cached(resource = "companies_list", cache_err = |error| error.is_empty())]
async fn errors(page: u32) -> Result<u32, String> {
    Ok(page)
}

fn main() {}
