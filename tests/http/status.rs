//! What a response says of the cache: `Cache-Status`, read by a parser of structured fields, and `Server-Timing`.

use axum::{Router, http::StatusCode, routing::get};
use cache_runtime::{Cache, http::CacheLayer, store::StoreErrorKind, with_cache};
use cache_testkit::{PATIENCE, RedisServer, isolated, isolated_in, isolated_on, reaching, until};
use sfv::{BareItem, List, ListEntry, Parser};

use crate::shop::{Answer, Client, Shop};

/// The members of the field, as they stand there.
fn members(answer: &Answer) -> Vec<String> {
    let lines = answer.headers.get_all("cache-status").iter();
    let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap()).collect();
    let list: List = Parser::new(&lines.join(", "))
        .parse()
        .expect("a list of structured fields");
    let member = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else {
            panic!("{entry:?} is no item")
        };
        let parameters = item.params.iter().map(|(name, value)| match value {
            BareItem::Boolean(true) => name.to_string(),
            BareItem::Integer(_) => format!("{name}=n"),
            BareItem::Token(word) => format!("{name}={word}"),
            other => panic!("{other:?} is unexpected"),
        });
        let name = match &item.bare_item {
            BareItem::Token(name) => name.to_string(),
            BareItem::String(name) => name.to_string(),
            other => panic!("{other:?} is no name"),
        };
        std::iter::once(name).chain(parameters).collect::<Vec<_>>().join("; ")
    };
    list.iter().map(member).collect()
}

fn shop() -> Client {
    Shop::new().behind(CacheLayer::new("shop"))
}

#[tokio::test]
async fn a_response_says_whether_it_was_loaded_or_found() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let client = shop();
        assert_eq!(members(&client.get("/row/1").await), ["shop; fwd=miss; ttl=n; stored"]);
        assert_eq!(members(&client.get("/row/1").await), ["shop; hit; ttl=n"]);
        let post = Shop::new().behind(CacheLayer::new("the shop"));
        let answer = post.method_with(axum::http::Method::POST, "/row/1", "x", "y").await;
        assert_eq!(members(&answer), ["the shop; hit; ttl=n"]);
    })
    .await;
}

#[tokio::test]
async fn a_response_without_a_call_says_nothing_and_one_that_is_no_success_does() {
    isolated(async |_| {
        let client = shop();
        assert!(members(&client.get("/nothing").await).is_empty());
        assert!(members(&client.get("/no-such-page").await).is_empty());
        let refused = client.get("/refused").await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        assert_eq!(members(&refused), ["shop; fwd=miss"]);
    })
    .await;
}

#[tokio::test]
async fn the_caches_of_before_keep_their_places() {
    isolated(async |_| {
        let shop = Shop::new();
        let handler = async move || ([("cache-status", "origin; hit, other; fwd=miss")], shop.row(1).await);
        let routes = Router::new().route("/", get(handler));
        let client = Client(routes.layer(CacheLayer::new("shop")));
        let expected = ["origin; hit", "other; fwd=miss", "shop; fwd=miss; ttl=n; stored"];
        assert_eq!(members(&client.get("/").await), expected);
    })
    .await;
}

#[tokio::test]
async fn why_the_cache_was_not_asked_is_said() {
    let client = shop();
    assert_eq!(
        members(&client.get("/row/1").await),
        ["shop; fwd=bypass; detail=no-cache-installed"]
    );
    let of = async |cache: &Cache| {
        let layer = CacheLayer::new("shop").cache(cache);
        members(&Shop::new().behind(layer).get("/row/1").await).remove(0)
    };
    assert_eq!(of(&Cache::disabled()).await, "shop; fwd=bypass; detail=disabled");
    let cache = Cache::builder().build();
    assert_eq!(of(&cache).await, "shop; fwd=miss; ttl=n; stored");
    cache.close().await;
    assert_eq!(of(&cache).await, "shop; fwd=bypass; detail=closed");
}

#[tokio::test]
async fn that_redis_is_away_is_said_and_the_service_goes_on() {
    let server = RedisServer::start().unwrap();
    isolated_in(reaching(&server, Cache::builder()).await, async |cache| {
        let client = shop();
        assert_eq!(client.get("/row/1").await.status, StatusCode::OK);
        server.kill();
        until("it is noticed", async || {
            let answer = client.get("/row/1").await;
            assert_eq!(answer.status, StatusCode::OK);
            members(&answer) == ["shop; fwd=bypass; detail=unavailable"]
        })
        .await;
        server.restart().unwrap();
        assert!(cache.ready(PATIENCE).await);
        assert_eq!(members(&client.get("/row/1").await), ["shop; fwd=miss; ttl=n; stored"]);
    })
    .await;
}

#[tokio::test]
async fn a_read_that_has_failed_is_a_bypass_that_nothing_more_is_known_of() {
    let store = support::spy();
    let cache = Cache::builder().store(store.clone()).build();
    with_cache(cache.clone(), async {
        store.fail_next(cache_testkit::OperationKind::Read, 1, StoreErrorKind::Timeout);
        assert_eq!(members(&shop().get("/row/1").await), ["shop; fwd=bypass"]);
    })
    .await;
    cache.close().await;
}

#[tokio::test]
async fn what_the_time_has_gone_into_is_said_to_who_asks_for_it() {
    isolated(async |_| {
        assert!(!shop().get("/row/1").await.headers.contains_key("server-timing"));
        let client = Shop::new().behind(CacheLayer::new("shop").server_timing(true));
        let timing = client.get("/two").await;
        let timing = timing.header("server-timing");
        assert!(timing.starts_with("cache;dur=0."), "{timing}");
        assert!(
            timing.contains("desc=\"1 hit, 1 miss\", load;dur=") && timing.ends_with("desc=\"1 own\""),
            "{timing}"
        );
        assert!(timing.len() < 100, "{timing}");
        assert!(!client.get("/nothing").await.headers.contains_key("server-timing"));
    })
    .await;
}
