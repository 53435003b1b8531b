//! A look at what stands in a store: keys, entries, and what others have put there.

use std::{collections::BTreeSet, time::Duration};

use cache_runtime::{
    Cache, SigningKey, cached,
    inspect::{EntryReport, EntryState, Inspector, KeyFilter, KeyKind, PayloadForm},
    store::{MemoryStore, RedisConfig},
    with_cache, with_tenant,
};
use cache_testkit::{PATIENCE, RedisCluster, RedisServer, isolated_in, patient, reaching};
use serde::{Deserialize, Serialize};
use support::{ELECTION, at, get, keys, overwrite};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    company: i64,
    text: String,
}

#[cached(resource = "inspected", scope(company))]
async fn page(company: i64, text: &str) -> Page {
    Page {
        company,
        text: text.to_owned(),
    }
}

#[cached(resource = "inspected_softly", scope(company), stale_while_revalidate)]
async fn quote(company: i64) -> i64 {
    company
}

#[cached(resource = "inspected_tags", tags(author = result.1))]
async fn title(number: u32, author: u64) -> (u32, u64) {
    (number, author)
}

fn inspector(cache: &Cache) -> Inspector {
    cache.inspector().expect("a store")
}

/// The one key that is wanted.
async fn only(cache: &Cache, filter: &KeyFilter) -> String {
    let page = inspector(cache).keys(filter, None, 10_000).await.expect("an answer");
    let [key] = &page.keys[..] else {
        panic!("one key, not {:?}", page.keys)
    };
    key.text.clone()
}

async fn report(cache: &Cache, key: &str) -> EntryReport {
    let report = inspector(cache).entry(key).await.expect("an answer");
    report.unwrap_or_else(|| panic!("nothing stands under {key}"))
}

/// All keys that are wanted, in pages of ten.
async fn all(cache: &Cache, filter: &KeyFilter) -> BTreeSet<String> {
    let (mut found, mut next, inspector) = (BTreeSet::new(), None, inspector(cache));
    loop {
        let page = inspector.keys(filter, next.as_ref(), 10).await.expect("an answer");
        found.extend(page.keys.into_iter().map(|key| key.text));
        next = page.next;
        if next.is_none() {
            return found;
        }
    }
}

async fn on(server: &RedisServer) -> Cache {
    reaching(server, patient()).await
}

async fn within(server: &RedisServer, namespace: &str) -> Cache {
    let config = at(server).namespace(namespace).expect("a namespace");
    let cache = patient().redis(config).build();
    assert!(cache.ready(PATIENCE).await, "the server was not reached");
    cache
}

#[tokio::test]
async fn an_entry_is_shown_with_all_that_it_says_and_its_stamps() {
    let server = RedisServer::start().unwrap();
    isolated_in(on(&server).await, async |cache| {
        page(7, "ü \"and\"").await;
        let key = only(&cache, &KeyFilter::entries()).await;
        let report = report(&cache, &key).await;
        let summary = &report.summary;
        assert_eq!((summary.key.kind, summary.state), (KeyKind::Entry, EntryState::Fresh));
        assert_eq!(summary.key.resource.as_deref(), Some("inspected"));
        assert_eq!(summary.key.scopes[0].to_string(), "company-7");
        assert_eq!(summary.size, get(&server, &key).len() as u64);
        let left = summary.time_left.expect("it ends");
        assert!(
            left <= Duration::from_mins(1) && left > Duration::from_secs(30),
            "{left:?}"
        );
        let head = summary.head.as_ref().expect("an envelope");
        assert_eq!((&*head.codec, &*head.compression), ("packed", "none"));
        assert_eq!(head.ttl, Duration::from_mins(1));
        assert!(head.age < Duration::from_secs(30) && !head.is_signed && !head.is_negative);
        let stamps: Vec<_> = report.stamps.iter().map(|stamp| stamp.key.as_deref()).collect();
        assert_eq!(
            stamps,
            [
                Some("cachestamp:default:inspected"),
                Some("cachestamp:default:inspected:company-7")
            ]
        );
        assert!(report.stamps.iter().all(|stamp| stamp.is_current == Some(true)));
        assert_eq!(report.reasons, [] as [&str; 0]);
        let payload = report.payload.expect("it can be read");
        assert_eq!(payload.form, PayloadForm::Json);
        assert_eq!(payload.text, "{\n  \"company\": 7,\n  \"text\": \"ü \\\"and\\\"\"\n}");
    })
    .await;
}

#[tokio::test]
async fn what_was_invalidated_says_by_which_stamp() {
    let server = RedisServer::start().unwrap();
    isolated_in(on(&server).await, async |cache| {
        page(7, "one").await;
        let key = only(&cache, &KeyFilter::entries()).await;
        // Not by the cache, which would sweep it away.
        let () = server
            .command(["DEL", "cachestamp:default:inspected:company-7"])
            .unwrap();
        let found = report(&cache, &key).await;
        assert_eq!(found.summary.state, EntryState::Invalidated);
        assert_eq!(
            found.reasons,
            ["the stamp cachestamp:default:inspected:company-7 is gone: it was invalidated, or evicted"]
        );
        let () = server
            .command(["SET", "cachestamp:default:inspected:company-7", "0123456789abcdef"])
            .unwrap();
        let found = report(&cache, &key).await;
        assert_eq!(
            found.reasons,
            ["the stamp cachestamp:default:inspected:company-7 is another one: it was invalidated since"]
        );
        assert_eq!(found.stamps[1].current.as_deref(), Some("0123456789abcdef"));
        let page = inspector(&cache).keys(&KeyFilter::entries(), None, 1000).await.unwrap();
        let summaries = inspector(&cache).summaries(&page.keys).await.unwrap();
        assert_eq!(summaries[0].state, EntryState::Invalidated, "a list says so, too");
    })
    .await;
}

#[tokio::test]
async fn what_was_invalidated_softly_is_stale() {
    let server = RedisServer::start().unwrap();
    isolated_in(on(&server).await, async |cache| {
        quote(7).await;
        let key = only(&cache, &KeyFilter::entries()).await;
        let found = report(&cache, &key).await;
        assert_eq!(found.summary.state, EntryState::Fresh, "{:?}", found.reasons);
        let kinds: Vec<_> = found.stamps.iter().map(|stamp| stamp.kind).collect();
        let (stamp, soft) = (KeyKind::Stamp, KeyKind::SoftStamp);
        assert_eq!(kinds, [stamp, stamp, soft, soft]);
        cache.invalidate("inspected_softly").soft().await.unwrap();
        let found = report(&cache, &key).await;
        assert_eq!(found.summary.state, EntryState::Stale);
        assert_eq!(
            found.reasons,
            ["the stamp cachestamp:default:inspected_softly:~soft is gone: it was invalidated, or evicted"]
        );
    })
    .await;
}

#[tokio::test]
async fn what_was_invalidated_by_a_tag_or_by_its_kind_is_invalidated() {
    let server = RedisServer::start().unwrap();
    isolated_in(on(&server).await, async |cache| {
        title(1, 42).await;
        let key = only(&cache, &KeyFilter::entries()).await;
        let found = report(&cache, &key).await;
        assert_eq!(found.summary.state, EntryState::Fresh, "{:?}", found.reasons);
        let kinds: Vec<_> = found
            .stamps
            .iter()
            .map(|stamp| (stamp.kind, stamp.key.as_deref()))
            .collect();
        assert_eq!(
            kinds,
            [
                (KeyKind::Stamp, Some("cachestamp:default:inspected_tags")),
                (KeyKind::TagKind, Some("cachestamp:default:~author")),
                (KeyKind::Tag, Some("cachestamp:default:~author:42")),
            ]
        );
        let () = server.command(["DEL", "cachestamp:default:~author"]).unwrap();
        let found = report(&cache, &key).await;
        assert_eq!(found.summary.state, EntryState::Invalidated);
        assert_eq!(
            found.reasons,
            ["a kind of tags that it was loaded under was invalidated"]
        );
        title(1, 42).await;
        cache.invalidate_tag("author", 42).await.unwrap();
        let found = report(&cache, &key).await;
        assert_eq!(found.summary.state, EntryState::Invalidated);
        assert_eq!(
            found.reasons,
            ["the stamp cachestamp:default:~author:42 is gone: it was invalidated, or evicted"]
        );
    })
    .await;
}

#[tokio::test]
async fn keys_are_found_by_tenant_resource_scope_and_pattern() {
    let server = RedisServer::start().unwrap();
    isolated_in(on(&server).await, async |cache| {
        for tenant in ["a", "b c"] {
            with_tenant(tenant, async {
                for company in 0..3 {
                    page(company, tenant).await;
                    quote(company).await;
                }
            })
            .await;
        }
        let () = server.command(["SET", "session:1", "x"]).unwrap();
        for (filter, count) in [
            (KeyFilter::entries(), 12),
            (KeyFilter::entries().tenant("b c"), 6),
            (KeyFilter::entries().tenant("b"), 0),
            (KeyFilter::entries().resource("inspected"), 6),
            (KeyFilter::entries().resource("inspected*").tenant("a"), 6),
            (KeyFilter::entries().resource("inspected").scope("company", 1), 2),
            (KeyFilter::entries().pattern("*:company-2:*"), 4),
            (KeyFilter::stamps().tenant("a").resource("inspected"), 4),
            (KeyFilter::everything().pattern("session:*"), 1),
        ] {
            assert_eq!(all(&cache, &filter).await.len(), count, "{filter:?}");
        }
        let everything = all(&cache, &KeyFilter::everything()).await;
        assert_eq!(everything.into_iter().collect::<Vec<_>>(), keys(&server, "*"));
    })
    .await;
}

#[tokio::test]
async fn a_look_sees_the_keys_of_its_own_namespace() {
    let server = RedisServer::start().unwrap();
    let (billing, shop) = (within(&server, "billing").await, within(&server, "shop").await);
    with_cache(billing.clone(), page(1, "of billing")).await;
    with_cache(shop.clone(), page(2, "of the shop")).await;
    let key = only(&billing, &KeyFilter::entries()).await;
    let found = report(&billing, &key).await;
    assert_eq!(found.summary.key.namespace.as_deref(), Some("billing"));
    assert_eq!(found.summary.state, EntryState::Fresh, "{:?}", found.reasons);
    assert!(
        all(&billing, &KeyFilter::everything())
            .await
            .iter()
            .all(|key| key.starts_with("billing:"))
    );
    billing.close().await;
    shop.close().await;
}

#[tokio::test]
async fn what_others_have_written_is_shown_as_what_it_is_and_nothing_panics() {
    let server = RedisServer::start().unwrap();
    isolated_in(on(&server).await, async |cache| {
        page(7, "x").await;
        let key = only(&cache, &KeyFilter::entries()).await;
        let whole = get(&server, &key);
        // Cut off anywhere, and with any byte of its head another one.
        for len in 0..whole.len() {
            overwrite(&server, &key, &whole[..len]);
            let found = report(&cache, &key).await;
            assert_eq!(found.summary.state, EntryState::Refused, "{len} bytes");
            assert!(!found.reasons.is_empty());
        }
        for place in 0..80.min(whole.len()) {
            let mut other = whole.clone();
            other[place] ^= 0xff;
            overwrite(&server, &key, &other);
            let found = report(&cache, &key).await;
            drop(inspector(&cache).summaries(&[found.summary.key]).await.unwrap());
        }
        let () = server.command(["DEL", key.as_str()]).unwrap();
        let () = server.command(["SADD", key.as_str(), "member"]).unwrap();
        let found = report(&cache, &key).await;
        assert_eq!((found.other_type.as_deref(), found.payload), (Some("set"), None));
        assert_eq!(found.summary.state, EntryState::Refused);
        let () = server.command([&b"SET"[..], b"\xff\xfe", b"x"]).unwrap();
        let () = server.command([&b"SET"[..], b"binary", b"\x00\xff"]).unwrap();
        let page = inspector(&cache)
            .keys(&KeyFilter::everything(), None, 1000)
            .await
            .unwrap();
        assert_eq!(page.unreadable, 1);
        let found = report(&cache, "binary").await;
        assert_eq!(
            (found.summary.key.kind, found.summary.state),
            (KeyKind::Foreign, EntryState::None)
        );
        assert_eq!(found.summary.time_left, None);
        assert_eq!(found.payload.expect("it can be read").text, "00ff");
        assert_eq!(inspector(&cache).entry("nothing").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_signed_entry_is_checked_by_who_has_the_key_and_shown_to_who_has_not() {
    let server = RedisServer::start().unwrap();
    let signing = patient().signing_key(SigningKey::new("0123456789abcdef").unwrap());
    let signing = reaching(&server, signing).await;
    let other = on(&server).await;
    with_cache(signing.clone(), page(1, "signed")).await;
    let key = only(&signing, &KeyFilter::entries()).await;
    let found = report(&signing, &key).await;
    assert_eq!(found.summary.state, EntryState::Fresh, "{:?}", found.reasons);
    assert!(found.summary.head.expect("an envelope").is_signed);
    let found = report(&other, &key).await;
    assert_eq!(found.summary.state, EntryState::Refused);
    assert!(found.reasons[0].contains("CACHE_SIGNING_KEY"), "{:?}", found.reasons);
    assert!(found.payload.expect("it can be read").text.contains("signed"));
    signing.close().await;
    other.close().await;
}

#[tokio::test]
async fn in_a_cluster_the_keys_of_every_primary_are_found() {
    let cluster = RedisCluster::start().unwrap();
    let cache = patient().redis(RedisConfig::new(&cluster.url()).unwrap()).build();
    assert!(cache.ready(ELECTION).await);
    isolated_in(cache, async |cache| {
        for company in 0..100 {
            page(company, "x").await;
        }
        let mut expected = BTreeSet::new();
        for primary in cluster.primaries() {
            let of_primary = keys(primary, "cache:*");
            assert!(!of_primary.is_empty(), "they are spread over all primaries");
            expected.extend(of_primary);
        }
        assert_eq!(expected.len(), 100);
        assert_eq!(all(&cache, &KeyFilter::entries()).await, expected);
        for key in expected.iter().take(10) {
            let found = report(&cache, key).await;
            assert_eq!(found.summary.state, EntryState::Fresh, "{:?}", found.reasons);
        }
    })
    .await;
}

#[tokio::test]
async fn the_memory_of_the_process_is_looked_at_as_a_server_is() {
    let cache = Cache::builder().store(MemoryStore::new(1 << 20)).build();
    isolated_in(cache, async |cache| {
        for company in 0..25 {
            page(company, "x").await;
        }
        cache.set("rate", &1.07, Duration::from_mins(1)).await;
        assert_eq!(all(&cache, &KeyFilter::entries()).await.len(), 26);
        let value = only(&cache, &KeyFilter::entries().resource("~")).await;
        let found = report(&cache, &value).await;
        assert_eq!(
            (found.summary.key.kind, found.summary.state),
            (KeyKind::Value, EntryState::Fresh)
        );
        assert_eq!(found.payload.expect("it can be read").text, "1.07");
    })
    .await;
    assert!(Cache::disabled().inspector().is_none());
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_says_so() {
    let server = RedisServer::start().unwrap();
    let cache = on(&server).await;
    server.kill();
    let answer = inspector(&cache).keys(&KeyFilter::entries(), None, 10).await;
    let error = answer.expect_err("the server is gone").to_string();
    assert!(error.contains("127.0.0.1"), "{error}");
    cache.close().await;
}
