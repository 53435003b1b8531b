#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(ttl = 0, skip(db), colour = "red", scope(compny))]
fn cached_function(company: i64, log: &mut String, username: &str) -> i64 {
    log.push_str(username);
    1
}

#[cached(ttl = 0, skip(db), colour = "red", scope(compny))]
async fn cached_async_function(log: &mut String, username: &str) -> i64 {
    log.push_str(username);
    1
}

#[invalidates("dashboard-*", 5, on = "never", "invoices_list"(compny))]
async fn invalidating_function(company: i64) {}

fn main() {
    // The functions are still there, so nothing else is reported.
    let _ = cached_function(1, &mut String::new(), "anna");
    let _ = cached_async_function(&mut String::new(), "anna");
    let _ = invalidating_function(1);
}
