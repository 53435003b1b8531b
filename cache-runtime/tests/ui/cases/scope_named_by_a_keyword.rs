mod cache_resources {
    cache_runtime::resources! {
        rooms { scope(r#type: i64) }
    }
}

use cache_runtime::{cached, invalidates};

#[cached(resource = "rooms", scope(type = kind))]
async fn rooms(kind: i64) -> i64 {
    kind
}

#[invalidates("rooms"(type = 1))]
async fn change() {}

fn main() {}
