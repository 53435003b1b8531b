mod cache_resources {
    cache_runtime::resources! {
        news { stale_while_revalidate = "30s" }
        hot { refresh_ahead }
        slow { stale_if_error = "10m", load_timeout(soft = "200ms") }
        limited { load_timeout(hard = "5s") }
        fine { stale_if_error = "10m", negative_ttl = "10s", jitter = "10%" }
    }
}

use cache_runtime::cached;

#[cached(resource = "news")]
async fn news(page: u32) -> u32 {
    page
}

#[cached(resource = "hot", stale_while_revalidate = "1s")]
async fn hot(page: u32) -> u32 {
    page
}

#[cached(resource = "slow")]
async fn slow(page: u32) -> u32 {
    page
}

#[cached(resource = "limited")]
async fn limited(page: u32) -> u32 {
    page
}

#[cached(resource = "fine")]
async fn fine(page: u32) -> u32 {
    page
}

#[cached(resource = "news", stale_while_revalidate = "off")]
async fn off(page: u32) -> u32 {
    page
}

fn main() {}
