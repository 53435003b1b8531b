//! The runtime on a server with TLS.

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit, Miss},
    cached,
    store::{RedisConfig, RedisStore},
    with_cache,
};
use cache_testkit::{
    LoadCounter, RedisCluster, RedisSentinels, RedisServer, TestAuthority, contract, expect_outcomes, isolated_in,
};
use support::{ELECTION, until_refused};
use tokio::time::timeout;

#[cached(resource = "rates", skip(loads))]
async fn rate(currency: &str, loads: &LoadCounter) -> u64 {
    loads.record()
}

fn trusting(url: &str, authority: &TestAuthority) -> RedisConfig {
    let config = RedisConfig::new(url).expect("the address of the servers");
    config
        .tls_ca(authority.certificate().as_bytes())
        .expect("a certificate")
}

async fn ready(config: RedisConfig) -> Cache {
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(ELECTION).await, "the servers are reached");
    cache
}

/// What is loaded is found again, whatever has become of the connections.
async fn until_cached(cache: Cache) {
    let loads = LoadCounter::new();
    let cached = with_cache(cache.clone(), async {
        while cache.stats().hits == 0 {
            rate("EUR", &loads).await;
            tokio::task::yield_now().await;
        }
    });
    timeout(ELECTION, cached).await.expect("caching resumes");
}

#[tokio::test]
async fn the_store_keeps_the_contract_over_tls() {
    let authority = TestAuthority::new();
    let server = RedisServer::builder().with_tls(&authority).start().unwrap();
    contract::run(async || RedisStore::new(trusting(server.url(), &authority))).await;
}

#[tokio::test]
async fn the_store_keeps_the_contract_on_a_cluster_over_tls() {
    let authority = TestAuthority::new();
    let servers = RedisServer::builder().with_tls(&authority);
    let cluster = RedisCluster::start_from(&servers).unwrap();
    let config = trusting(&cluster.url(), &authority);
    contract::run(async || RedisStore::new(config.clone())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_is_replaced_in_a_cluster_over_tls() {
    let authority = TestAuthority::new();
    let cluster = RedisCluster::start_from(&RedisServer::builder().with_tls(&authority).password("secret")).unwrap();
    let cache = ready(trusting(&cluster.url(), &authority)).await;
    cluster.nodes()[0].kill();
    tokio::task::block_in_place(|| cluster.wait_until_healthy()).unwrap();
    until_cached(cache).await;
}

#[tokio::test]
async fn the_store_keeps_the_contract_on_what_sentinels_watch_over_with_tls() {
    let authority = TestAuthority::new();
    let servers = RedisServer::builder().with_tls(&authority);
    let sentinels = RedisSentinels::start_from(&servers, &servers).unwrap();
    let config = trusting(&sentinels.url(), &authority);
    contract::run(async || RedisStore::new(config.clone())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_is_replaced_by_sentinels_over_tls() {
    let authority = TestAuthority::new();
    let servers = RedisServer::builder().with_tls(&authority);
    let sentinels = RedisSentinels::start_from(&servers.clone().password("secret"), &servers.password("hush")).unwrap();
    let config = trusting(&sentinels.url(), &authority).sentinel_password("hush");
    let cache = ready(config).await;
    let former = &sentinels.servers()[0];
    former.kill();
    tokio::task::block_in_place(|| sentinels.wait_until_replaced(former)).unwrap();
    until_cached(cache).await;
}

#[tokio::test]
async fn a_server_that_another_authority_has_signed_is_not_used_and_calls_run_uncached() {
    let (authority, another) = (TestAuthority::new(), TestAuthority::new());
    let server = RedisServer::builder().with_tls(&authority).start().unwrap();
    let config = trusting(server.url(), &another);
    until_refused(&RedisStore::new(config.clone()), "invalid peer certificate: ").await;
    let cache = Cache::builder().redis(config).build();
    let loads = LoadCounter::new();
    with_cache(cache, async {
        expect_outcomes(&[Bypass], rate("EUR", &loads)).await;
        expect_outcomes(&[Bypass], rate("EUR", &loads)).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_knows_the_program_by_its_own() {
    let authority = TestAuthority::new();
    let server = RedisServer::builder()
        .with_tls(&authority)
        .config("tls-auth-clients", "yes")
        .start()
        .unwrap();
    until_refused(&RedisStore::new(trusting(server.url(), &authority)), "ertificate").await;
    let (certificate, key) = authority.certify(["service"]);
    let config = trusting(server.url(), &authority);
    let config = config.tls_client(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert!(!format!("{config:?}").contains("PRIVATE"));
    let cache = ready(config).await;
    let loads = LoadCounter::new();
    isolated_in(cache, async |_| {
        expect_outcomes(&[Miss], rate("EUR", &loads)).await;
        expect_outcomes(&[Hit], rate("EUR", &loads)).await;
    })
    .await;
}

#[test]
fn what_is_no_certificate_or_no_key_is_refused_and_not_repeated() {
    let config = || RedisConfig::new("rediss://localhost").unwrap();
    assert!(
        config()
            .tls_ca(b"hush")
            .unwrap_err()
            .to_string()
            .contains("it is not PEM")
    );
    let (certificate, _) = TestAuthority::new().certify(["service"]);
    let refusal = config()
        .tls_client(certificate.as_bytes(), b"hush")
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("PRIVATE KEY") && !refusal.contains("hush"),
        "{refusal}"
    );
    let plain = RedisConfig::new("redis://localhost").unwrap();
    assert!(
        plain
            .tls_ca(certificate.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("rediss")
    );
}
