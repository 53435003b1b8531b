#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::invalidates;

#[invalidates("dashbord_*")]
async fn misspelt() {}

#[invalidates("invoices_list", "*_weather")]
async fn nowhere_near() {}

#[invalidates("dashboard-*")]
async fn can_match_no_name() {}

fn main() {}
