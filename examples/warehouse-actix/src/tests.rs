use actix_web::test::{TestRequest, call_service, init_service, read_body};

use super::*;

#[tokio::test]
async fn a_second_read_is_answered_by_the_cache_and_a_delivery_shows_at_once() {
    Cache::builder().build().install();
    let service = init_service(App::new().app_data(Data::new(Warehouses::default())).configure(routes)).await;
    let send = async |request: TestRequest| {
        let response = call_service(&service, request.to_request()).await;
        assert!(response.status().is_success(), "{}", response.status());
        let status = response.headers().get("cache-status");
        let status = status.map_or("", |status| status.to_str().unwrap()).to_owned();
        (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
    };
    for pieces in [20, 40] {
        send(TestRequest::put().uri("/1/bolts/20")).await;
        let (status, stock) = send(TestRequest::get().uri("/1")).await;
        assert!(status.contains("fwd=miss"), "{status}");
        assert_eq!(stock, format!(r#"{{"bolts":{pieces}}}"#));
        let (status, again) = send(TestRequest::get().uri("/1")).await;
        assert!(status.contains("; hit"), "{status}");
        assert_eq!(again, stock);
    }
}
