//! What the runtime says in the log: which events, at which level, with which fields, and how often.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use cache_runtime::{
    Cache,
    Outcome::NearHit,
    cached, invalidates,
    store::{RedisConfig, RedisStore, StoreErrorKind},
    with_tenant,
};
use cache_testkit::{OperationKind, PATIENCE, RedisServer, SpyStore, expect_outcomes, isolated_in, until};
use support::{Log, spy};
use tokio::time::advance;
use tracing::Level;

#[cached(resource = "rows")]
async fn row(id: u32) -> u32 {
    id
}

#[cached(resource = "rows", near = "tracked")]
async fn near_row(id: u32) -> u32 {
    id
}

#[invalidates("rows")]
async fn change() {}

#[cached(resource = "rates")]
async fn rates() -> u32 {
    1
}

#[invalidates("rates")]
async fn change_rates() {}

#[track_caller]
fn assert_has(words: &str, expected: &[&str]) {
    for word in expected {
        assert!(words.contains(word), "{word} in {words}");
    }
}

#[tokio::test]
async fn a_read_says_at_debug_which_resource_and_tenant_and_what_became_of_it() {
    let (log, _guard) = Log::start();
    isolated_in(Cache::builder().build(), async |_| {
        with_tenant("client-a", row(1)).await;
        with_tenant("client-a", row(1)).await;
    })
    .await;
    let reads: Vec<String> = log
        .at(Level::DEBUG)
        .into_iter()
        .filter(|words| words.contains("outcome"))
        .collect();
    let [miss, hit] = &reads[..] else {
        panic!("two reads, not {reads:#?}")
    };
    assert_has(
        miss,
        &[
            "resource=\"rows\"",
            "tenant=\"client-a\"",
            "outcome=\"miss\"",
            "elapsed=",
        ],
    );
    assert_has(hit, &["outcome=\"hit\""]);
}

/// Comes back from a format without names only if nothing is skipped.
#[cfg(feature = "codecs")]
#[derive(serde::Serialize, serde::Deserialize)]
struct HalfEmpty {
    #[serde(skip_serializing_if = "Option::is_none")]
    half: Option<u8>,
}

#[cfg(feature = "codecs")]
#[cached(resource = "rows", codec = "postcard")]
async fn half(id: u8) -> HalfEmpty {
    HalfEmpty {
        half: (id == 0).then_some(id),
    }
}

#[cfg(feature = "codecs")]
#[tokio::test]
async fn a_result_that_does_not_come_back_from_its_codec_is_said_at_warn_once_for_the_function() {
    let (log, _guard) = Log::start();
    isolated_in(Cache::builder().build(), async |_| {
        half(0).await;
        assert_eq!(log.at(Level::WARN), [""; 0]);
        half(1).await;
        half(2).await;
    })
    .await;
    let lines = log.at(Level::WARN);
    let [line] = &lines[..] else {
        panic!("one warning, not {lines:#?}")
    };
    assert_has(
        line,
        &["::half does not come back the same from postcard", "stored as json"],
    );
}

#[tokio::test]
async fn an_invalidation_says_at_info_what_it_was_about_and_whether_it_was_acknowledged() {
    let (log, _guard) = Log::start();
    isolated_in(Cache::builder().build(), async |_| {
        with_tenant("client-a", change()).await;
    })
    .await;
    let lines = log.at(Level::INFO);
    let [line] = &lines[..] else {
        panic!("one invalidation, not {lines:#?}")
    };
    assert_has(
        line,
        &[
            "resource=\"rows\"",
            "tenant=\"client-a\"",
            "stamps=1",
            "acknowledged=true",
            "elapsed=",
        ],
    );
}

#[tokio::test]
async fn a_change_of_health_is_said_at_warn_once_and_its_end_once() {
    let (log, _guard) = Log::start();
    let spy = spy();
    isolated_in(Cache::builder().store(spy.clone()).build(), async |cache| {
        row(1).await;
        assert_eq!(
            log.at(Level::WARN),
            Vec::<String>::new(),
            "the start is no change of health"
        );
        spy.fail_all(StoreErrorKind::Unavailable);
        for id in 0..100 {
            row(id).await;
        }
        let warnings = log.at(Level::WARN);
        let [down] = &warnings[..] else {
            panic!("one warning for a hundred calls, not {warnings:#?}")
        };
        assert_has(down, &["unavailable", "cause=", "by order of the test"]);
        spy.heal();
        assert!(cache.ready(PATIENCE).await);
        row(1).await;
        let warnings = log.at(Level::WARN);
        let [_, up] = &warnings[..] else {
            panic!("one more when it is back, not {warnings:#?}")
        };
        assert_has(up, &["answers again"]);
    })
    .await;
}

#[tokio::test]
async fn a_password_reaches_neither_the_log_nor_an_error() {
    let (log, _guard) = Log::start();
    let config = RedisConfig::new("redis://service:hush-hush@127.0.0.1:1/0").unwrap();
    isolated_in(Cache::builder().redis(config).build(), async |cache| {
        for id in 0..20 {
            row(id).await;
        }
        assert!(!cache.ready(Duration::from_millis(300)).await);
        assert!(!format!("{cache:?}").contains("hush"));
    })
    .await;
    let everything = format!("{:?}", log.events());
    assert!(
        everything.contains("unavailable") && !everything.contains("hush"),
        "{everything}"
    );
}

/// What a user may do who is not allowed `CLIENT TRACKING`, or not even the RESP3 that it takes.
#[tokio::test]
async fn a_server_that_does_not_report_changes_is_said_once_and_near_values_are_checked() {
    for rights in ["+hello", ""] {
        let (log, _guard) = Log::start();
        let server = RedisServer::start().unwrap();
        let acl =
            format!("on >pw resetkeys ~cache:* ~cachestamp:* -@all +get +mget +set +unlink +scan +getrange {rights}");
        let words = ["ACL", "SETUSER", "service"].into_iter().chain(acl.split_whitespace());
        let () = server.command(words).unwrap();
        let url = server.url().replace("redis://", "redis://service:pw@");
        let spy = SpyStore::new(RedisStore::new(RedisConfig::new(&url).unwrap()));
        let patience = PATIENCE;
        let cache = Cache::builder()
            .store(spy.clone())
            .read_timeout(patience)
            .fill_timeout(patience);
        isolated_in(cache.build(), async |cache| {
            assert!(cache.ready(patience).await);
            near_row(1).await;
            // Refused, and tried again and again.
            spy.until_ended(OperationKind::WatchStamps, 3).await;
            for asked in 1..10 {
                expect_outcomes(&[NearHit], near_row(1)).await;
                assert_eq!(spy.count(OperationKind::ReadStamps), asked);
            }
        })
        .await;
        let warnings = log.at(Level::WARN);
        let [line] = &warnings[..] else {
            panic!("one line, not {warnings:#?}, with {rights:?}")
        };
        assert_has(line, &["changes of stamps are not reported", "client|tracking"]);
    }
}

/// With a server that has lost its clients, and one that takes none of ours.
#[tokio::test]
async fn what_is_said_of_a_server_names_its_address() {
    let patience = PATIENCE;
    let server = RedisServer::builder().password("hush-hush").start().unwrap();
    let (_, address) = server.url().rsplit_once('@').expect("a password");
    let (log, _guard) = Log::start();
    let cache = Cache::builder().redis(RedisConfig::new(server.url()).unwrap()).build();
    isolated_in(cache, async |cache| {
        assert!(cache.ready(patience).await);
        server.kill();
        while cache.is_available() {
            row(1).await;
        }
        server.restart().unwrap();
        assert!(cache.ready(patience).await);
    })
    .await;
    let [down, up] = &log.at(Level::WARN)[..] else {
        panic!("two changes of health, not {:#?}", log.at(Level::WARN))
    };
    let store = format!("store=\"redis://{}\"", address.trim_end_matches("/0"));
    assert_has(down, &["unavailable", &store, "cause="]);
    assert_has(up, &["answers again", &store]);
    assert!(!format!("{:?}", log.events()).contains("hush"));
}

#[tokio::test]
async fn a_wrong_password_reads_as_it_is_documented() {
    for (password, expected) in [(Some("wrong"), "WRONGPASS"), (None, "NOAUTH")] {
        let server = RedisServer::builder().password("right").start().unwrap();
        let (_, address) = server.url().rsplit_once('@').expect("a password");
        let mut config = RedisConfig::new(&format!("redis://{address}")).unwrap();
        if let Some(password) = password {
            config = config.password(password);
        }
        let (log, _guard) = Log::start();
        isolated_in(Cache::builder().redis(config).build(), async |cache| {
            assert!(!cache.ready(Duration::from_millis(300)).await);
        })
        .await;
        let [line] = &log.at(Level::WARN)[..] else {
            panic!("one line, not {:#?}", log.at(Level::WARN))
        };
        let server = format!("cause={}: ", address.trim_end_matches("/0"));
        assert_has(line, &[&server, expected]);
    }
}

/// The warnings about a tenant that is missing.
fn of_tenants(log: &Log) -> Vec<String> {
    let mut warnings = log.at(Level::WARN);
    warnings.retain(|words| words.contains("without a tenant"));
    warnings
}

#[tokio::test]
async fn with_several_tenants_a_call_without_any_is_said_once_at_warn() {
    let (log, _guard) = Log::start();
    isolated_in(Cache::builder().build(), async |_| {
        // One tenant, or none at all, is nothing to speak of.
        row(1).await;
        with_tenant("a", row(1)).await;
        row(1).await;
        row(2).await;
        assert!(of_tenants(&log).is_empty());
        with_tenant("b", row(1)).await;
        rates().await;
        change_rates().await;
        assert!(of_tenants(&log).is_empty(), "what tenants share needs none");
        // It was made before, and is found all the same.
        row(1).await;
        let said = of_tenants(&log);
        assert_eq!(said.len(), 1);
        assert_has(
            &said[0],
            &["rows", "`default`", "cache_runtime::spawn", "tenant = shared"],
        );
        row(2).await;
        row(3).await;
        change().await;
        assert_eq!(of_tenants(&log).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn so_is_a_mutation_and_an_invalidation_and_a_value_by_key() {
    for call in 0..3 {
        let (log, _guard) = Log::start();
        isolated_in(Cache::builder().build(), async |cache| {
            with_tenant("a", change()).await;
            cache.invalidate("rows").tenant("b").await.unwrap();
            assert_eq!(cache.get::<u32>("key").await, None);
            with_tenant("b", change()).await;
            let before = of_tenants(&log).len();
            match call {
                0 => change().await,
                1 => drop(cache.invalidate("rows").await.unwrap()),
                _ => drop(cache.get::<u32>("key").await),
            }
            assert_eq!((before, of_tenants(&log).len()), (0, 1), "call {call}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_warm_start_says_how_far_it_is() {
    let store = spy();
    let (log, _guard) = Log::start();
    for calls in [0, 8] {
        let cache = Cache::builder().store(store.clone()).build();
        isolated_in(cache, async |cache| {
            let call = |key: WarmKey| async move { warm_row(key.id).await };
            let warmed = cache.warm(&crate::cache_resources::warm_rows, call).run().await;
            assert_eq!(warmed.calls, calls);
            // A sample of them is counted.
            for id in 0..1_000 {
                warm_row(id % 8).await;
            }
            cache.close().await;
        })
        .await;
    }
    let said = log.at(Level::INFO);
    let said: Vec<_> = said.iter().filter(|line| line.contains("is warmed")).collect();
    let [.., last] = &said[..] else {
        panic!("it says nothing")
    };
    assert_eq!(said.len(), 4, "{said:?}");
    assert_has(
        last,
        &["resource=\"warm_rows\"", "done=8", "keys=8", "skipped=0", "elapsed="],
    );
}

#[derive(serde::Deserialize)]
struct WarmKey {
    id: u32,
}

#[cached(resource = "warm_rows")]
async fn warm_row(id: u32) -> u32 {
    id
}

#[cached(resource = "verified_rows", verify = 1, independent(number))]
async fn verified_row(number: &AtomicU32) -> u32 {
    number.fetch_add(1, Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_hit_that_is_not_what_is_loaded_is_warned_of_once_for_each_function() {
    let (log, _guard) = Log::start();
    isolated_in(Cache::builder().build(), async |cache| {
        let number = AtomicU32::new(0);
        verified_row(&number).await;
        for detected in 1..=3 {
            verified_row(&number).await;
            until("it is counted", async || {
                advance(Duration::from_millis(100)).await;
                cache.stats().stale_detected == detected
            })
            .await;
        }
    })
    .await;
    let [warning] = &log.at(Level::WARN)[..] else {
        panic!("one warning, not {:?}", log.at(Level::WARN))
    };
    assert_has(warning, &["verified_row", "key=\"cache:default:verified_rows:"]);
}
