//! The catalogue of a service in which nothing is to be found.

use cache_runtime::{
    cached,
    catalogue::{Catalogue, GraphFormat},
    invalidates,
};

mod cache_resources {
    cache_runtime::resources! {
        invoices_list { ttl = "1m", scope(company: i64) }
        invoices_total { ttl = "1m", scope(company: i64) }
        articles { ttl = "1h" }
        companies { ttl = "1h" }

        tag author: i64;
        group invoice_data = "invoices_*";
        table companies => companies;
    }
}

#[cached(resource = "invoices_list", scope(company))]
async fn invoices(company: i64, page: u32) -> Vec<u32> {
    vec![page]
}

#[cached(resource = "invoices_total", scope(company))]
async fn total(company: i64) -> i64 {
    company
}

/// Of one resource with `article`, and under other keys.
#[cached(resource = "articles", tags(author = result.iter().copied()))]
async fn articles() -> Vec<i64> {
    vec![]
}

#[cached(resource = "articles", tags(author = result))]
async fn article(id: i64) -> i64 {
    let _ = "to update an article is another function's";
    id
}

#[cached(resource = "companies")]
async fn companies() -> Vec<String> {
    vec![]
}

#[invalidates("invoice_data"(company))]
async fn pay(company: i64) -> &'static str {
    "UPDATE invoices SET paid = true"
}

#[invalidates(tag(author))]
async fn rename(author: i64) {}

#[test]
fn nothing_is_found_where_everything_is_as_it_should_be() {
    // What is annotated is there although nobody calls it.
    let _ = (invoices, total, articles, article, companies, pay, rename);
    let catalogue = Catalogue::of_program();
    assert_eq!(catalogue.functions().len(), 5);
    assert_eq!(catalogue.mutations().len(), 2);
    assert_eq!(catalogue.lint(), []);
    assert!(catalogue.graph(GraphFormat::default()).starts_with("flowchart LR\n"));
}
