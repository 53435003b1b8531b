mod cache_resources {
    cache_runtime::resources! {
        article { scope(slug: String) }
        feed { scope(viewer: i64) }
        group favourite(slug, viewer) = article(slug), feed(viewer);
        group renamed(title) = article(slug = title);
    }
}

use cache_runtime::invalidates;

#[invalidates("favourite"(slgu = slug, viewer))]
async fn misspelt(slug: &str, viewer: i64) {}

#[invalidates("favourite"(article = slug))]
async fn not_a_parameter(slug: &str) {}

#[invalidates("renamed"(title = 1))]
async fn of_another_type() {}

#[invalidates("renamed"(slug))]
async fn a_scope_and_no_parameter(slug: &str) {}

fn main() {}
