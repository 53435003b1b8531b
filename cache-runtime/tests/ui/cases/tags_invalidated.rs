use cache_runtime::invalidates;

mod cache_resources {
    cache_runtime::resources! {
        tag author: i64;
        page { ttl = 60 }
    }
}

#[invalidates(tag("author", name))]
async fn of_another_type(name: String) {}

#[invalidates(tag("author"), tag(), tag(author = 1, series = 2))]
async fn without_a_value_and_several() {}

#[invalidates(tag(author), soft)]
async fn softly(author: i64) {}

fn main() {}
