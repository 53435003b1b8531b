//! What entries are written in: the codec of the function, and the compression of the cache, on a real server.

use std::{sync::Arc, time::Duration};

use cache_runtime::{
    Cache, CacheBuilder, Codec, Compression,
    Outcome::{Hit, Miss, NearHit, Rejected},
    SigningKey, cached, invalidates,
    store::MemoryStore,
    with_cache,
};
use cache_testkit::{Gate, LoadCounter, RedisServer, expect_outcomes, isolated, isolated_in, isolated_on, reaching};
use serde::{Deserialize, Serialize};
use support::{CODEC, PAYLOAD, entry, overwrite, with_payload};

/// Where an entry says what its payload is compressed with: `docs/keys.md`.
const COMPRESSION: usize = 5;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Invoice {
    number: String,
    amount: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn invoices(count: u64, note: Option<&str>) -> Vec<Invoice> {
    let invoice = |n| Invoice {
        number: format!("INV-{n}"),
        amount: 0.5,
        note: note.map(str::to_owned),
    };
    (0..count).map(invoice).collect()
}

#[cached(resource = "invoices", codec = "postcard", skip(loads))]
async fn noted(count: u64, loads: &LoadCounter) -> Vec<Invoice> {
    loads.record();
    invoices(count, Some("paid"))
}

#[cached(resource = "invoices", codec = "postcard", skip(loads))]
async fn unnoted(count: u64, loads: &LoadCounter) -> Vec<Invoice> {
    loads.record();
    invoices(count, None)
}

#[cached(resource = "plain", codec = "json", skip(loads))]
async fn report(count: u64, loads: &LoadCounter) -> Vec<Invoice> {
    loads.record();
    invoices(count, None)
}

#[cached(resource = "invoices", codec = "postcard", near = "checked", skip(loads))]
async fn kept(loads: &LoadCounter) -> Arc<u64> {
    Arc::new(loads.record())
}

#[cached(resource = "invoices", codec = "postcard", skip(loads, gate))]
async fn slow(loads: &LoadCounter, gate: &Gate) -> (u64, Option<String>) {
    gate.pass().await;
    (loads.record(), None)
}

#[cached(resource = "plain", skip(loads))]
async fn undecided(count: u64, loads: &LoadCounter) -> Vec<Invoice> {
    loads.record();
    invoices(count, None)
}

#[cached(resource = "plain", codec = "packed", skip(loads))]
async fn packed(count: u64, loads: &LoadCounter) -> Vec<Invoice> {
    loads.record();
    invoices(count, Some("paid"))
}

#[invalidates("invoices")]
async fn change() {}

#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Tree>);

#[cached(resource = "trees", codec = "postcard", skip(loads))]
async fn tree(loads: &LoadCounter) -> Tree {
    loads.record();
    Tree(vec![Tree(vec![])])
}

fn compressing(compression: Compression) -> CacheBuilder {
    Cache::builder().compression(compression)
}

#[tokio::test]
async fn a_result_is_stored_in_the_codec_of_its_function() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let loads = LoadCounter::new();
        let loaded = expect_outcomes(&[Miss], noted(3, &loads)).await;
        let (_, bytes) = entry(&server);
        assert_eq!((bytes[CODEC], bytes[COMPRESSION]), (2, 0));
        assert!(!bytes.windows(6).any(|word| word == b"number"), "no names are stored");
        assert_eq!(expect_outcomes(&[Hit], noted(3, &loads)).await, loaded);
        assert_eq!(loads.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_result_is_packed_if_nothing_says_otherwise() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let loads = LoadCounter::new();
        let loaded = expect_outcomes(&[Miss], undecided(3, &loads)).await;
        let (_, bytes) = entry(&server);
        assert_eq!((bytes[CODEC], bytes[COMPRESSION]), (3, 0));
        let names = bytes.windows(6).filter(|word| word == b"number").count();
        assert_eq!(names, 1, "the name stands there once, for three structs");
        assert_eq!(expect_outcomes(&[Hit], undecided(3, &loads)).await, loaded);
        assert_eq!(loads.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_cache_chooses_for_functions_that_do_not_and_reads_what_others_chose() {
    let server = RedisServer::start().unwrap();
    let loads = LoadCounter::new();
    for (first, second, number) in [(Codec::Json, Codec::Packed, 1), (Codec::Packed, Codec::Postcard, 3)] {
        let writer = reaching(&server, Cache::builder().codec(first)).await;
        let reader = reaching(&server, Cache::builder().codec(second)).await;
        let loaded = with_cache(writer.clone(), expect_outcomes(&[Miss], undecided(3, &loads))).await;
        assert_eq!(entry(&server).1[CODEC], number);
        let hit = with_cache(reader.clone(), expect_outcomes(&[Hit], undecided(3, &loads))).await;
        assert_eq!(hit, loaded);
        server.command::<()>(["FLUSHALL"]).unwrap();
        with_cache(writer.clone(), expect_outcomes(&[Miss], packed(3, &loads))).await;
        assert_eq!(entry(&server).1[CODEC], 3, "the attribute wins");
        server.command::<()>(["FLUSHALL"]).unwrap();
        writer.close().await;
        reader.close().await;
    }
}

#[tokio::test]
async fn a_result_that_would_not_come_back_is_stored_as_json() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let loads = LoadCounter::new();
        let loaded = expect_outcomes(&[Miss], unnoted(3, &loads)).await;
        let (_, bytes) = entry(&server);
        assert_eq!((bytes[CODEC], &bytes[PAYLOAD..][..9]), (1, &b"[{\"number"[..]));
        assert_eq!(expect_outcomes(&[Hit], unnoted(3, &loads)).await, loaded);
        assert_eq!(loads.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_value_in_the_process_is_kept_whatever_its_codec() {
    isolated(async |_| {
        let loads = LoadCounter::new();
        assert_eq!(*expect_outcomes(&[Miss], kept(&loads)).await, 1);
        assert_eq!(*expect_outcomes(&[NearHit], kept(&loads)).await, 1);
        change().await;
        assert_eq!(*expect_outcomes(&[Miss], kept(&loads)).await, 2);
    })
    .await;
}

#[tokio::test]
async fn those_who_wait_for_a_load_are_given_it_whatever_its_codec() {
    isolated(async |_| {
        let (loads, gate) = (LoadCounter::new(), Gate::closed());
        let calls = async { tokio::join!(slow(&loads, &gate), slow(&loads, &gate), slow(&loads, &gate)) };
        let opened = async {
            gate.until_waiting(1).await;
            gate.open();
        };
        let ((first, second, third), ()) = tokio::join!(calls, opened);
        assert_eq!([&first, &second, &third], [&(1, None); 3]);
    })
    .await;
}

#[tokio::test]
async fn a_large_entry_is_compressed_and_a_small_one_is_not() {
    for (compression, number) in [(Compression::Lz4, 1), (Compression::Zstd, 2)] {
        let server = RedisServer::start().unwrap();
        isolated_in(reaching(&server, compressing(compression)).await, async |_| {
            let loads = LoadCounter::new();
            report(10, &loads).await;
            let (small, bytes) = entry(&server);
            assert_eq!(bytes[COMPRESSION], 0);
            let () = server.command(["DEL", &small]).unwrap();
            let loaded = report(1000, &loads).await;
            let (_, bytes) = entry(&server);
            assert_eq!((bytes[CODEC], bytes[COMPRESSION]), (1, number));
            let json = serde_json::to_vec(&loaded).unwrap();
            assert!(bytes.len() < json.len() / 3, "{} of {} bytes", bytes.len(), json.len());
            assert_eq!(expect_outcomes(&[Hit], report(1000, &loads)).await, loaded);
        })
        .await;
    }
}

#[tokio::test]
async fn nodes_read_each_others_entries_whatever_each_compresses_with() {
    let server = RedisServer::start().unwrap();
    let compressions = [Compression::None, Compression::Lz4, Compression::Zstd];
    let mut nodes = Vec::new();
    for compression in compressions {
        nodes.push(reaching(&server, compressing(compression)).await);
    }
    for (n, writer) in nodes.iter().enumerate() {
        let loads = LoadCounter::new();
        let count = 1000 + n as u64;
        with_cache(writer.clone(), expect_outcomes(&[Miss], report(count, &loads))).await;
        for reader in &nodes {
            with_cache(reader.clone(), expect_outcomes(&[Hit], report(count, &loads))).await;
        }
    }
}

#[tokio::test]
async fn an_entry_that_would_be_too_large_is_refused_before_it_is_decompressed() {
    let server = RedisServer::start().unwrap();
    let builder = compressing(Compression::Zstd).max_value_size(100_000);
    isolated_in(reaching(&server, builder).await, async |_| {
        let loads = LoadCounter::new();
        report(1000, &loads).await;
        let (key, honest) = entry(&server);
        // Of a gigabyte of spaces, which is JSON of nothing: it says so, or says less.
        let spaces = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &(1_u32 << 30).to_le_bytes()].concat();
        for says in [1_u32 << 30, 100_000, 1] {
            let bomb = [&says.to_le_bytes()[..], &spaces, &b"\x03\x00\x00 ".repeat(250)].concat();
            overwrite(&server, &key, &with_payload(&honest, &bomb));
            expect_outcomes(&[Rejected], report(1000, &loads)).await;
            expect_outcomes(&[Hit], report(1000, &loads)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_entry_that_is_nested_a_million_levels_deep_is_refused_and_replaced() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let loads = LoadCounter::new();
        tree(&loads).await;
        let (key, honest) = entry(&server);
        assert_eq!(honest[CODEC], 2);
        overwrite(&server, &key, &with_payload(&honest, &vec![1; 1_000_000]));
        expect_outcomes(&[Rejected], tree(&loads)).await;
        expect_outcomes(&[Hit], tree(&loads)).await;
        assert_eq!(loads.count(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_codec_or_a_compression_of_the_future_is_refused_and_replaced() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let loads = LoadCounter::new();
        noted(1, &loads).await;
        let (key, honest) = entry(&server);
        for at in [CODEC, COMPRESSION] {
            let mut bytes = honest.clone();
            bytes[at] = 9;
            overwrite(&server, &key, &bytes);
            expect_outcomes(&[Rejected], noted(1, &loads)).await;
            expect_outcomes(&[Hit], noted(1, &loads)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_signature_covers_what_is_stored() {
    let key = SigningKey::new("a key of at least 16 bytes").unwrap();
    let server = RedisServer::start().unwrap();
    let builder = compressing(Compression::Lz4).compression_above(1).signing_key(key);
    isolated_in(reaching(&server, builder).await, async |_| {
        let loads = LoadCounter::new();
        let loaded = noted(20, &loads).await;
        let (key, honest) = entry(&server);
        assert_eq!((honest[CODEC], honest[COMPRESSION]), (2, 1));
        assert_eq!(expect_outcomes(&[Hit], noted(20, &loads)).await, loaded);
        for at in [CODEC, COMPRESSION, PAYLOAD + 32, honest.len() - 1] {
            let mut bytes = honest.clone();
            bytes[at] ^= 1;
            overwrite(&server, &key, &bytes);
            expect_outcomes(&[Rejected], noted(20, &loads)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn values_by_key_are_compressed_too() {
    let cache = compressing(Compression::Lz4).store(MemoryStore::new(1 << 20)).build();
    isolated_in(cache, async |cache| {
        let value = invoices(1000, None);
        assert!(cache.set("list", &value, Duration::from_mins(1)).await);
        assert_eq!(cache.get("list").await, Some(value));
    })
    .await;
}
