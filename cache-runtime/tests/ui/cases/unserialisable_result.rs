#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;
use serde::Serialize;

struct Row;

#[derive(Serialize)]
struct OneWay;

#[cached(resource = "companies_list")]
async fn plain() -> Row {
    Row
}

#[cached(resource = "companies_list")]
async fn in_a_result() -> Result<Vec<Row>, String> {
    Ok(Vec::new())
}

#[cached(resource = "companies_list")]
async fn only_serialisable() -> Option<OneWay> {
    None
}

struct Json<T>(T);

#[cached(resource = "companies_list")]
async fn a_response() -> Result<Json<i64>, String> {
    Ok(Json(1))
}

#[cached(resource = "companies_list")]
async fn generic<T: Default>() -> T {
    T::default()
}

#[cached(resource = "companies_list")]
async fn borrowed(text: &str) -> &str {
    text
}

fn main() {}
