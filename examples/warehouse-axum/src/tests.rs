use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

/// Sends a request. Returns what the cache did, and the answer.
async fn send(router: &Router, method: &str, path: &str) -> (String, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    let status = response.headers().get("cache-status");
    let status = status.map_or("", |status| status.to_str().unwrap()).to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_second_read_is_answered_by_the_cache_and_a_delivery_shows_at_once() {
    Cache::builder().build().install();
    let router = router().await.unwrap();
    for _ in 0..2 {
        send(&router, "PUT", "/1/bolts/20").await;
        let (status, stock) = send(&router, "GET", "/1").await;
        assert!(status.contains("fwd=miss"), "{status}");
        let again = send(&router, "GET", "/1").await;
        assert!(again.0.contains("; hit"), "{}", again.0);
        assert_eq!(again.1, stock);
    }
    assert_eq!(send(&router, "GET", "/1").await.1, r#"[["bolts",40]]"#);
}

#[tokio::test]
async fn a_delivery_to_one_warehouse_leaves_what_is_cached_of_another() {
    Cache::builder().build().install();
    let router = router().await.unwrap();
    send(&router, "GET", "/7").await;
    send(&router, "PUT", "/8/nuts/5").await;
    let (status, stock) = send(&router, "GET", "/7").await;
    assert!(status.contains("; hit"), "{status}");
    assert_eq!(stock, "[]");
}
