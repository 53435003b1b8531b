//! The keys in Redis are the ones that another language computes for the same arguments.
use std::time::Duration;

use cache_runtime::{Cache, store::RedisConfig};
use cache_testkit::RedisServer;

use crate::harness::Service;

/// Each key ends in what this Python prints:
/// `hashlib.md5(json.dumps(params, sort_keys=True).encode()).hexdigest()[:12]`.
#[tokio::test]
async fn the_keys_are_those_that_python_computes() {
    let redis = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
    // A machine that is busy with something else is not to cost an entry.
    let patience = Duration::from_secs(10);
    let cache = Cache::builder()
        .redis(RedisConfig::new(redis.url()).unwrap())
        .read_timeout(patience)
        .fill_timeout(patience)
        .build();
    assert!(cache.ready(patience).await);
    let service = Service::with(cache.clone(), Some("secret")).await;
    service.get("/api/dashboard/summary?company=1").await.ok();
    service
        .get("/api/dashboard/trends?company=1&period=12m&compare=true")
        .await
        .ok();
    service
        .get("/api/dashboard/detailed?company=1&search=b%C3%A4r")
        .await
        .ok();
    service
        .get("/api/invoices?company=2&from=2025-01-01&unpaid=true")
        .await
        .ok();
    service.of_tenant("client-a").get("/api/companies").await.ok();
    cache.close().await;

    // Without what stands under no tenant: the watch of stamps has a key of its own.
    let mut keys: Vec<String> = redis.command(["KEYS", "cache:[^~]*"]).unwrap();
    keys.sort();
    let expected = [
        // {}
        "cache:client-a:companies_list:99914b932bd3",
        // {"company": 1, "page": 1, "page_size": 50, "search": "bär"}
        "cache:default:dashboard_detailed_data:company-1:4fb2bedc375a",
        // {"company": 1}
        "cache:default:dashboard_summary:company-1:0177426d0335",
        // {"company": 1, "compare": True, "period": "12m"}
        "cache:default:dashboard_trends:company-1:e27ae0cff644",
        // {"company": 2, "filter": {"from": "2025-01-01", "page": 1, "page_size": 50, "partner": None, "to": None,
        // "unpaid": True}}
        "cache:default:invoices_list:company-2:c9642b21e02f",
    ];
    assert_eq!(keys, expected);
}
