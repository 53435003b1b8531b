//! `Encoded<T>`: hits that go out as they are stored.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use cache_runtime::{
    Cache, Encoded,
    Outcome::{self, Hit, Miss, NearHit, Rejected},
    SigningKey, cached, invalidates, spawn, with_cache,
};
use cache_testkit::{Gate, RedisServer, expect_outcomes, isolated, isolated_in, isolated_on, patient, reaching, until};
use futures_util::future::join_all;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use support::{CODEC, PAYLOAD, get, keys, outcome_of, overwrite, spy, two_caches, with_payload};

thread_local! {
    /// How often a row was written or read by serde.
    static CODED: Cell<u32> = const { Cell::new(0) };
}

/// A row that counts how often it is encoded and decoded.
#[derive(Debug, Clone, PartialEq)]
struct Row(u32);

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CODED.set(CODED.get() + 1);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CODED.set(CODED.get() + 1);
        u32::deserialize(deserializer).map(Self)
    }
}

type Rows = Vec<Row>;

/// How often rows are encoded or decoded while something happens.
async fn coded_during<T>(event: impl Future<Output = T>) -> (T, u32) {
    let before = CODED.get();
    let output = event.await;
    (output, CODED.get() - before)
}

fn rows(count: u32) -> Rows {
    (0..count).map(Row).collect()
}

#[cached(resource = "encoded")]
async fn page(count: u32) -> Result<Encoded<Rows>, serde_json::Error> {
    Encoded::new(&rows(count))
}

#[cached(resource = "decoded", codec = "json")]
async fn decoded_page(count: u32) -> Rows {
    rows(count)
}

#[cached(resource = "encoded_near", near = "tracked")]
async fn near_page(count: u32) -> Option<Encoded<Rows>> {
    Encoded::new(&rows(count)).ok()
}

#[invalidates("encoded", "encoded_near")]
async fn written() {}

#[tokio::test]
async fn a_hit_neither_decodes_nor_encodes_and_has_the_bytes_of_the_load() {
    isolated(async |_| {
        let (loaded, coded) = coded_during(expect_outcomes(&[Miss], page(3))).await;
        let loaded = loaded.unwrap();
        // The structure of the type is looked at with the first call.
        assert!(coded >= 3);
        let (hit, coded) = coded_during(expect_outcomes(&[Hit], page(3))).await;
        let hit = hit.unwrap();
        assert_eq!(coded, 0);
        assert_eq!(hit, loaded);
        assert_eq!(hit.bytes(), "[0,1,2]");
        assert_eq!(hit.decode().unwrap(), rows(3));
        assert_eq!(hit.into_bytes(), "[0,1,2]");
        let (_, coded) = coded_during(expect_outcomes(&[Miss], page(100))).await;
        assert_eq!(coded, 100, "once, in the body");
    })
    .await;
}

#[tokio::test]
async fn what_is_stored_is_what_a_function_that_returns_the_value_stores_as_json() {
    let server = RedisServer::start().expect("a server");
    isolated_on(&server, async |_| {
        page(3).await.unwrap();
        decoded_page(3).await;
        let payload = |resource: &str| {
            let keys = keys(&server, &format!("cache:*:{resource}:*"));
            get(&server, &keys[0])[PAYLOAD..].to_vec()
        };
        assert_eq!(payload("encoded"), payload("decoded"));
        assert_eq!(payload("encoded"), b"[0,1,2]");
    })
    .await;
}

#[tokio::test]
async fn an_entry_of_another_type_is_refused_unseen() {
    #[cached(resource = "encoded_either")]
    async fn number() -> Encoded<u32> {
        Encoded::new(&1).unwrap()
    }
    #[cached(resource = "encoded_either")]
    async fn text() -> Encoded<String> {
        Encoded::new(&"one".to_owned()).unwrap()
    }
    isolated(async |_| {
        number().await;
        assert_eq!(expect_outcomes(&[Rejected], text()).await.bytes(), "\"one\"");
    })
    .await;
}

#[tokio::test]
async fn a_signed_entry_that_somebody_has_changed_is_refused() {
    let server = RedisServer::start().expect("a server");
    let signed = patient().signing_key(SigningKey::new("sixteen bytes or more").unwrap());
    isolated_in(reaching(&server, signed).await, async |_| {
        page(3).await.unwrap();
        expect_outcomes(&[Hit], page(3)).await.unwrap();
        let key = &keys(&server, "cache:*")[0];
        let mut entry = get(&server, key);
        *entry.last_mut().unwrap() = b'!';
        overwrite(&server, key, &entry);
        let page = expect_outcomes(&[Rejected], page(3)).await.unwrap();
        assert_eq!(page.bytes(), "[0,1,2]");
    })
    .await;
}

#[tokio::test]
async fn a_hit_hands_out_what_is_stored_whatever_it_is() {
    let server = RedisServer::start().expect("a server");
    isolated_on(&server, async |_| {
        page(3).await.unwrap();
        let key = &keys(&server, "cache:*")[0];
        let entry = get(&server, key);
        overwrite(&server, key, &with_payload(&entry, b"[0,1"));
        let page = expect_outcomes(&[Hit], page(3)).await.unwrap();
        assert_eq!(page.bytes(), "[0,1");
        page.decode().expect_err("it is no list");
    })
    .await;
}

#[tokio::test]
async fn what_was_packed_before_is_a_hit_and_handed_out_as_json() {
    let server = RedisServer::start().expect("a server");
    isolated_on(&server, async |_| {
        decoded_page(3).await;
        page(3).await.unwrap();
        let key = &keys(&server, "cache:*:encoded:*")[0];
        // As the function stored it when it returned the rows: a list of three, 0, 1 and 2, without names.
        let mut packed = with_payload(&get(&server, key), &[0xb3, 0, 1, 2, 0]);
        packed[CODEC] = 3;
        overwrite(&server, key, &packed);
        assert_eq!(expect_outcomes(&[Hit], page(3)).await.unwrap().bytes(), "[0,1,2]");
    })
    .await;
}

#[tokio::test]
async fn a_near_hit_shares_the_bytes() {
    isolated(async |_| {
        until("the near cache answers", async || {
            outcome_of(near_page(2)).await.1 == NearHit
        })
        .await;
        let pages = [near_page(2).await.unwrap(), near_page(2).await.unwrap()];
        assert_eq!(pages[0].bytes().as_ptr(), pages[1].bytes().as_ptr());
        written().await;
        expect_outcomes(&[Miss], near_page(2)).await;
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_load_is_given_its_bytes() {
    #[cached(resource = "encoded", skip(gate), independent(loads))]
    async fn slow_page(gate: &Gate, loads: &AtomicU32) -> Encoded<Rows> {
        loads.fetch_add(1, Ordering::SeqCst);
        gate.pass().await;
        Encoded::new(&rows(2)).unwrap()
    }
    isolated(async |cache| {
        let (gate, loads) = (Gate::closed(), Arc::new(AtomicU32::new(0)));
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let (gate, loads) = (gate.clone(), Arc::clone(&loads));
                spawn(async move { slow_page(&gate, &loads).await })
            })
            .collect();
        until("all have missed", async || cache.stats().misses == 3).await;
        gate.open();
        for page in join_all(calls).await {
            assert_eq!(page.unwrap().bytes(), "[0,1]");
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    })
    .await;
}

/// A table that grows, and loads of it that stand at a gate once they have read it.
struct Table {
    count: AtomicU32,
    gate: Gate,
}

impl Table {
    async fn load(&self) -> Encoded<Rows> {
        let count = self.count.load(Ordering::SeqCst);
        self.gate.pass().await;
        Encoded::new(&rows(count)).expect("a row is written by serde")
    }

    #[cached(resource = "encoded")]
    async fn page(&self) -> Encoded<Rows> {
        self.load().await
    }

    #[cached(resource = "encoded_near", near = "tracked")]
    async fn near_page(&self) -> Encoded<Rows> {
        self.load().await
    }

    #[invalidates("encoded", "encoded_near")]
    async fn grow(&self, count: u32) {
        self.count.store(count, Ordering::SeqCst);
    }
}

/// Grows the table while it is loaded, through this cache, and asks for its page until that is answered so.
async fn grow_while_it_is_loaded(writer: Cache, answered: Outcome, page: impl AsyncFn(&Table) -> Encoded<Rows>) {
    let table = Table {
        count: AtomicU32::new(1),
        gate: Gate::closed(),
    };
    let (before, ()) = tokio::join!(page(&table), async {
        table.gate.until_waiting(1).await;
        with_cache(writer, table.grow(2)).await;
        table.gate.open();
    });
    assert_eq!(before.bytes(), "[0]", "it was read before the write");
    assert_eq!(expect_outcomes(&[Miss], page(&table)).await.bytes(), "[0,1]");
    until("the page is answered so", async || {
        let (page, outcome) = outcome_of(page(&table)).await;
        assert_eq!(page.bytes(), "[0,1]");
        outcome == answered
    })
    .await;
}

#[tokio::test]
async fn the_bytes_of_a_load_that_an_invalidation_overtook_are_handed_out_to_nobody_after_it() {
    let [here, elsewhere] = two_caches(&spy());
    isolated_in(here, async |here| {
        grow_while_it_is_loaded(elsewhere, Hit, Table::page).await;
        grow_while_it_is_loaded(here, NearHit, Table::near_page).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_too_large_is_returned_and_not_stored() {
    let cache = Cache::builder().store(spy()).max_value_size(10).build();
    isolated_in(cache, async |cache| {
        assert_eq!(page(100).await.unwrap().bytes().len(), 10 + 2 * 90 + 101);
        assert_eq!(cache.stats().failed_fills, 1);
        page(3).await.unwrap();
        expect_outcomes(&[Hit], page(3)).await.unwrap();
    })
    .await;
}

#[cfg(feature = "codecs")]
#[tokio::test]
async fn what_is_compressed_is_decompressed_and_no_more() {
    use cache_runtime::Compression;
    for compression in [Compression::Lz4, Compression::Zstd] {
        let compressed = Cache::builder().compression(compression).compression_above(0);
        isolated_in(compressed.build(), async |_| {
            let loaded = page(1000).await.unwrap();
            let (hit, coded) = coded_during(expect_outcomes(&[Hit], page(1000))).await;
            assert_eq!((hit.unwrap(), coded), (loaded, 0));
        })
        .await;
    }
}

#[cfg(feature = "codecs")]
#[tokio::test]
async fn it_is_json_whatever_the_codec_and_nothing_is_said_of_that() {
    #[cached(resource = "encoded", codec = "postcard")]
    async fn binary_page() -> Encoded<Rows> {
        Encoded::new(&rows(2)).unwrap()
    }
    isolated(async |_| {
        let (log, _collecting) = support::Log::start();
        binary_page().await;
        assert_eq!(expect_outcomes(&[Hit], binary_page()).await.bytes(), "[0,1]");
        assert_eq!(log.at(tracing::Level::WARN), [""; 0]);
    })
    .await;
}
