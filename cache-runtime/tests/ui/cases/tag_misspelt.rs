use cache_runtime::{cached, invalidates};

mod cache_resources {
    cache_runtime::resources! {
        tag author: i64;
        page { ttl = 60 }
    }
}

#[cached(resource = "page", tags(autor = result))]
async fn page() -> Vec<i64> {
    vec![1]
}

#[invalidates(tag("autor", author))]
async fn rename(author: i64) {}

#[invalidates(tag(autor = author))]
async fn retire(author: i64) {}

fn main() {}
