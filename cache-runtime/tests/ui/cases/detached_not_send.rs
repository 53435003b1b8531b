#[path = "common/mod.rs"]
mod cache_resources;

use std::rc::Rc;

use cache_runtime::invalidates;

#[invalidates("companies_list", detach)]
async fn argument(shared: Rc<u8>) {}

#[invalidates("companies_list", detach)]
async fn result() -> Rc<u8> {
    Rc::new(1)
}

#[invalidates("companies_list", detach)]
async fn body() -> u8 {
    let shared = Rc::new(1);
    std::future::ready(()).await;
    *shared
}

fn main() {}
