//! Several services on one Redis: in namespaces of their own they neither read nor invalidate one another's.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use cache_runtime::{
    Cache, Outcome,
    Outcome::{Bypass, Hit, Miss, NearHit, Rejected},
    cached, invalidates, observe,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{PATIENCE, RedisServer, expect_outcomes, patient, until};
use support::{keys, outcome_of};

/// What a user of one namespace must be allowed, `~` aside.
const COMMANDS: &str =
    "-@all +mget +get +set +unlink +scan +getrange +select +sadd +srem +smembers +pexpire +client|tracking";

#[cached(resource = "settings")]
async fn settings() -> u32 {
    1
}

/// Another service's, which means something else by the same name.
#[cached(resource = "settings")]
async fn shop_settings() -> Vec<String> {
    vec!["shop".to_owned()]
}

#[invalidates("settings")]
async fn set() {}

#[cached(resource = "reports", lease)]
async fn report() -> u32 {
    2
}

#[cached(resource = "held_accounts", scope(account))]
async fn balance(account: u64) -> u32 {
    3
}

#[cached(resource = "rates", near = "tracked", independent(loads))]
async fn rate(loads: &AtomicU32) -> u32 {
    loads.fetch_add(1, Ordering::Relaxed)
}

#[invalidates("held_accounts"(account), "reports", "rates")]
async fn change(account: u64) {}

/// A tenant of which nobody can tell which one it is.
struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[invalidates("settings", tenant = Unknown)]
async fn set_of_unknown_tenant() {}

async fn cache(url: &str, namespace: Option<&str>) -> Cache {
    let config = RedisConfig::new(url).expect("an address");
    let config = match namespace {
        Some(name) => config.namespace(name).expect("a name"),
        None => config,
    };
    let cache = patient().redis(config).build();
    assert!(cache.ready(PATIENCE).await, "the server was not reached");
    cache
}

/// What becomes of a call once what the cache has to remove in the background is removed.
async fn outcome_afterwards<F: Future>(cache: &Cache, call: impl Fn() -> F) -> Outcome {
    loop {
        match outcome_of(with_cache(cache.clone(), call())).await.1 {
            Bypass => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
}

#[tokio::test]
async fn in_one_namespace_services_of_one_resource_refuse_each_others_entries() {
    let server = RedisServer::start().unwrap();
    let cache = cache(server.url(), None).await;
    with_cache(cache, async {
        assert_eq!(expect_outcomes(&[Miss], settings()).await, 1);
        assert_eq!(expect_outcomes(&[Rejected], shop_settings()).await, ["shop"]);
        set().await;
        expect_outcomes(&[Miss], shop_settings()).await;
    })
    .await;
}

#[tokio::test]
async fn services_in_namespaces_of_their_own_neither_refuse_nor_invalidate_each_others() {
    let server = RedisServer::start().unwrap();
    let billing = cache(server.url(), Some("billing")).await;
    let shop = cache(server.url(), Some("shop")).await;
    let nameless = cache(server.url(), None).await;
    let of_billing = |calls| with_cache(billing.clone(), calls);
    for _ in 0..2 {
        let ((), outcomes) = observe(async {
            assert_eq!(of_billing(settings()).await, 1);
            assert_eq!(with_cache(shop.clone(), shop_settings()).await, ["shop"]);
            assert_eq!(with_cache(nameless.clone(), settings()).await, 1);
        })
        .await;
        assert!(outcomes.iter().all(|call| call.outcome != Rejected));
    }
    expect_outcomes(&[Hit, Hit, Hit], async {
        of_billing(settings()).await;
        with_cache(shop.clone(), shop_settings()).await;
        with_cache(nameless.clone(), settings()).await;
    })
    .await;
    with_cache(billing.clone(), set()).await;
    expect_outcomes(&[Miss, Hit, Hit], async {
        of_billing(settings()).await;
        with_cache(shop.clone(), shop_settings()).await;
        with_cache(nameless.clone(), settings()).await;
    })
    .await;
    // Also what is meant for all tenants stays inside, and what is dead is swept there alone.
    with_cache(shop.clone(), set_of_unknown_tenant()).await;
    assert_eq!(outcome_afterwards(&shop, shop_settings).await, Miss);
    expect_outcomes(&[Hit, Hit], async {
        of_billing(settings()).await;
        with_cache(nameless.clone(), settings()).await;
    })
    .await;
    with_cache(nameless.clone(), set_of_unknown_tenant()).await;
    assert_eq!(outcome_afterwards(&nameless, settings).await, Miss);
    expect_outcomes(&[Hit, Hit], async {
        of_billing(settings()).await;
        with_cache(shop.clone(), shop_settings()).await;
    })
    .await;
    with_cache(shop.clone(), set()).await;
    until("something is swept", async || shop.stats().swept > 0).await;
    expect_outcomes(&[Hit, Hit], async {
        of_billing(settings()).await;
        with_cache(nameless.clone(), settings()).await;
    })
    .await;
}

#[tokio::test]
async fn processes_of_one_namespace_share_what_they_cache_and_invalidate_it_for_each_other() {
    let server = RedisServer::start().unwrap();
    let one = cache(server.url(), Some("billing")).await;
    let other = cache(server.url(), Some("billing")).await;
    let loads = AtomicU32::new(0);
    with_cache(one.clone(), expect_outcomes(&[Miss], settings())).await;
    with_cache(other.clone(), expect_outcomes(&[Hit], settings())).await;
    with_cache(other.clone(), set()).await;
    with_cache(one.clone(), expect_outcomes(&[Miss], settings())).await;
    // What one keeps beside Redis hears of the other's mutations, too.
    let until_near = async || loop {
        let (rate, outcomes) = observe(with_cache(one.clone(), rate(&loads))).await;
        if outcomes.iter().any(|call| call.outcome == NearHit) {
            return rate;
        }
        tokio::task::yield_now().await;
    };
    let before = until_near().await;
    with_cache(other.clone(), change(1)).await;
    let read = async || with_cache(one.clone(), rate(&loads)).await;
    until("the change is reported", async || read().await != before).await;
}

#[tokio::test]
async fn every_key_is_in_the_namespace_and_a_user_of_it_needs_rights_on_no_other() {
    let server = RedisServer::start().unwrap();
    let acl = format!("on >secret resetkeys ~billing:* resetchannels {COMMANDS}");
    let words = ["ACL", "SETUSER", "billing"].into_iter().chain(acl.split(' '));
    let () = server.command(words).unwrap();
    let url = server.url().replace("redis://", "redis://billing:secret@");
    let cache = cache(&url, Some("billing")).await;
    let loads = AtomicU32::new(0);
    with_cache(cache.clone(), async {
        loop {
            let ((), outcomes) = observe(async {
                settings().await;
                report().await;
                balance(1).await;
                rate(&loads).await;
                cache.set("by_key", &1, PATIENCE).await;
                assert_eq!(cache.get::<i32>("by_key").await, Some(1));
            })
            .await;
            let outcome = |resource| {
                outcomes
                    .iter()
                    .find(|call| call.resource == resource)
                    .map(|call| call.outcome)
            };
            if ["settings", "reports", "held_accounts"].map(outcome) == [Some(Hit); 3]
                && outcome("rates") == Some(NearHit)
            {
                break;
            }
            tokio::task::yield_now().await;
        }
        change(1).await;
        until("both are swept", async || cache.stats().swept >= 2).await;
    })
    .await;
    let keys = keys(&server, "*");
    assert!(
        keys.iter()
            .any(|key| key.starts_with("billing:cache:default:settings:"))
    );
    assert!(
        keys.iter()
            .any(|key| key.starts_with("billing:cachestamp:default:settings"))
    );
    assert!(keys.iter().all(|key| key.starts_with("billing:")), "{keys:?}");
    let denied: Vec<String> = server.command(["ACL", "LOG"]).unwrap_or_default();
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn a_name_that_is_no_namespace_is_refused_and_says_what_one_is() {
    let config = || RedisConfig::new("redis://localhost").unwrap();
    for (name, cause) in [
        ("a:b", "1 to 64 of the characters"),
        ("", "1 to 64 of the characters"),
        ("cache", "does not begin with `cache`"),
    ] {
        let error = config().namespace(name).unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
}
