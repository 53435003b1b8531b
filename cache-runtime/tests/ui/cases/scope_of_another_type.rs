#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::{cached, invalidates};

#[cached(resource = "invoices_list", scope(company))]
async fn an_argument(company: String) -> i64 {
    1
}

#[cached(resource = "sales", scope(company = 1, region = 2))]
async fn an_expression() -> i64 {
    1
}

#[invalidates("invoice_data"(company = result.len()))]
async fn the_result() -> Vec<i64> {
    Vec::new()
}

mod named_types {
    pub type Slug = String;
    pub struct Shelf(pub u8);

    impl std::fmt::Display for Shelf {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    cache_runtime::resources! {
        articles { scope(slug: Slug, shelf: Shelf) }
    }
}

#[cached(resource = named_types::articles, scope(slug, shelf))]
async fn of_named_types(slug: i64, shelf: u8) -> i64 {
    slug
}

fn main() {}
