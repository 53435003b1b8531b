use cache_runtime::invalidates;

mod cache_resources {
    cache_runtime::resources! {
        news { ttl = 60, soft, stale_while_revalidate = "1h" }
        old_news { ttl = 60 }
        group all = news, old_news;
    }
}

#[invalidates("news", soft)]
async fn declared() {}

#[invalidates("old_news", soft)]
async fn not_declared() {}

#[invalidates("all", soft)]
async fn a_group_with_one_that_is_not() {}

#[invalidates("*news", soft)]
async fn a_pattern_that_matches_one_that_is_not() {}

#[invalidates("news", soft = true)]
async fn with_a_value() {}

fn main() {}
