#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

struct Db;

#[cached(resource = "companies_list")]
async fn by_value(db: Db, n: i64) -> i64 {
    n
}

struct Service;

impl Service {
    #[cached(resource = "companies_list")]
    async fn by_reference(&self, db: &Db, n: i64) -> i64 {
        n
    }

    #[cached(resource = "companies_list", key(service = self))]
    async fn an_expression(&self, n: i64) -> i64 {
        n
    }
}

#[cached(resource = "companies_list")]
async fn generic<T>(value: T) -> i64 {
    1
}

#[cached(resource = "companies_list")]
async fn bound<T: std::fmt::Debug>(value: &T, more: Vec<T>, set: std::collections::HashSet<T>) -> String {
    format!("{value:?}")
}

struct Path<T>(T);
struct State<T>(T);

#[cached(resource = "companies_list")]
async fn handler(State(db): State<Db>, path: Path<i64>) -> i64 {
    path.0
}

#[cached(resource = "companies_list")]
async fn opaque(each: impl Fn()) -> i64 {
    each();
    1
}

fn main() {}
