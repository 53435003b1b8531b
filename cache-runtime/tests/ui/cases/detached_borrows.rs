#[path = "common/mod.rs"]
mod cache_resources;

use std::{borrow::Cow, sync::Arc};

use cache_runtime::invalidates;

struct Service;

impl Service {
    #[invalidates("companies_list", detach)]
    async fn borrowed_self(&self, _name: &str, _ids: &[i64], _owned: String) {}

    #[invalidates("companies_list", detach)]
    async fn inside(self: Arc<Self>, _name: Option<&str>, _text: Cow<'_, str>, _fine: &'static str, _also: fn(&str)) {}
}

fn main() {}
