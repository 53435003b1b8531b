use cache_runtime::with_cache;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_runs_low_is_ordered_once_and_the_next_rounds_are_answered_by_the_cache() {
    let cache = Cache::builder().build();
    with_cache(cache.clone(), async {
        let warehouses = Warehouses::default();
        warehouses.set(1, "bolts", 3).await.unwrap();
        warehouses.set(1, "nuts", 300).await.unwrap();
        assert_eq!(order(&warehouses, 1).await.unwrap(), ["bolts"]);
        // At 0, 5, 10 and 15 seconds.
        work(&warehouses, time::sleep(3 * EVERY + EVERY / 2)).await.unwrap();
        assert_eq!(warehouses.stock(1).await.unwrap()[0], ("bolts".to_owned(), ENOUGH));
    })
    .await;
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.hits), (2, 4), "{stats:?}");
}
