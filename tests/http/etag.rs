//! `ETag` where a handler asks for it, and `304 Not Modified` for a client that has the response.

use std::{convert::Infallible, net::SocketAddr, sync::atomic::Ordering};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header::IF_NONE_MATCH},
    routing::get,
};
use cache_runtime::{
    Cache,
    http::{CacheLayer, ETag, TenantSource},
    spawn, with_cache,
};
use cache_testkit::{ContextLayer, RedisServer, assert_loads, isolated, isolated_on, patient, reaching, until};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::shop::{Answer, Client, Shop};

fn client() -> (Shop, Client) {
    let shop = Shop::new();
    let client = shop.behind(CacheLayer::new("shop"));
    (shop, client)
}

async fn having(client: &Client, path: &str, etags: &str) -> Answer {
    client.get_with(path, "if-none-match", etags).await
}

#[tokio::test]
async fn a_client_that_has_the_response_is_not_sent_it_again() {
    isolated(async |_| {
        let (shop, client) = client();
        let first = client.get("/tagged/1").await;
        first.assert_ok("row 1 of nobody: 0");
        let etag = first.header("etag");
        assert!(etag.starts_with("W/\""), "{etag}");
        assert_eq!(first.header("cache-control"), "private, no-cache");
        let again = having(&client, "/tagged/1", etag).await;
        assert_eq!((again.status, &*again.body), (StatusCode::NOT_MODIFIED, ""));
        for name in ["etag", "cache-control", "vary", "set-cookie"] {
            assert_eq!(again.header(name), first.header(name));
        }
        for name in ["content-type", "content-language"] {
            assert!(
                first.headers.contains_key(name) && !again.headers.contains_key(name),
                "{name}"
            );
        }
        assert!(again.header("cache-status").starts_with("shop; hit"), "{again:?}");
        assert_loads(&shop.loads, 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_is_sent_also_if_it_is_equal() {
    isolated(async |_| {
        let (shop, client) = client();
        let mut etag = client.get("/tagged/1").await.header("etag").to_owned();
        for number in [1, 1] {
            shop.write(number).await;
            let answer = having(&client, "/tagged/1", &etag).await;
            answer.assert_ok("row 1 of nobody: 1");
            assert_ne!(answer.header("etag"), etag);
            etag = answer.header("etag").to_owned();
            assert_eq!(
                having(&client, "/tagged/1", &etag).await.status,
                StatusCode::NOT_MODIFIED
            );
        }
    })
    .await;
}

#[tokio::test]
async fn every_entry_of_a_response_is_part_of_its_tag() {
    isolated(async |_| {
        let (shop, client) = client();
        let both = client.get("/two").await.header("etag").to_owned();
        assert_eq!(having(&client, "/two", &both).await.status, StatusCode::NOT_MODIFIED);
        shop.number.store(1, Ordering::SeqCst);
        cache_runtime::refresh(shop.row(2)).await;
        having(&client, "/two", &both)
            .await
            .assert_ok("row 1 of nobody: 0, row 2 of nobody: 1");
        let one = client.get("/tagged/1").await.header("etag").to_owned();
        let other = client.get("/tagged/2").await.header("etag").to_owned();
        assert_ne!(one, other);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_is_replaced_within_a_moment_has_another_tag() {
    isolated(async |_| {
        let (shop, client) = client();
        let mut etag = client.get("/tagged/1").await.header("etag").to_owned();
        // Many of them are stored in the same millisecond, and have taken as long to load.
        for number in 1..500 {
            shop.number.store(number, Ordering::SeqCst);
            cache_runtime::refresh(shop.row(1)).await;
            let answer = having(&client, "/tagged/1", &etag).await;
            answer.assert_ok(&format!("row 1 of nobody: {number}"));
            etag = answer.header("etag").to_owned();
        }
    })
    .await;
}

#[tokio::test]
async fn a_tag_holds_in_every_process() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let (shop, client) = client();
        let etag = client.get("/tagged/1").await.header("etag").to_owned();
        let elsewhere = reaching(&server, patient()).await;
        let other = with_cache(elsewhere.clone(), having(&client, "/tagged/1", &etag)).await;
        assert_eq!(other.status, StatusCode::NOT_MODIFIED);
        shop.write(1).await;
        let other = with_cache(elsewhere.clone(), having(&client, "/tagged/1", &etag)).await;
        other.assert_ok("row 1 of nobody: 1");
        elsewhere.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_may_have_several_and_compares_weakly() {
    isolated(async |_| {
        let (_, client) = client();
        let etag = client.get("/tagged/1").await.header("etag").to_owned();
        let strong = etag.strip_prefix("W/").unwrap();
        for had in [
            format!("\"a\", {etag}"),
            format!("{strong},W/\"b\""),
            format!("x, {etag}, \""),
            "*".to_owned(),
            " * ".to_owned(),
        ] {
            let answer = having(&client, "/tagged/1", &had).await;
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{had}");
        }
        let two_lines = Request::get("/tagged/1")
            .header(IF_NONE_MATCH, "\"a\"")
            .header(IF_NONE_MATCH, &etag);
        assert_eq!(client.send(two_lines).await.status, StatusCode::NOT_MODIFIED);
        let other = client.get("/tagged/2").await.header("etag").to_owned();
        for had in [
            "\"a\"",
            "",
            ",",
            "W/",
            "\"",
            "\"*\"",
            &strong[..strong.len() - 1],
            &strong.replace('"', ""),
            &other,
        ] {
            assert_eq!(having(&client, "/tagged/1", had).await.status, StatusCode::OK, "{had}");
        }
    })
    .await;
}

#[tokio::test]
async fn head_is_answered_as_get_is() {
    isolated(async |_| {
        let (_, client) = client();
        let etag = client.get("/tagged/1").await.header("etag").to_owned();
        let head = client.method_with(Method::HEAD, "/tagged/1", "x", "y").await;
        assert_eq!((head.status, head.header("etag")), (StatusCode::OK, &*etag));
        let head = client
            .method_with(Method::HEAD, "/tagged/1", "if-none-match", &etag)
            .await;
        assert_eq!((head.status, head.header("etag")), (StatusCode::NOT_MODIFIED, &*etag));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_read_or_no_success_or_was_not_asked_for_has_no_tag() {
    isolated(async |_| {
        let (_, client) = client();
        let post = client
            .method_with(Method::POST, "/tagged/1", "if-none-match", "*")
            .await;
        for answer in [
            post,
            having(&client, "/row/1", "*").await,
            having(&client, "/nothing", "*").await,
        ] {
            assert_eq!(answer.status, StatusCode::OK);
            assert!(!answer.headers.contains_key("etag") && !answer.headers.contains_key("cache-control"));
        }
        let refused = having(&client, "/refused", "*").await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        assert!(!refused.headers.contains_key("etag") && !refused.headers.contains_key("cache-control"));
    })
    .await;
}

#[tokio::test]
async fn without_a_cache_there_is_no_tag_and_the_client_is_told_to_ask_again() {
    let (_, client) = client();
    let answer = having(&client, "/tagged/1", "*").await;
    answer.assert_ok("row 1 of nobody: 0");
    assert!(!answer.headers.contains_key("etag"));
    assert_eq!(answer.header("cache-control"), "private, no-cache");
}

#[tokio::test]
async fn who_was_given_the_load_of_another_caller_has_no_tag() {
    isolated(async |cache| {
        let (shop, client) = client();
        let call = || {
            let client = client.clone();
            spawn(async move { having(&client, "/slow", "*").await })
        };
        let calls = [call(), call()];
        until("both have missed", async || cache.stats().misses == 2).await;
        shop.gate.open();
        let mut tagged = 0;
        for call in calls {
            let answer = call.await.unwrap();
            let shared = answer.header("cache-status").contains("collapsed");
            assert_eq!(answer.headers.contains_key("etag"), !shared, "{answer:?}");
            assert_eq!(answer.status == StatusCode::OK, shared, "{answer:?}");
            tagged += usize::from(!shared);
        }
        assert_eq!(tagged, 1);
    })
    .await;
}

#[tokio::test]
async fn what_else_a_response_depends_on_is_part_of_its_tag() {
    isolated(async |_| {
        let (shop, client) = client();
        let ana = client.get("/tagged-for/ana").await;
        ana.assert_ok("row 1 of nobody: 0 for ana");
        let ana = ana.header("etag");
        having(&client, "/tagged-for/bob", ana)
            .await
            .assert_ok("row 1 of nobody: 0 for bob");
        assert_eq!(
            having(&client, "/tagged-for/ana", ana).await.status,
            StatusCode::NOT_MODIFIED
        );
        let next = shop.behind(CacheLayer::new("shop").release("2"));
        having(&next, "/tagged-for/ana", ana)
            .await
            .assert_ok("row 1 of nobody: 0 for ana");
        // The tenant is part of the entries.
        let by_header = shop.behind(CacheLayer::new("shop").tenant(TenantSource::header("x-tenant")));
        let of = async |tenant| {
            by_header
                .get_with("/tagged/1", "x-tenant", tenant)
                .await
                .header("etag")
                .to_owned()
        };
        assert_ne!(of("a").await, of("b").await);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_displayed_leaves_no_tag() {
    struct Unshown;
    impl std::fmt::Display for Unshown {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    isolated(async |_| {
        let shop = Shop::new();
        let handler = async move || (Extension(ETag::of_calls().with(Unshown)), shop.row(1).await);
        let client = Client(Router::new().route("/", get(handler)).layer(CacheLayer::new("shop")));
        assert!(!client.get("/").await.headers.contains_key("etag"));
    })
    .await;
}

#[tokio::test]
async fn what_the_handler_says_itself_stays() {
    isolated(async |_| {
        let shop = Shop::new();
        let own = shop.clone();
        let own = async move || ([("etag", "\"own\"")], Extension(ETag::of_calls()), own.row(1).await);
        let lasting = async move || {
            let lasts = [("cache-control", "public, max-age=60")];
            (lasts, Extension(ETag::of_calls()), shop.row(1).await)
        };
        let routes = Router::new().route("/own", get(own)).route("/lasting", get(lasting));
        let client = Client(routes.layer(CacheLayer::new("shop")));
        let answer = having(&client, "/own", "\"own\"").await;
        assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, "\"own\""));
        let lasting = client.get("/lasting").await;
        assert_eq!(lasting.header("cache-control"), "public, max-age=60");
        let again = having(&client, "/lasting", lasting.header("etag")).await;
        assert_eq!(
            (again.status, again.header("cache-control")),
            (StatusCode::NOT_MODIFIED, "public, max-age=60")
        );
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_streamed_or_compressed_go_through_as_they_are() {
    isolated(async |_| {
        let shop = Shop::new();
        let handler = async move || {
            let row = shop.row(1).await;
            let frames = [Bytes::from(row), Bytes::new(), Bytes::from_static(b"\x1f\x8b\xff")];
            let body = Body::from_stream(stream::iter(frames.map(Ok::<_, Infallible>)));
            ([("content-encoding", "gzip")], Extension(ETag::of_calls()), body)
        };
        let client = Client(Router::new().route("/", get(handler)).layer(CacheLayer::new("shop")));
        let response = tower::ServiceExt::oneshot(client.0.clone(), Request::get("/").body(Body::empty()).unwrap());
        let response = response.await.unwrap();
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body, &b"row 1 of nobody: 0\x1f\x8b\xff"[..]);
        let again = having(&client, "/", &etag).await;
        assert_eq!(
            (again.status, again.headers.contains_key("content-encoding")),
            (StatusCode::NOT_MODIFIED, false)
        );
    })
    .await;
}

/// What stands on the wire, of a connection that is closed after it.
async fn on_the_wire(address: SocketAddr, headers: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /tagged/1 HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn on_the_wire_an_answer_without_a_body_has_none() {
    isolated(async |_: Cache| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let Client(routes) = client().1;
        let server = tokio::spawn(axum::serve(listener, routes.layer(ContextLayer::current())).into_future());
        let first = on_the_wire(address, "").await;
        assert!(
            first.starts_with("HTTP/1.1 200 OK\r\n") && first.ends_with("\r\n\r\nrow 1 of nobody: 0"),
            "{first}"
        );
        let etag = first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let again = on_the_wire(address, &format!("if-none-match: {etag}\r\n")).await;
        assert!(
            again.starts_with("HTTP/1.1 304 Not Modified\r\n") && again.ends_with("\r\n\r\n"),
            "{again}"
        );
        assert!(
            again.contains(&format!("etag: {etag}\r\n")) && again.contains("date: "),
            "{again}"
        );
        assert!(
            !again.contains("content-length") && !again.contains("transfer-encoding"),
            "{again}"
        );
        server.abort();
    })
    .await;
}
