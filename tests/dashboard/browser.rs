//! The dashboard as a browser has it: live, by clicks, by keys, without scripts; in an outage; and what it makes of hostile text.
//!
//! Where there is no Chromium with its driver, these tests say so and pass.

mod chromium;
mod pictures;
mod served;

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss},
    with_tenant,
};
use cache_testkit::{RedisServer, expect_outcomes, isolated, isolated_in, reaching, recovered};

use self::{
    chromium::{Browser, TAB},
    served::Served,
};
use crate::{
    hostile::HOSTILE,
    service::{invoices, note},
};

#[tokio::test]
async fn figures_change_while_the_page_is_open() {
    let Some(browser) = Browser::open().await else { return };
    isolated(async |cache| {
        let served = Served::start(&cache).await;
        browser.goto(&served.url("/cache")).await;
        browser.until_text("#live-state", "Live").await;
        assert_eq!(browser.text("#value-hit-rate").await, "–");
        invoices(1, 1).await;
        invoices(1, 1).await;
        browser.until_text("#value-hit-rate", "50.0 %").await;
        browser.until_text("#invoices_list-health", "healthy").await;
        // What is paused stays as it is; what goes on catches up.
        browser.click("#live-switch").await;
        browser.until_text("#live-state", "Paused").await;
        invoices(1, 1).await;
        invoices(1, 1).await;
        browser.click("#live-switch").await;
        browser.until_text("#value-hit-rate", "75.0 %").await;
        browser.assert_clean(&served).await;
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn an_entry_is_found_and_invalidated_and_the_next_call_misses() {
    let Some(browser) = Browser::open().await else { return };
    isolated(async |cache| {
        let served = Served::start(&cache).await;
        find_and_invalidate(&browser, &served).await;
        browser.assert_clean(&served).await;
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn without_scripts_everything_reads_and_works() {
    let Some(browser) = Browser::open().await else { return };
    browser.disable_scripts().await;
    isolated(async |cache| {
        let served = Served::start(&cache).await;
        invoices(1, 1).await;
        invoices(1, 1).await;
        browser.goto(&served.url("/cache")).await;
        assert_eq!(browser.text("#value-hit-rate").await, "50.0 %");
        assert_eq!(browser.text("#live").await, "", "there is nothing to pause");
        find_and_invalidate(&browser, &served).await;
        browser.assert_clean(&served).await;
    })
    .await;
    browser.close().await;
}

/// By the menu, the list, the entry and the confirmation.
async fn find_and_invalidate(browser: &Browser, served: &Served) {
    invoices(7, 1).await;
    invoices(8, 1).await;
    browser.goto(&served.url("/cache")).await;
    browser.click_link("Entries").await;
    browser.write("#resource", "invoices_list").await;
    browser.click("main form button").await;
    browser.click_link_with("company-7").await;
    assert!(browser.text("pre.payload").await.contains("Customer of 7"));
    assert!(browser.text("main").await.contains("current"));
    browser.click_link("Invalidate company=7").await;
    assert_eq!(browser.text("h1").await, "Invalidate invoices_list?");
    expect_outcomes(&[Hit, Hit], async { (invoices(7, 1).await, invoices(8, 1).await) }).await;
    browser.click("button.danger").await;
    assert!(browser.text("[role=status]").await.contains("Done, and acknowledged"));
    expect_outcomes(&[Miss, Hit], async { (invoices(7, 1).await, invoices(8, 1).await) }).await;
}

#[tokio::test]
async fn by_keys_alone_something_is_invalidated() {
    let Some(browser) = Browser::open().await else { return };
    isolated(async |cache| {
        let served = Served::start(&cache).await;
        invoices(7, 1).await;
        browser.goto(&served.url("/cache")).await;
        browser.press(TAB).await;
        assert_eq!(browser.focused().await, "Skip to the content");
        browser.tab_to("Invalidate").await;
        browser.press("\n").await;
        browser.until_text("h1", "Invalidate").await;
        browser.tab_to("resource-name").await;
        browser.press("invoices_list").await;
        browser.press("\n").await;
        browser.until_text("h1", "Invalidate invoices_list?").await;
        browser.tab_to("Invalidate").await;
        browser.tab_to("Invalidate").await;
        browser.press("\n").await;
        browser.until_text("h1", "Invalidated invoices_list").await;
        expect_outcomes(&[Miss], invoices(7, 1)).await;
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn hostile_text_does_nothing() {
    let Some(browser) = Browser::open().await else { return };
    isolated(async |cache| {
        let served = Served::start(&cache).await;
        browser.goto(&served.url("/cache/hot")).await;
        for text in HOSTILE {
            for _ in 0..100 {
                with_tenant(text, note(text, text)).await;
            }
        }
        browser.goto(&served.url("/cache/entries")).await;
        let entries = browser.links("main td a, main th a").await;
        assert_eq!(entries.len(), HOSTILE.len());
        let pages = ["/cache", "/cache/hot", "/cache/entries"].map(|page| served.url(page));
        for page in entries.into_iter().chain(pages) {
            browser.goto(&page).await;
            assert!(browser.title().await.ends_with(" · Cache"), "{page}");
            assert_eq!(browser.count("script").await, 1);
            assert_eq!(browser.count("main img, main iframe").await, 0);
        }
        // Through the script, too.
        browser.goto(&served.url("/cache/hot")).await;
        browser.until_text("#live-state", "Live").await;
        assert!(browser.title().await.ends_with(" · Cache"));
        browser.assert_clean(&served).await;
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn an_outage_shows_while_the_page_is_open_and_so_does_its_end() {
    let Some(browser) = Browser::open().await else { return };
    let redis = RedisServer::start().expect("a server");
    let cache = reaching(&redis, Cache::builder()).await;
    isolated_in(cache, async |cache| {
        let served = Served::start(&cache).await;
        browser.goto(&served.url("/cache")).await;
        browser.until_text("#breaker", "closed: calls ask the store").await;
        redis.stop();
        browser.until_text("#concerns strong", "The store is unavailable").await;
        browser
            .until_text(
                "#breaker",
                "open: calls run uncached until the store answers a probe again",
            )
            .await;
        redis.restart().expect("it starts again");
        recovered(&cache).await;
        browser.until_text("#breaker", "closed: calls ask the store").await;
        assert_eq!(browser.text("#concerns").await, "");
        browser.assert_clean(&served).await;
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn every_page_is_one_that_a_screen_reader_can_use_and_all_can_read() {
    let Some(browser) = Browser::open().await else { return };
    isolated(async |cache| {
        let served = Served::start(&cache).await;
        invoices(7, 1).await;
        invoices(8, 1).await;
        browser.goto(&served.url("/cache/entries")).await;
        let entries = browser.links("main td a, main th a").await;
        let pages = [
            "/cache",
            "/cache/resources",
            "/cache/resource?name=invoices_list",
            "/cache/entries",
            "/cache/hot",
            "/cache/invalidate",
            "/cache/confirm?what=resource&name=notes",
            "/cache/confirm?what=resource&name=nothing",
        ];
        for page in pages.map(|page| served.url(page)).into_iter().chain(entries) {
            for scheme in ["light", "dark"] {
                browser.prefer(scheme).await;
                browser.goto(&page).await;
                browser.assert_readable(&page).await;
            }
            browser.assert_accessible(&page).await;
            browser.size(320, 800).await;
            browser.assert_narrow(&page).await;
            browser.size(1280, 900).await;
        }
    })
    .await;
    browser.close().await;
}
