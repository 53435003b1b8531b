//! The conditions of a mutation's targets.

use cache_runtime::{
    Outcome::{Bypass, Hit, Miss},
    cached, invalidates, with_cache,
};
use cache_testkit::{Gate, PATIENCE, expect_outcomes, isolated};

#[cached(resource = "article", scope(slug))]
async fn article(slug: &str) -> u32 {
    1
}

#[cached(resource = "profile", scope(user))]
async fn profile(user: u32) -> u32 {
    user
}

#[cached(resource = "tags")]
async fn tags() -> u32 {
    3
}

/// Whether each of these is answered by the cache: the article `a`, the profiles of 1 and 2, the tags.
async fn cached_ones() -> [bool; 4] {
    let (_, outcomes) =
        cache_runtime::observe(async { (article("a").await, profile(1).await, profile(2).await, tags().await) }).await;
    let mut hits = outcomes.iter().map(|call| call.outcome == Hit);
    std::array::from_fn(|_| hits.next().expect("one for each call"))
}

#[derive(Debug, Clone, Copy)]
struct Published {
    tagged: bool,
    author: Option<u32>,
}

#[invalidates(
    "profile"(user, when = followers > 0),
    "tags"(when = result.tagged),
    "article"(slug = "a", when = result.author.is_none()),
)]
async fn publish(user: u32, followers: u32, published: Result<Published, ()>) -> Result<Published, ()> {
    published
}

const UNTAGGED: Published = Published {
    tagged: false,
    author: Some(1),
};

const TAGGED: Published = Published {
    tagged: true,
    author: None,
};

#[tokio::test]
async fn a_target_is_meant_if_its_condition_is_true() {
    isolated(async |_| {
        cached_ones().await;
        publish(1, 0, Ok(UNTAGGED)).await.unwrap();
        assert_eq!(cached_ones().await, [true, true, true, true]);
        publish(1, 3, Ok(UNTAGGED)).await.unwrap();
        assert_eq!(cached_ones().await, [true, false, true, true]);
        publish(1, 0, Ok(TAGGED)).await.unwrap();
        assert_eq!(cached_ones().await, [false, true, true, false]);
        publish(1, 3, Err(())).await.unwrap_err();
        assert_eq!(cached_ones().await, [true, true, true, true]);
    })
    .await;
}

#[invalidates(
    "profile"(user = result.author.expect("the condition was true"), when = result.author.is_some()),
    "article"(slug = title.expect("the condition was true"), when = title.is_some()),
)]
async fn optional(title: Option<&str>, published: Published) -> Published {
    published
}

#[tokio::test]
async fn a_scope_value_is_asked_for_only_if_the_condition_is_true() {
    isolated(async |_| {
        cached_ones().await;
        optional(None, TAGGED).await;
        assert_eq!(cached_ones().await, [true, true, true, true]);
        optional(Some("a"), UNTAGGED).await;
        assert_eq!(cached_ones().await, [false, false, true, true]);
    })
    .await;
}

#[invalidates(
    "profile"(user = result, when = known),
    "profile"(user = 2, when = *result == 0),
    "tags"(when = !known),
    on = "always"
)]
async fn unknown(known: bool, gate: &Gate, user: Result<u32, ()>) -> Result<u32, ()> {
    gate.pass().await;
    user
}

#[tokio::test]
async fn without_a_result_only_what_is_known_to_be_false_is_left_out() {
    isolated(async |cache| {
        let open = Gate::closed();
        open.open();
        for (known, expected) in [
            // The first one is meant as a whole, since its value is not known.
            (true, [true, false, false, true]),
            // Of the second one the value is known, and the condition is not.
            (false, [true, true, false, false]),
        ] {
            cached_ones().await;
            unknown(known, &open, Err(())).await.unwrap_err();
            assert_eq!(cached_ones().await, expected);

            let gate = Gate::closed();
            let waiting = gate.clone();
            let dropped = tokio::spawn(with_cache(cache.clone(), async move {
                unknown(known, &waiting, Ok(0)).await
            }));
            gate.until_waiting(1).await;
            dropped.abort();
            dropped.await.unwrap_err();
            // What waits for the acknowledgement is not read: no hit either.
            assert_eq!(cached_ones().await, expected);
            cache.ready(PATIENCE).await;
        }
        cached_ones().await;
        unknown(true, &open, Ok(1)).await.unwrap();
        assert_eq!(cached_ones().await, [true, false, true, true]);
        unknown(false, &open, Ok(0)).await.unwrap();
        assert_eq!(cached_ones().await, [true, true, false, false]);
    })
    .await;
}

#[invalidates("profile"(user, when = changed), "tags"(when = *result))]
async fn reads(user: u32, changed: bool) -> bool {
    profile(user).await;
    tags().await;
    changed
}

#[tokio::test]
async fn what_is_known_not_to_be_meant_is_read_from_the_cache_inside() {
    isolated(async |_| {
        cached_ones().await;
        expect_outcomes(&[Hit, Bypass], reads(1, false)).await;
        expect_outcomes(&[Bypass, Bypass], reads(1, true)).await;
        expect_outcomes(&[Miss, Miss], async { (profile(1).await, tags().await) }).await;
    })
    .await;
}
