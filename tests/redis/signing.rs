//! Signed entries on a real server that others can write to.

use std::time::Duration;

use cache_runtime::{
    Cache, CacheBuilder,
    Outcome::{Hit, Miss, Rejected},
    SigningKey, cached, invalidates,
};
use cache_testkit::{
    LoadCounter, OperationKind, RedisServer, expect_outcomes, isolated_in, isolated_on, patient, reaching,
};
use support::{get, keys, overwrite, spy};

#[cached(resource = "balances", skip(loads))]
async fn balance(account: u32, loads: &LoadCounter) -> u64 {
    loads.record()
}

#[invalidates("balances")]
async fn pay() {}

fn key(text: &str) -> SigningKey {
    SigningKey::new(&format!("{text}: not for production")).expect("it is long enough")
}

fn signing(text: &str) -> CacheBuilder {
    patient().signing_key(key(text))
}

async fn isolated_signing<T>(server: &RedisServer, builder: CacheBuilder, test: impl AsyncFnOnce(Cache) -> T) -> T {
    isolated_in(reaching(server, builder).await, test).await
}

/// The only entry.
fn entry(server: &RedisServer) -> String {
    let keys = keys(server, "cache:*");
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys[0].clone()
}

#[tokio::test]
async fn an_entry_of_which_any_byte_was_changed_is_refused_and_replaced() {
    let server = RedisServer::start().unwrap();
    isolated_signing(&server, signing("a"), async |_| {
        let loads = LoadCounter::new();
        balance(1, &loads).await;
        let entry = entry(&server);
        let stored = get(&server, &entry);
        assert_eq!(
            stored.len(),
            56 + 8 + 32 + 2,
            "a header, a stamp, a signature, a number and its end"
        );
        for at in 0..stored.len() {
            let mut bytes = stored.clone();
            bytes[at] ^= 1;
            overwrite(&server, &entry, &bytes);
            let loaded = expect_outcomes(&[Rejected], balance(1, &loads)).await;
            assert_eq!(loaded, loads.count(), "byte {at}");
            expect_outcomes(&[Hit], balance(1, &loads)).await;
        }
        overwrite(&server, &entry, &stored);
        assert_eq!(expect_outcomes(&[Hit], balance(1, &loads)).await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_was_given_the_current_stamps_by_hand_is_refused() {
    let server = RedisServer::start().unwrap();
    isolated_signing(&server, signing("a"), async |_| {
        let loads = LoadCounter::new();
        balance(1, &loads).await;
        let entry = entry(&server);
        let old = get(&server, &entry);
        pay().await;
        balance(1, &loads).await;
        let current = get(&server, &entry);
        let restamped = [&old[..56], &current[56..64], &old[64..]].concat();
        overwrite(&server, &entry, &restamped);
        assert_eq!(expect_outcomes(&[Rejected], balance(1, &loads)).await, 3);
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_was_copied_to_another_key_is_refused() {
    let server = RedisServer::start().unwrap();
    isolated_signing(&server, signing("a"), async |_| {
        let loads = LoadCounter::new();
        balance(1, &loads).await;
        let first = entry(&server);
        balance(2, &loads).await;
        let second = keys(&server, "cache:*")
            .into_iter()
            .find(|key| *key != first)
            .expect("two entries");
        overwrite(&server, &second, &get(&server, &first));
        assert_eq!(expect_outcomes(&[Rejected], balance(2, &loads)).await, 3);
    })
    .await;
}

#[tokio::test]
async fn with_a_key_unsigned_entries_are_refused_and_without_one_signed_entries() {
    let server = RedisServer::start().unwrap();
    let loads = LoadCounter::new();
    isolated_on(&server, async |_| balance(1, &loads).await).await;
    isolated_signing(&server, signing("a"), async |cache| {
        assert_eq!(expect_outcomes(&[Rejected], balance(1, &loads)).await, 2);
        assert_eq!(expect_outcomes(&[Hit], balance(1, &loads)).await, 2);
        assert_eq!(cache.stats().rejected, 1);
    })
    .await;
    isolated_on(&server, async |_| {
        assert_eq!(expect_outcomes(&[Rejected], balance(1, &loads)).await, 3);
    })
    .await;
}

#[tokio::test]
async fn keys_are_changed_without_a_refusal_when_every_process_accepts_the_new_one_first() {
    let server = RedisServer::start().unwrap();
    let loads = LoadCounter::new();
    let prepared = || signing("old").previous_signing_key(key("new"));
    let changed = || signing("new").previous_signing_key(key("old"));
    isolated_signing(&server, signing("old"), async |_| balance(1, &loads).await).await;
    isolated_signing(&server, changed(), async |_| {
        expect_outcomes(&[Hit], balance(1, &loads)).await;
        expect_outcomes(&[Miss], balance(2, &loads)).await;
    })
    .await;
    isolated_signing(&server, prepared(), async |_| {
        expect_outcomes(&[Hit, Hit], async {
            balance(1, &loads).await;
            balance(2, &loads).await;
        })
        .await;
    })
    .await;
    isolated_signing(&server, signing("new"), async |_| {
        expect_outcomes(&[Rejected, Hit], async {
            balance(1, &loads).await;
            balance(2, &loads).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn values_set_by_key_are_signed_too() {
    let server = RedisServer::start().unwrap();
    isolated_signing(&server, signing("a"), async |cache| {
        assert!(cache.set("fx", &7_u8, Duration::from_mins(1)).await);
        assert_eq!(cache.get::<u8>("fx").await, Some(7));
        let entry = entry(&server);
        let mut stored = get(&server, &entry);
        *stored.last_mut().expect("it is not empty") = b'9';
        overwrite(&server, &entry, &stored);
        assert_eq!(cache.get::<u8>("fx").await, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_signed_entries_that_were_invalidated() {
    let spy = spy();
    isolated_in(signing("a").store(spy.clone()).build(), async |cache| {
        balance(1, &LoadCounter::new()).await;
        pay().await;
        spy.until_ended(OperationKind::Sweep, 1).await;
        assert_eq!(cache.stats().swept, 1);
    })
    .await;
}

#[test]
fn a_key_is_shown_by_nothing() {
    let shown = format!(
        "{:?} {:?}",
        key("hush"),
        signing("hush").previous_signing_key(key("hush"))
    );
    assert!(
        shown.contains("SigningKey(not shown)") && !shown.contains("hush"),
        "{shown}"
    );
    let error = SigningKey::new("hush").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hush"));
}
