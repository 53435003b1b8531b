//! Scopes that are declared as an `Option`: "nobody" is a value like any other.

use std::borrow::Cow;

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Bypass, Hit, Miss},
    cached, invalidates, observe,
};
use cache_testkit::{OperationKind, expect_outcomes, isolated, isolated_in};
use support::spy;

#[cached(resource = "feed", scope(viewer))]
async fn feed(viewer: Option<u32>) -> Option<u32> {
    Some(viewer.unwrap_or_default())
}

#[cached(resource = "near_feed", scope(viewer = current), near = "checked")]
async fn near_feed(current: Option<u32>) -> String {
    format!("{current:?}")
}

#[cached(resource = "feed", scope(viewer = None))]
async fn front_page() -> u32 {
    0
}

#[cached(resource = "page", scope(locale, section))]
async fn page(locale: Option<&str>, section: u32) -> u32 {
    section
}

#[cached(resource = "page", scope(locale = locale.clone(), section = 1))]
async fn owned_page(locale: Option<String>, more: Option<Cow<'_, str>>) -> u32 {
    1
}

#[cached(resource = "page", scope(locale = Option::None, section = 2))]
async fn page_in_no_language() -> u32 {
    2
}

#[cached(resource = "profile", scope(user))]
async fn profile(user: u32) -> u32 {
    user
}

/// Calls for nobody, 0 and 1; whether each was answered by the cache.
async fn cached_feeds() -> [bool; 3] {
    let (values, outcomes) = observe(async { (feed(None).await, feed(Some(0)).await, feed(Some(1)).await) }).await;
    assert_eq!(values, (Some(0), Some(0), Some(1)));
    let mut hits = outcomes.iter().map(|call| call.outcome == Hit);
    std::array::from_fn(|_| hits.next().expect("one for each call"))
}

#[invalidates("feeds"(viewer))]
async fn changed(viewer: Option<u32>) {}

#[invalidates("feeds"(viewer = None), "page"(locale = None))]
async fn changed_for_nobody() {}

#[invalidates("feed"(viewer = **result))]
async fn changed_by_result(viewer: Option<u32>) -> Box<Option<u32>> {
    Box::new(viewer)
}

#[invalidates("feed"(viewer = Some(1)), "page"(locale = Some("en")))]
async fn changed_for_one() {}

#[tokio::test]
async fn nobody_has_entries_and_invalidations_of_its_own() {
    isolated(async |_| {
        assert_eq!(cached_feeds().await, [false; 3]);
        assert_eq!(cached_feeds().await, [true; 3]);
        changed(None).await;
        assert_eq!(cached_feeds().await, [false, true, true]);
        changed(Some(0)).await;
        assert_eq!(cached_feeds().await, [true, false, true]);
        changed_for_nobody().await;
        assert_eq!(cached_feeds().await, [false, true, true]);
        changed_for_one().await;
        assert_eq!(cached_feeds().await, [true, true, false]);
        changed_by_result(None).await;
        assert_eq!(cached_feeds().await, [false, true, true]);
    })
    .await;
}

#[tokio::test]
async fn a_near_value_of_nobody_is_no_other_s() {
    isolated(async |_| {
        for viewer in [None, Some(0), None] {
            assert_eq!(near_feed(viewer).await, format!("{viewer:?}"));
        }
        changed(None).await;
        expect_outcomes(&[Miss], near_feed(None)).await;
        let (_, outcomes) = observe(near_feed(Some(0))).await;
        assert!(outcomes.iter().all(|call| call.outcome != Miss));
    })
    .await;
}

#[tokio::test]
async fn texts_may_be_borrowed_or_owned() {
    isolated(async |_| {
        page(Some("en"), 1).await;
        page(None, 1).await;
        page(Some(""), 1).await;
        page(Some("~"), 1).await;
        owned_page(Some("en".to_owned()), None).await;
        page_in_no_language().await;
        changed_for_one().await;
        expect_outcomes(&[Miss, Hit, Hit, Hit, Miss, Hit], async {
            page(Some("en"), 1).await;
            page(None, 1).await;
            page(Some(""), 1).await;
            page(Some("~"), 1).await;
            owned_page(Some("en".to_owned()), None).await;
            page_in_no_language().await;
        })
        .await;
        changed_for_nobody().await;
        expect_outcomes(&[Hit, Miss, Miss], async {
            (
                page(Some(""), 1).await,
                page(None, 1).await,
                page_in_no_language().await,
            )
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn nobody_is_spelt_as_no_value_can_be() {
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |_| {
        front_page().await;
        page(None, 7).await;
        page(Some("~"), 7).await;
        page(Some("None"), 7).await;
    })
    .await;
    let fills = spy
        .operations()
        .into_iter()
        .filter(|operation| operation.kind == OperationKind::Fill);
    let keys: Vec<String> = fills.flat_map(|fill| fill.keys).collect();
    for (key, start) in keys.iter().zip([
        "cache:default:feed:viewer-~:",
        "cache:default:page:locale-~:section-7:",
        "cache:default:page:locale-%7E:section-7:",
        "cache:default:page:locale-None:section-7:",
    ]) {
        assert!(key.starts_with(start), "{key}");
    }
    assert_eq!(keys.len(), 4);
}

#[tokio::test]
async fn by_hand_nobody_is_a_value_too() {
    isolated(async |cache| {
        cached_feeds().await;
        let by_hand = cache.invalidate("feeds").scope_none("viewer").await;
        assert_eq!(by_hand, Ok(Invalidated::Acknowledged));
        assert_eq!(cached_feeds().await, [false, true, true]);
        cache.invalidate("feed").scope("viewer", 1).await.unwrap();
        assert_eq!(cached_feeds().await, [true, true, false]);
        // A value that is spelt like nobody is somebody.
        cache.invalidate("feed").scope("viewer", "~").await.unwrap();
        assert_eq!(cached_feeds().await, [true, true, true]);
    })
    .await;
}

#[tokio::test]
async fn by_hand_a_scope_that_always_has_a_value_has_no_nobody() {
    isolated(async |cache| {
        profile(1).await;
        let error = cache.invalidate("profile").scope_none("user").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the scope `user` of resource `profile` is not declared as an `Option`: it is never `None`"
        );
        let error = cache.invalidate("feed").scope_none("user").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "resource `feed` has no scope `user`: it declares viewer"
        );
    })
    .await;
}

#[invalidates("feed"(viewer))]
async fn reads(viewer: Option<u32>) {
    cached_feeds().await;
}

#[tokio::test]
async fn a_mutation_of_nobody_reads_what_is_somebody_s_from_the_cache() {
    isolated(async |_| {
        cached_feeds().await;
        expect_outcomes(&[Bypass, Hit, Hit], reads(None)).await;
        expect_outcomes(&[Miss, Bypass, Hit], reads(Some(0))).await;
    })
    .await;
}
