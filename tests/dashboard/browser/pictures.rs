//! The pictures of the documentation: made anew by hand, when the pages have changed.

use std::{fs, path::Path, time::Duration};

use cache_runtime::Cache;
use cache_testkit::{RedisServer, isolated_in, reaching, recovered};
use tokio::time::{Instant, interval, sleep};

use super::{chromium::Browser, served::Served};
use crate::service::{balance, busy_call};

/// How long calls are made before and after the outage that the charts show.
const BEFORE: Duration = Duration::from_secs(100);
const OUTAGE: Duration = Duration::from_secs(15);
const AFTER: Duration = Duration::from_secs(75);

/// `cargo nextest run -p cache-tests --features dashboard --test dashboard --run-ignored only pictures`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes four minutes, and writes target/pictures"]
async fn pictures_of_the_documentation() {
    let browser = Browser::open().await.expect("pictures take a browser");
    let redis = RedisServer::start().expect("a server");
    let cache = reaching(&redis, Cache::builder()).await;
    isolated_in(cache, async |cache| {
        let served = Served::start(&cache).await;
        make_calls(BEFORE).await;
        redis.stop();
        make_calls(OUTAGE).await;
        redis.restart().expect("it starts again");
        recovered(&cache).await;
        make_calls(AFTER).await;
        balance(-1).await.unwrap_err();
        // From here on calls are counted for the page of hot keys.
        browser.goto(&served.url("/cache/hot")).await;
        make_calls(Duration::from_secs(10)).await;
        for (page, name, height) in [
            ("/cache", "overview", 1250),
            ("/cache/resources", "resources", 1100),
            ("/cache/resource?name=invoices_search", "resource", 1200),
            ("/cache/entries?resource=invoices_search", "entries", 800),
            ("/cache/hot", "hot", 800),
            ("/cache/invalidate", "invalidate", 700),
            (
                "/cache/confirm?what=resource&name=found_data&tenant=client-a&scopes=company%3D7",
                "confirm",
                700,
            ),
        ] {
            for (width, scheme) in [(1400, "light"), (900, "dark"), (400, "light"), (1400, "dark")] {
                take(
                    &browser,
                    &served.url(page),
                    &format!("{name}-{width}-{scheme}"),
                    (width, height),
                    scheme,
                )
                .await;
            }
        }
        browser
            .goto(&served.url("/cache/entries?resource=invoices_search"))
            .await;
        let entry = browser.links("main th a").await;
        for scheme in ["light", "dark"] {
            take(
                &browser,
                &entry[0],
                &format!("entry-1400-{scheme}"),
                (1400, 900),
                scheme,
            )
            .await;
        }
        redis.stop();
        make_calls(OUTAGE).await;
        for (width, scheme) in [(1400, "light"), (900, "dark"), (400, "light")] {
            let name = format!("outage-{width}-{scheme}");
            take(&browser, &served.url("/cache"), &name, (width, 1250), scheme).await;
        }
    })
    .await;
    browser.close().await;
}

/// As a busy service makes them.
async fn make_calls(lasting: Duration) {
    let end = Instant::now() + lasting;
    let mut pace = interval(Duration::from_millis(12));
    while Instant::now() < end {
        pace.tick().await;
        busy_call().await;
    }
}

async fn take(browser: &Browser, url: &str, name: &str, (width, height): (u32, u32), scheme: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pictures");
    fs::create_dir_all(&folder).expect("a folder");
    browser.prefer(scheme).await;
    browser.size(width, height).await;
    browser.goto(url).await;
    // The first figures have come by then.
    sleep(Duration::from_millis(700)).await;
    fs::write(folder.join(format!("{name}.png")), browser.picture().await).expect("a file");
}
