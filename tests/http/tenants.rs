//! Whose a request is, and what becomes of one that does not say so, or says what is not so.

use axum::http::{HeaderValue, Request, StatusCode};
use cache_runtime::{
    current_tenant,
    http::{CacheLayer, MissingTenant, TenantSource},
    with_tenant,
};
use cache_testkit::{assert_loads, isolated};

use crate::shop::{Client, Shop};

fn by_header() -> CacheLayer {
    CacheLayer::new("shop").tenant(TenantSource::header("X-Tenant"))
}

async fn of(client: &Client, tenant: &str) -> String {
    client.get_with("/row/1", "x-tenant", tenant).await.body
}

#[tokio::test]
async fn each_tenant_that_a_header_names_has_entries_of_its_own() {
    isolated(async |_| {
        let shop = Shop::new();
        let client = shop.behind(by_header());
        assert_eq!(of(&client, "a").await, "row 1 of a: 0");
        assert_eq!(of(&client, "b").await, "row 1 of b: 0");
        assert_loads(&shop.loads, 2);
        shop.number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(of(&client, "a").await, "row 1 of a: 0");
        with_tenant("a", shop.write(2)).await;
        assert_eq!(of(&client, "a").await, "row 1 of a: 2");
        assert_eq!(of(&client, "b").await, "row 1 of b: 0");
    })
    .await;
}

#[tokio::test]
async fn a_segment_of_the_path_can_name_the_tenant() {
    isolated(async |_| {
        let source = TenantSource::path("/api/{tenant}");
        let layer = CacheLayer::new("shop").tenant(source);
        let client = Shop::new().behind(layer.clone().missing_tenant(MissingTenant::Default));
        client.get("/api/a/row/1").await.assert_ok("row 1 of a: 0");
        client.get("/api/%C3%A4%20b/row/1").await.assert_ok("row 1 of ä b: 0");
        client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
        let strict = Shop::new().behind(layer);
        assert_eq!(strict.get("/row/1").await.status, StatusCode::BAD_REQUEST);
        for wrong in [
            "/api/%FF/row/1",
            "/api/default/row/1",
            "/api/%64efault/row/1",
            "/api//row/1",
            "/api/%20/row/1",
        ] {
            assert_eq!(client.get(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
    })
    .await;
}

/// What a layer that authenticates has left in a request.
#[derive(Clone)]
struct Claims {
    tenant: &'static str,
}

#[tokio::test]
async fn a_verified_claim_comes_through_a_function_and_is_taken_at_its_word() {
    isolated(async |_| {
        let source = TenantSource::from_fn(|request| Some(request.extensions.get::<Claims>()?.tenant.to_owned()));
        let client = Shop::new().behind(CacheLayer::new("shop").tenant(source));
        let send = async |tenant| client.send(Request::get("/row/1").extension(Claims { tenant })).await;
        send("a").await.assert_ok("row 1 of a: 0");
        send("default").await.assert_ok("row 1 of default: 0");
        assert_eq!(send("").await.status, StatusCode::BAD_REQUEST);
        let with_header = client.get_with("/row/1", "x-tenant", "a").await;
        assert_eq!(
            with_header.status,
            StatusCode::BAD_REQUEST,
            "a header says nothing here"
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_without_a_tenant_is_rejected_and_the_service_does_not_see_it() {
    isolated(async |_| {
        let shop = Shop::new();
        let answer = shop.behind(by_header()).get("/row/1").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.body, "the tenant of the request is missing\n");
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_loads(&shop.loads, 0);
    })
    .await;
}

#[tokio::test]
async fn a_request_without_a_tenant_can_be_that_of_the_default_one() {
    isolated(async |_| {
        let shop = Shop::new();
        let client = shop.behind(by_header().missing_tenant(MissingTenant::Default));
        client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
        // What a task without a tenant is given.
        assert_eq!(shop.row(1).await, "row 1 of nobody: 0");
        assert_loads(&shop.loads, 1);
        let outer = with_tenant("outer", client.get("/row/2")).await;
        outer.assert_ok("row 2 of outer: 0");
    })
    .await;
}

#[tokio::test]
async fn a_request_without_a_tenant_can_run_uncached() {
    isolated(async |cache| {
        let shop = Shop::new();
        let client = shop.behind(by_header().missing_tenant(MissingTenant::Bypass));
        for _ in 0..2 {
            let answer = client.get("/row/1").await;
            assert_eq!(answer.header("cache-status"), "shop; fwd=bypass; detail=no-tenant");
        }
        assert_eq!((cache.stats().bypasses, cache.stats().misses), (2, 0));
        assert_loads(&shop.loads, 2);
    })
    .await;
}

#[tokio::test]
async fn what_can_be_no_name_of_a_tenant_is_rejected_whatever_becomes_of_missing_ones() {
    isolated(async |_| {
        for missing in [MissingTenant::Reject, MissingTenant::Default, MissingTenant::Bypass] {
            let shop = Shop::new();
            let client = shop.behind(by_header().missing_tenant(missing));
            let send = async |request| client.send(request).await.status;
            let long = "a".repeat(129);
            for name in ["", "default", &long] {
                let request = Request::get("/row/1").header("x-tenant", name);
                assert_eq!(send(request).await, StatusCode::BAD_REQUEST, "{name}");
            }
            for bytes in [&b" a"[..], b"a ", b"\xff", b"a\tb", b"\xc2\x85"] {
                let name = HeaderValue::from_bytes(bytes).unwrap();
                let request = Request::get("/row/1").header("x-tenant", name);
                assert_eq!(send(request).await, StatusCode::BAD_REQUEST, "{bytes:?}");
            }
            let twice = Request::get("/row/1").header("x-tenant", "a").header("x-tenant", "a");
            assert_eq!(send(twice).await, StatusCode::BAD_REQUEST);
            assert_loads(&shop.loads, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn no_name_reaches_what_is_another_tenants() {
    isolated(async |cache| {
        let shop = Shop::new();
        let client = shop.behind(by_header().missing_tenant(MissingTenant::Default));
        client.get("/row/1").await.assert_ok("row 1 of nobody: 0");
        assert_eq!(of(&client, "a").await, "row 1 of a: 0");
        let strange = [
            "A",
            "a:",
            "a:rows",
            ":a",
            "*",
            "?",
            "[a]",
            "{a}",
            "a%3A",
            "%61",
            "~",
            "~?",
            "~shared",
            "Default",
            "defaul\u{167}",
        ];
        for (loaded, name) in (2..).zip(strange) {
            assert_loads(&shop.loads, loaded);
            let request = Request::get("/row/1").header("x-tenant", HeaderValue::from_bytes(name.as_bytes()).unwrap());
            client.send(request).await.assert_ok(&format!("row 1 of {name}: 0"));
        }
        assert_eq!(cache.stats().rejected, 0);
        assert_eq!(current_tenant(), None);
    })
    .await;
}

#[test]
#[should_panic(expected = "is no name of a header")]
fn a_header_has_a_name_of_a_header() {
    drop(TenantSource::header("x tenant"));
}

#[test]
#[should_panic(expected = "one segment in braces")]
fn a_path_has_one_segment_in_braces() {
    drop(TenantSource::path("/api/tenant"));
}
