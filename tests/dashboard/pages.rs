//! What the pages show, and the stream that keeps them up to date.

use std::{future::pending, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::StatusCode,
};
use cache_runtime::{
    Cache,
    dashboard::{Dashboard, Redaction},
    store::StoreErrorKind,
};
use cache_testkit::{isolated, isolated_in, recovered, until};
use futures_util::{FutureExt as _, StreamExt as _};
use support::spy;
use tokio::{sync::oneshot, time::advance};

use crate::{
    service::{balance, invoices, note, rates},
    site::Site,
};

/// The text of an element.
#[track_caller]
fn text_of<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("id=\"{id}\""))
        .unwrap_or_else(|| panic!("{id} in {page}"));
    let (_, rest) = rest.split_once('>').expect("its content");
    rest.split('<').next().expect("its end")
}

/// The next event, as a page.
async fn event(stream: &mut BodyDataStream) -> Option<String> {
    let bytes = stream.next().await?.expect("a part of it");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: ").or_else(|| line.strip_prefix("data:")));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[tokio::test(start_paused = true)]
async fn the_overview_shows_what_became_of_the_calls_of_the_last_minute() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        for _ in 0..10 {
            invoices(1, 1).await;
        }
        advance(Duration::from_secs(10)).await;
        let page = site.get("/cache").await.shown();
        assert_eq!(text_of(&page, "value-hit-rate"), "90.0 %");
        assert_eq!(text_of(&page, "value-calls"), "1.00/s");
        assert_eq!(text_of(&page, "invoices_list-hits"), "90.0 %");
        assert!(page.contains("href=\"cache/resource?name=invoices%5Flist\""), "{page}");
        for _ in 0..20 {
            advance(Duration::from_secs(6)).await;
            tokio::task::yield_now().await;
        }
        let page = site.get("/cache").await.shown();
        assert_eq!(text_of(&page, "value-hit-rate"), "–");
        assert_eq!(text_of(&page, "note-hit-rate"), "90.0 % since the start");
    })
    .await;
}

#[tokio::test]
async fn a_resource_whose_loads_fail_is_said_to_be_unhealthy() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        balance(-1).await.unwrap_err();
        let page = site.get("/cache/resource?name=balances").await.shown();
        assert_eq!(text_of(&page, "health"), "1 load failed");
        assert_eq!(text_of(&page, "total-failed-loads"), "1");
    })
    .await;
}

#[tokio::test]
async fn a_resource_is_shown_with_what_is_declared_and_where() {
    isolated(async |cache| {
        let page = Site::of(&cache).get("/cache/resource?name=invoices_list").await.shown();
        for text in [
            "The invoices of one company, a page at a time.",
            "<code>company: i64</code>",
            "stale_if_error",
            "service::invoices",
            "service.rs:",
            "service::pay",
            "changes of <code>companies</code>",
        ] {
            assert!(page.contains(text), "{text} in {page}");
        }
        let none = Site::of(&cache).get("/cache/resource?name=%3Cb%3E").await;
        assert_eq!(none.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn the_resources_are_shown_with_what_invalidates_them_and_what_is_odd() {
    isolated(async |cache| {
        let page = Site::of(&cache).get("/cache/resources").await.shown();
        for text in [
            "<svg class=\"graph\"",
            "table companies",
            "service::pay",
            "Worth a look",
            "forgotten",
        ] {
            assert!(page.contains(text), "{text} in {page}");
        }
    })
    .await;
}

#[tokio::test]
async fn entries_are_listed_by_tenant_and_resource_and_shown_decoded() {
    isolated(async |cache| {
        invoices(7, 1).await;
        invoices(8, 1).await;
        rates().await;
        let site = Site::of(&cache);
        let all = site.get("/cache/entries").await.shown();
        assert_eq!(all.matches("href=\"entry?key=").count(), 3, "{all}");
        let some = site
            .get("/cache/entries?tenant=default&resource=invoices_*")
            .await
            .shown();
        assert_eq!(some.matches("href=\"entry?key=").count(), 2, "{some}");
        let shared = site.get("/cache/entries?tenant=~shared").await.shown();
        assert_eq!(shared.matches("href=\"entry?key=").count(), 1, "{shared}");
        let (_, link) = some.split_once("href=\"entry?key=").unwrap();
        let entry = format!("/cache/entry?key={}", link.split('"').next().unwrap());
        let page = site.get(&entry).await.shown();
        for text in [
            "&quot;customer&quot;: &quot;Customer of",
            ">fresh<",
            ">current<",
            "Invalidate company=",
        ] {
            assert!(page.contains(text), "{text} in {page}");
        }
        cache.invalidate("invoices_list").await.unwrap();
        let page = site.get(&entry).await;
        // Swept, or on the way to be.
        assert!(
            page.status == StatusCode::NOT_FOUND || page.text.contains(">invalidated<"),
            "{}",
            page.text
        );
    })
    .await;
}

#[tokio::test]
async fn of_many_keys_a_page_shows_some_and_leads_further() {
    isolated(async |cache| {
        for page in 0..1500 {
            invoices(1, page).await;
        }
        let site = Site::of(&cache);
        let mut path = "/cache/entries".to_owned();
        let mut pages = 0;
        loop {
            let page = site.get(&path).await.shown();
            assert!(page.matches("href=\"entry?key=").count() <= 200);
            pages += 1;
            let Some((_, next)) = page.split_once("class=\"button\" href=\"") else {
                break;
            };
            path = format!("/cache/{}", next.split('"').next().unwrap());
        }
        assert!(pages > 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_redacted_is_on_no_page() {
    isolated(async |cache| {
        note("secret", "the first secret").await;
        note("other", "the second secret").await;
        let dashboard = Dashboard::new(&cache).hide_arguments().redact(|entry| {
            if entry.summary.key.scopes.iter().any(|scope| scope.value == "secret") {
                Redaction::Hide
            } else {
                Redaction::Replace("(a note)".to_owned())
            }
        });
        let site = Site::new(dashboard);
        let list = site.get("/cache/entries?resource=notes").await.shown();
        let mut shown = String::new();
        for link in list.split("href=\"entry?key=").skip(1) {
            let key = link.split('"').next().unwrap();
            shown += &site.get(&format!("/cache/entry?key={key}")).await.shown();
        }
        assert!(
            shown.contains("Hidden by the service") && shown.contains("(a note)"),
            "{shown}"
        );
        assert!(
            !shown.contains("first secret") && !shown.contains("second secret"),
            "{shown}"
        );
    })
    .await;
}

#[tokio::test]
async fn hot_keys_are_counted_once_somebody_looks() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        let page = site.get("/cache/hot").await.shown();
        assert!(page.contains("No call has been counted yet"), "{page}");
        // One call in eight is counted.
        for _ in 0..500 {
            invoices(42, 7).await;
        }
        let page = site.get("/cache/hot").await.shown();
        assert!(
            page.contains("{&quot;company&quot;: 42, &quot;page&quot;: 7}"),
            "{page}"
        );
        let page = site.get("/cache/hot?resource=notes").await.shown();
        assert!(!page.contains("&quot;company&quot;"), "{page}");
        let page = Site::new(Dashboard::new(&cache).hide_arguments())
            .get("/cache/hot")
            .await
            .shown();
        assert!(!page.contains("&quot;company&quot;"), "{page}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn hot_keys_are_not_counted_any_longer_once_nobody_looks() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        site.get("/cache/hot").await.shown();
        advance(Duration::from_secs(301)).await;
        tokio::task::yield_now().await;
        for _ in 0..500 {
            invoices(42, 7).await;
        }
        let page = site.get("/cache/hot").await.shown();
        assert!(page.contains("No call has been counted yet"), "{page}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_brings_the_figures_at_once_and_again_every_two_seconds_until_the_browser_is_to_ask_anew() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        let mut stream = site.stream("/cache/events").await.into_data_stream();
        let first = event(&mut stream).await.unwrap();
        assert_eq!(text_of(&first, "value-hit-rate"), "–");
        invoices(1, 1).await;
        invoices(1, 1).await;
        let second = event(&mut stream).await.unwrap();
        assert_eq!(text_of(&second, "value-hit-rate"), "50.0 %");
        let mut events = 2;
        while event(&mut stream).await.is_some() {
            events += 1;
        }
        assert!((7..=9).contains(&events), "{events}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_server() {
    isolated(async |cache| {
        let (stop, stopped) = oneshot::channel::<()>();
        let site = Site::new(Dashboard::new(&cache).until(stopped.map(drop)));
        let mut stream: BodyDataStream = Body::into_data_stream(site.stream("/cache/events").await);
        event(&mut stream).await.unwrap();
        drop(stop);
        assert!(event(&mut stream).await.is_none());
        let mut late = site.stream("/cache/events").await.into_data_stream();
        event(&mut late).await.unwrap();
        assert!(event(&mut late).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn an_outage_is_said_first_and_unsaid_when_it_is_over() {
    let spy = spy();
    let cache = Cache::builder().store(spy.clone()).build();
    isolated_in(cache, async |cache| {
        let site = Site::new(Dashboard::new(&cache).until(pending()));
        let page = site.get("/cache").await.shown();
        assert!(!page.contains("The store is unavailable"), "{page}");
        spy.fail_all(StoreErrorKind::RefusesWrites);
        cache.ready(Duration::from_millis(1)).await;
        until("the breaker is open", async || !cache.is_available()).await;
        let page = site.get("/cache").await.shown();
        assert!(
            page.contains("The store is unavailable") && page.contains("open: calls run uncached"),
            "{page}"
        );
        spy.heal();
        recovered(&cache).await;
        let page = site.get("/cache").await.shown();
        assert!(!page.contains("The store is unavailable"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn a_cache_that_is_disabled_is_shown_as_what_it_is() {
    let site = Site::of(&Cache::disabled());
    assert!(site.get("/cache").await.shown().contains("The cache is disabled"));
    assert!(
        site.get("/cache/entries")
            .await
            .shown()
            .contains("no store to look into")
    );
}

#[tokio::test]
async fn mounted_elsewhere_its_links_lead_there() {
    let cache = Cache::builder().build();
    let page = Site::new(Dashboard::new(&cache).path("/internal/cache/"))
        .get("/cache")
        .await
        .shown();
    assert!(
        page.contains("href=\"/internal/cache/entries\"") && page.contains("href=\"/internal/cache\""),
        "{page}"
    );
}
