//! What a client asks of the cache, and who is obeyed.

use axum::http::{Method, Request, StatusCode};
use cache_runtime::http::CacheLayer;
use cache_testkit::{assert_loads, isolated};

use crate::shop::Shop;

/// Obeys whoever says that it is an operator.
fn obeying() -> CacheLayer {
    CacheLayer::new("shop").obey_directives(|request| request.headers.contains_key("x-operator"))
}

fn asking(directive: &str) -> axum::http::request::Builder {
    Request::get("/row/1")
        .header("x-operator", "")
        .header("cache-control", directive)
}

#[tokio::test]
async fn nobody_is_obeyed_who_may_not_ask() {
    isolated(async |_| {
        let shop = Shop::new();
        shop.row(1).await;
        for layer in [CacheLayer::new("shop"), obeying()] {
            for directive in ["no-cache", "no-store", "max-age=0", "only-if-cached"] {
                let answer = shop
                    .behind(layer.clone())
                    .get_with("/row/1", "cache-control", directive)
                    .await;
                assert!(answer.header("cache-status").starts_with("shop; hit"), "{answer:?}");
            }
        }
        assert_loads(&shop.loads, 1);
    })
    .await;
}

#[tokio::test]
async fn no_cache_loads_anew_and_what_it_loads_is_found_by_others() {
    isolated(async |_| {
        let shop = Shop::new();
        let client = shop.behind(obeying());
        client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
        for (number, directive) in [(1, "no-cache"), (2, "max-age=0"), (3, "foo=\"a,b\", NO-CACHE")] {
            shop.number.store(number, std::sync::atomic::Ordering::SeqCst);
            let answer = client.send(asking(directive)).await;
            answer.assert_ok(&format!("row 1 of nobody: {number}"));
            assert_eq!(answer.header("cache-status"), "shop; fwd=request; ttl=60; stored");
            client.get("/row/1").await.assert_ok(&answer.body);
        }
    })
    .await;
}

#[tokio::test]
async fn no_store_loads_and_leaves_no_trace() {
    isolated(async |_| {
        let shop = Shop::new();
        let client = shop.behind(obeying());
        client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
        shop.number.store(1, std::sync::atomic::Ordering::SeqCst);
        let answer = client.send(asking("no-cache, no-store")).await;
        answer.assert_ok("row 1 of nobody: 1");
        assert_eq!(answer.header("cache-status"), "shop; fwd=bypass; detail=no-store");
        client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
    })
    .await;
}

#[tokio::test]
async fn only_if_cached_is_answered_by_the_cache_or_not_at_all() {
    isolated(async |_| {
        let shop = Shop::new();
        let client = shop.behind(obeying());
        let answer = client.send(asking("only-if-cached")).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(answer.header("cache-status"), "shop; detail=only-if-cached");
        assert_loads(&shop.loads, 0);
        client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
        let answer = client.send(asking("only-if-cached")).await;
        answer.assert_ok("row 1 of nobody: 0");
        assert!(answer.header("cache-status").starts_with("shop; hit"), "{answer:?}");
    })
    .await;
}

#[tokio::test]
async fn a_request_that_may_change_something_asks_for_nothing() {
    isolated(async |_| {
        let shop = Shop::new();
        shop.row(1).await;
        let client = shop.behind(CacheLayer::new("shop").obey_directives(|_| true));
        let answer = client
            .method_with(Method::POST, "/row/1", "cache-control", "no-cache")
            .await;
        assert!(answer.header("cache-status").starts_with("shop; hit"), "{answer:?}");
        let answer = client
            .method_with(Method::HEAD, "/row/1", "cache-control", "no-cache")
            .await;
        assert!(
            answer.header("cache-status").starts_with("shop; fwd=request"),
            "{answer:?}"
        );
        assert_loads(&shop.loads, 2);
    })
    .await;
}
