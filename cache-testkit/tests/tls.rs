//! The runtime on a server with TLS.

use std::time::Duration;

use cache_runtime::{
    Cache,
    Outcome::{Bypass, Hit, Miss},
    cached,
    store::{RedisConfig, RedisStore, Store as _},
    with_cache,
};
use cache_testkit::{LoadCounter, RedisServer, TestAuthority, contract, expect_outcomes, isolated_in};
use tokio::time::timeout;

mod cache_resources {
    cache_runtime::resources! {
        rates { ttl = 600 }
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

#[cached(resource = "rates", skip(loads))]
async fn rate(currency: &str, loads: &LoadCounter) -> u64 {
    loads.record()
}

fn trusting(server: &RedisServer, authority: &TestAuthority) -> RedisConfig {
    let config = RedisConfig::new(server.url()).expect("the address of the server");
    config
        .tls_ca(authority.certificate().as_bytes())
        .expect("a certificate")
}

async fn until_refused(store: &RedisStore, because: &str) {
    let mut last = String::new();
    let refused = async {
        loop {
            if let Err(error) = store.probe().await {
                last = error.to_string();
                if last.contains(because) {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = timeout(PATIENCE, refused).await;
    assert!(refused.is_ok(), "{because} in {last}");
}

#[tokio::test]
async fn the_store_keeps_the_contract_over_tls() {
    let authority = TestAuthority::new();
    let server = RedisServer::builder().with_tls(&authority).start().unwrap();
    contract::run(async || RedisStore::new(trusting(&server, &authority))).await;
}

#[tokio::test]
async fn a_server_that_another_authority_has_signed_is_not_used_and_calls_run_uncached() {
    let (authority, another) = (TestAuthority::new(), TestAuthority::new());
    let server = RedisServer::builder().with_tls(&authority).start().unwrap();
    let config = trusting(&server, &another);
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
    until_refused(&RedisStore::new(trusting(&server, &authority)), "ertificate").await;
    let (certificate, key) = authority.certify(["service"]);
    let config = trusting(&server, &authority);
    let config = config.tls_client(certificate.as_bytes(), key.as_bytes()).unwrap();
    assert!(!format!("{config:?}").contains("PRIVATE"));
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(PATIENCE).await);
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
    assert!(config().tls_ca(b"hush").unwrap_err().contains("it is not PEM"));
    let (certificate, _) = TestAuthority::new().certify(["service"]);
    let refusal = config().tls_client(certificate.as_bytes(), b"hush").unwrap_err();
    assert!(
        refusal.contains("PRIVATE KEY") && !refusal.contains("hush"),
        "{refusal}"
    );
    let plain = RedisConfig::new("redis://localhost").unwrap();
    assert!(plain.tls_ca(certificate.as_bytes()).unwrap_err().contains("rediss"));
}
