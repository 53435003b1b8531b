use super::{proto::warehouse_client::WarehouseClient, *};

#[tokio::test]
async fn a_second_read_is_answered_by_the_cache_and_a_delivery_shows_at_once() {
    Cache::builder().build().install();
    let mut client = WarehouseClient::new(WarehouseServer::new(Warehouses::default()));
    for expected in [20, 40] {
        let delivery = Delivery {
            warehouse: 1,
            article: "bolts".to_owned(),
            pieces: 20,
        };
        client.deliver(delivery).await.unwrap();
        for did in ["fwd=miss", "; hit"] {
            let stock = client.stock(Place { warehouse: 1 }).await.unwrap();
            let status = stock.metadata().get("cache-status").unwrap().to_str().unwrap();
            assert!(status.contains(did), "{status}");
            assert_eq!(stock.get_ref().pieces["bolts"], expected);
        }
    }
}
