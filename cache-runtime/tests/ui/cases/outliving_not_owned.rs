#[path = "common/mod.rs"]
mod cache_resources;

use std::{cell::Cell, rc::Rc};

use cache_runtime::cached;
use serde::Serialize;

#[derive(Serialize)]
struct Filter(u32);

struct Service;

impl Service {
    #[cached(resource = "companies_list", stale_while_revalidate = "30s")]
    async fn not_clone(&self, filter: &Filter) -> u32 {
        self.count() + filter.0
    }

    fn count(&self) -> u32 {
        1
    }
}

struct Db;

#[cached(resource = "companies_list", stale_while_revalidate = "30s", skip(db, each))]
async fn handles(db: &Db, each: &impl Fn() -> u32) -> u32 {
    let Db = db;
    each()
}

#[cached(resource = "companies_list", refresh_ahead)]
async fn not_send(shared: Rc<u32>, cell: &Cell<u32>) -> u32 {
    *shared + cell.get()
}

#[cached(resource = "companies_list", refresh_ahead)]
async fn generic<T: Serialize + ToString>(value: T) -> String {
    value.to_string()
}

#[cached(resource = "companies_list", stale_while_revalidate = "30s", unless = |n| *n > limit.0)]
async fn named_by_a_closure(limit: Filter) -> u32 {
    limit.0
}

#[cached(resource = "companies_list", stale_while_revalidate = "30s")]
async fn body(n: u32) -> u32 {
    let shared = Rc::new(n);
    std::future::ready(()).await;
    *shared
}

#[cached(resource = "companies_list", stale_while_revalidate = "30s")]
async fn result(n: u32) -> Result<u32, Rc<u32>> {
    Ok(n)
}

struct Borrowing<'a>(&'a str);

impl Borrowing<'_> {
    #[cached(resource = "companies_list", stale_while_revalidate = "30s")]
    async fn lengths(&self, n: usize) -> usize {
        self.0.len() + n
    }
}

fn main() {}
