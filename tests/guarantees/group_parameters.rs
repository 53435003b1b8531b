//! Groups with parameters: one name for several resources, each with scope values of its own.

use cache_runtime::{
    Outcome::{Bypass, Hit},
    cached, invalidates, observe,
};
use cache_testkit::{expect_outcomes, isolated};

#[cached(resource = "article", scope(slug))]
async fn article(slug: &str) -> u32 {
    1
}

#[cached(resource = "comments", scope(article))]
async fn comments(article: &str) -> u32 {
    2
}

#[cached(resource = "feed", scope(viewer))]
async fn feed(viewer: Option<u32>) -> u32 {
    3
}

#[cached(resource = "board_day", scope(viewer))]
async fn day(viewer: Option<u32>) -> u32 {
    4
}

#[cached(resource = "board_week", scope(viewer))]
async fn week(viewer: Option<u32>) -> u32 {
    5
}

#[cached(resource = "place", scope(house, room))]
async fn place(house: u32, room: u32) -> u32 {
    6
}

#[cached(resource = "tags")]
async fn tags() -> u32 {
    7
}

/// Everything once for the article and the viewer; the names of what the cache did not answer.
async fn missing(slug: &str, viewer: Option<u32>) -> Vec<&'static str> {
    let (_, outcomes) = observe(async {
        article(slug).await;
        comments(slug).await;
        feed(viewer).await;
        (day(viewer).await, week(viewer).await, tags().await)
    })
    .await;
    let missing = outcomes.iter().filter(|call| call.outcome != Hit);
    missing.map(|call| call.resource).collect()
}

const NOTHING: [&str; 0] = [];
const ALL: [&str; 6] = ["article", "comments", "feed", "board_day", "board_week", "tags"];

/// Everything for two articles and three viewers is in the cache.
async fn warm_up() {
    for (slug, viewer) in [("a", None), ("b", Some(1)), ("a", Some(2))] {
        missing(slug, viewer).await;
        assert_eq!(missing(slug, viewer).await, NOTHING);
    }
}

#[derive(Debug)]
struct Article {
    slug: String,
}

#[invalidates("favourite"(slug = result.slug, viewer))]
async fn like(slug: &str, viewer: Option<u32>) -> Result<Article, ()> {
    Ok(Article { slug: slug.to_owned() })
}

#[tokio::test]
async fn each_parameter_reaches_the_scopes_that_it_is_given_to_and_no_others() {
    isolated(async |_| {
        warm_up().await;
        like("a", Some(1)).await.unwrap();
        assert_eq!(missing("b", None).await, ["tags"]);
        assert_eq!(missing("b", Some(1)).await, ["feed", "board_day", "board_week"]);
        assert_eq!(missing("a", Some(2)).await, ["article", "comments"]);
    })
    .await;
}

#[invalidates("favourite"(slug, viewer = None, when = meant))]
async fn like_as_nobody(slug: String, meant: bool) {}

#[invalidates("for_viewer"(who), crate::cache_resources::by_pattern(viewer = Some(2)))]
async fn nested(who: Option<u32>) {}

#[tokio::test]
async fn a_group_with_parameters_is_a_target_like_any_other() {
    isolated(async |_| {
        warm_up().await;
        like_as_nobody("a".to_owned(), false).await;
        assert_eq!(missing("a", None).await, NOTHING);
        like_as_nobody("a".to_owned(), true).await;
        assert_eq!(missing("b", Some(2)).await, ["tags"]);
        assert_eq!(
            missing("a", None).await,
            ["article", "comments", "feed", "board_day", "board_week"]
        );
        nested(None).await;
        assert_eq!(missing("a", None).await, ["feed", "board_day", "board_week"]);
        assert_eq!(missing("a", Some(2)).await, ["board_day", "board_week"]);
    })
    .await;
}

#[invalidates("favourite")]
async fn like_anything() {}

#[invalidates("favourite"(slug))]
async fn like_as_anybody(slug: &str) {}

#[invalidates("all")]
async fn everything() {}

#[tokio::test]
async fn what_is_given_no_parameter_is_meant_as_a_whole() {
    isolated(async |_| {
        for (slug, viewer) in [("a", None), ("b", Some(1))] {
            warm_up().await;
            like_anything().await;
            assert_eq!(missing(slug, viewer).await, ALL);
            warm_up().await;
            everything().await;
            assert_eq!(missing(slug, viewer).await, ALL);
        }
        warm_up().await;
        like_as_anybody("a").await;
        assert_eq!(missing("b", Some(1)).await, ["feed", "board_day", "board_week", "tags"]);
        assert_eq!(missing("a", Some(1)).await, ["article", "comments"]);
    })
    .await;
}

#[invalidates("moved"(from, to))]
async fn move_between(from: u32, to: u32) {}

#[tokio::test]
async fn a_resource_can_be_a_member_several_times() {
    isolated(async |_| {
        let missing = async || {
            let ((), outcomes) = observe(async {
                for (house, room) in [(1, 1), (2, 1), (3, 1)] {
                    place(house, room).await;
                }
            })
            .await;
            outcomes.iter().map(|call| call.outcome != Hit).collect::<Vec<_>>()
        };
        missing().await;
        move_between(1, 3).await;
        assert_eq!(missing().await, [true, false, true]);
    })
    .await;
}

#[tokio::test]
async fn by_hand_a_parameter_is_given_like_a_scope() {
    isolated(async |cache| {
        warm_up().await;
        let liked = cache.invalidate("favourite").scope("slug", "a").scope_none("viewer");
        liked.await.unwrap();
        assert_eq!(missing("b", Some(1)).await, ["tags"]);
        assert_eq!(
            missing("a", None).await,
            ["article", "comments", "feed", "board_day", "board_week"]
        );
        cache.invalidate("favourite").scope("slug", "a").await.unwrap();
        assert_eq!(missing("b", Some(1)).await, ["feed", "board_day", "board_week", "tags"]);

        let error = cache.invalidate("favourite").scope("article", "a").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "group `favourite` has no parameter `article`: it declares slug, viewer"
        );
        let error = cache.invalidate("favourite").scope_none("slug").await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the scope `slug` of resource `article` is not declared as an `Option`")
        );
    })
    .await;
}

#[invalidates("favourite"(slug, viewer))]
async fn reads(slug: &str, viewer: Option<u32>) {
    article("a").await;
    article("b").await;
    comments("a").await;
    feed(Some(1)).await;
    feed(Some(2)).await;
    tags().await;
}

#[tokio::test]
async fn inside_the_mutation_what_the_group_stands_for_is_not_read_from_the_cache() {
    isolated(async |_| {
        warm_up().await;
        expect_outcomes(&[Bypass, Hit, Bypass, Bypass, Hit, Bypass], reads("a", Some(1))).await;
    })
    .await;
}

#[test]
fn a_group_knows_its_parameters_and_each_of_its_resources_once() {
    let names = |group: &'static cache_runtime::Group| {
        let members = group.members().iter().map(|resource| resource.name());
        (members.collect::<Vec<_>>(), group.parameters())
    };
    assert_eq!(
        names(&crate::cache_resources::favourite),
        (ALL.to_vec(), &["slug", "viewer"][..])
    );
    assert_eq!(
        names(&crate::cache_resources::moved),
        (vec!["place"], &["from", "to"][..])
    );
    assert_eq!(names(&crate::cache_resources::all).1, NOTHING);
}
