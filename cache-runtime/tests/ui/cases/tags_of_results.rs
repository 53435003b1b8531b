use cache_runtime::cached;

mod cache_resources {
    cache_runtime::resources! {
        tag author: i64;
        tag series: String;
        page { ttl = 60 }
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Page {
    authors: Vec<i64>,
    title: String,
}

fn page() -> Page {
    Page { authors: vec![1], title: "one".to_owned() }
}

#[cached(resource = "page", tags(author = result.title))]
async fn of_another_type() -> Page {
    page()
}

#[cached(resource = "page", tags(author, series = result.title, series = "two"))]
async fn without_an_argument_and_twice() -> Page {
    page()
}

#[cached(resource = "page", tags(author = result.authors.contains(&by).then_some(by)))]
async fn of_both(by: i64) -> Page {
    let _ = by;
    page()
}

#[cached(resource = "page", each = id in ids, tags(author = id, series = format!("{ids:?}")))]
async fn of_each_id(ids: &[i64]) -> Vec<Option<i64>> {
    ids.iter().copied().map(Some).collect()
}

#[cached(resource = "page", each = ids, tags(author = result.title))]
async fn of_another_type_of_each(ids: &[i64]) -> Vec<Option<String>> {
    ids.iter().map(|id| Some(id.to_string())).collect()
}

fn main() {}
