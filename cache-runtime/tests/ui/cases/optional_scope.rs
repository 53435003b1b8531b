mod cache_resources {
    cache_runtime::resources! {
        feed { scope(viewer: Option<i64>) }
        page { scope(locale: Option<String>) }
        profile { scope(user: i64) }
        settings { scope(locale: String, user: Option<i64>, theme: Option<&str>) }
    }
}

use cache_runtime::{cached, invalidates};

#[cached(resource = "feed", scope(viewer))]
async fn no_option(viewer: i64) -> i64 {
    viewer
}

#[invalidates("feed"(viewer))]
async fn of_another_number(viewer: Option<u8>) {}

#[cached(resource = "page", scope(locale))]
async fn no_optional_text(locale: &str) -> usize {
    locale.len()
}

#[invalidates("page"(locale))]
async fn no_text(locale: Option<i64>) {}

#[cached(resource = "profile", scope(user = None))]
async fn nobody() -> i64 {
    0
}

#[invalidates("profile"(user))]
async fn somebody(user: Option<i64>) {}

fn main() {}
