//! What others leave under the cache's keys, on a real server: of another type, broken, of another release, of another build,
//! of other arguments. The call is given what its body returns, and the next fill mends it.

use std::sync::atomic::{AtomicU64, Ordering};

use cache_runtime::{
    Cache,
    Outcome::{self, Hit, Miss, Rejected},
    cached, invalidates,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{Gate, LoadCounter, PATIENCE, RedisServer, expect_outcomes, isolated_on, redis::Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct as _};
use support::{keys, outcome_of, process_of};

#[cached(resource = "invoices_list", scope(company))]
async fn row(company: i64) -> String {
    format!("row of {company}")
}

#[invalidates("invoices_list"(company))]
async fn change(company: i64) {}

#[cached(resource = "ledger")]
async fn balance() -> u32 {
    7
}

#[invalidates("ledger")]
async fn book() {}

#[cached(resource = "reports", lease = "10s", skip(loads, answer))]
async fn report(loads: &LoadCounter, answer: &Gate) -> u32 {
    loads.record();
    answer.pass().await;
    11
}

/// A value of each type that Redis has, put by these words after the key.
const TYPES: [(&str, &[&str]); 7] = [
    ("LPUSH", &["not", "ours"]),
    ("HSET", &["not", "ours"]),
    ("SADD", &["not", "ours"]),
    ("ZADD", &["1", "not-ours"]),
    ("XADD", &["*", "not", "ours"]),
    ("SET", &["not ours"]),
    ("SETRANGE", &["3", "CRE"]),
];

/// Puts a value of each type under a key, one after the other.
async fn with_each_type(server: &RedisServer, key: &str, mut test: impl AsyncFnMut(&str)) {
    for (command, words) in TYPES {
        let () = server.command(["DEL", key]).expect("DEL answers");
        let line = [command, key].into_iter().chain(words.iter().copied());
        let _: Value = server.command(line).expect("it is put there");
        test(command).await;
    }
}

#[tokio::test]
async fn a_value_of_any_type_under_an_entry_or_a_stamp_is_no_hit_and_is_mended() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        row(1).await;
        let keys = keys(&server, "cache*");
        assert_eq!(keys.len(), 3, "an entry and two stamps: {keys:?}");
        for key in &keys {
            with_each_type(&server, key, async |kind| {
                let (value, found) = outcome_of(row(1)).await;
                assert_eq!(value, "row of 1");
                assert_ne!(found, Hit, "{kind} {key}");
                // A foreign stamp goes first, then there can be one, then an entry.
                row(1).await;
                expect_outcomes(&[Hit], row(1)).await;
                change(1).await;
                expect_outcomes(&[Miss], row(1)).await;
            })
            .await;
        }
        assert!(cache.is_available());
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_removes_a_stamp_of_any_type() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        with_each_type(&server, "cachestamp:default:invoices_list:company-1", async |_| {
            change(1).await;
            assert_eq!(keys(&server, "cachestamp:*company*"), Vec::<String>::new());
        })
        .await;
        assert_eq!(cache.stats().pending_invalidations, 0);
    })
    .await;
}

#[tokio::test]
async fn a_hold_of_any_type_is_mended_by_the_reader_and_by_the_writer() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        with_each_type(&server, "cachehold:default:ledger", async |kind| {
            if kind == "SADD" {
                // A hold is a set. These writers are dead.
                return;
            }
            let () = server
                .command(["UNLINK", "cachestamp:default:ledger"])
                .expect("UNLINK answers");
            // Who is in the hold is unknown.
            assert_eq!(outcome_of(balance()).await, (7, Miss), "{kind}");
            assert_eq!(outcome_of(balance()).await, (7, Miss), "{kind}: nothing was stored");
            assert_eq!(outcome_of(balance()).await, (7, Hit), "{kind}");
        })
        .await;
        with_each_type(&server, "cachehold:default:ledger", async |kind| {
            book().await;
            assert_eq!(outcome_of(balance()).await, (7, Miss), "{kind}");
            assert_eq!(outcome_of(balance()).await, (7, Hit), "{kind}: the writer has left");
        })
        .await;
        assert!(cache.is_available());
    })
    .await;
}

#[tokio::test]
async fn a_lease_of_any_type_keeps_nobody_waiting() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let (loads, answer) = (LoadCounter::new(), Gate::closed());
        let first = tokio::spawn(with_cache(cache.clone(), {
            let (loads, answer) = (loads.clone(), answer.clone());
            async move { report(&loads, &answer).await }
        }));
        answer.until_waiting(1).await;
        let leases = keys(&server, "cachelease:*");
        let [lease] = &leases[..] else {
            panic!("one lease, not {leases:?}")
        };
        answer.open();
        assert_eq!(first.await.unwrap(), 11);
        with_each_type(&server, lease, async |kind| {
            for entry in keys(&server, "cache:*") {
                let () = server.command(["UNLINK", &entry]).expect("UNLINK answers");
            }
            let before = loads.count();
            assert_eq!(outcome_of(report(&loads, &answer)).await, (11, Miss), "{kind}");
            assert_eq!(loads.count(), before + 1, "{kind}");
            assert_eq!(outcome_of(report(&loads, &answer)).await, (11, Hit), "{kind}");
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn every_broken_byte_of_an_entry_s_head_and_every_truncation_is_refused_and_replaced() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        row(1).await;
        let key = keys(&server, "cache:*").remove(0);
        let sound: Vec<u8> = server.command(["GET", &key]).unwrap();
        let put = |bytes: &[u8]| {
            let () = server.command([b"SET", key.as_bytes(), bytes]).expect("SET answers");
        };
        // docs/keys.md: what is for reading only, the stamps, and everything else of the head.
        let expected = |at| match at {
            8..28 => Hit,
            56..72 => Miss,
            _ => Rejected,
        };
        // But for those that say whose entry it is: another function's is met by keys of one's own, in the end (identity.rs).
        for at in (0..52).chain(56..72) {
            for pattern in [0x01, 0x80, 0xFF] {
                let mut broken = sound.clone();
                broken[at] ^= pattern;
                put(&broken);
                let found = outcome_of(row(1)).await;
                assert_eq!(found, ("row of 1".to_owned(), expected(at)), "byte {at} ^ {pattern:#x}");
                assert_eq!(outcome_of(row(1)).await.1, Hit);
            }
        }
        for length in 0..sound.len() {
            put(&sound[..length]);
            assert_eq!(
                outcome_of(row(1)).await,
                ("row of 1".to_owned(), Rejected),
                "{length} bytes"
            );
        }
        // Lengths that claim more than any server holds.
        for lies in [&[28, 29, 30, 31][..], &[6]] {
            let mut broken = sound.clone();
            for &at in lies {
                broken[at] = 0xFF;
            }
            put(&broken);
            assert_eq!(outcome_of(row(1)).await.1, Rejected);
        }
        let payload = |text: &str| {
            let mut bytes = sound[..72].to_vec();
            bytes[28..32].copy_from_slice(&u32::try_from(text.len()).expect("short").to_le_bytes());
            [&bytes[..], text.as_bytes()].concat()
        };
        let nested = "[".repeat(100_000);
        for text in [
            "",
            "5",
            "null",
            "\"open",
            "\"a\" \"b\"",
            "[\"row of 1\"]",
            "\u{feff}\"x\"",
            &nested,
        ] {
            put(&payload(text));
            assert_eq!(
                outcome_of(row(1)).await,
                ("row of 1".to_owned(), Rejected),
                "{text:.20}"
            );
            assert_eq!(outcome_of(row(1)).await.1, Hit);
        }
        assert!(cache.is_available());
    })
    .await;
}

#[tokio::test]
async fn random_bytes_under_an_entry_s_key_are_refused() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        row(1).await;
        let key = keys(&server, "cache:*").remove(0);
        let mut rng = fastrand::Rng::with_seed(17);
        for _ in 0..500 {
            let mut bytes: Vec<u8> = (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect();
            // Often what passes for the head of an envelope.
            let head = b"CRE\x01\x01\x00\x02\x00";
            let known = bytes.len().min(rng.usize(0..=head.len()));
            bytes[..known].copy_from_slice(&head[..known]);
            let () = server.command([b"SET", key.as_bytes(), &bytes]).unwrap();
            assert_eq!(outcome_of(row(1)).await, ("row of 1".to_owned(), Rejected), "{bytes:?}");
        }
    })
    .await;
}

/// The first 12 hex digits of the MD5 of `{"id": 19342229}` and of `{"id": 21310659}` are the same.
const COLLIDING: [u32; 2] = [19_342_229, 21_310_659];

#[cached(resource = "numbers")]
async fn number(id: u32) -> u32 {
    id
}

#[tokio::test]
async fn two_argument_sets_under_one_key_are_never_given_each_other_s_value() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let [one, other] = COLLIDING;
        assert_eq!(outcome_of(number(one)).await, (one, Miss));
        assert_eq!(outcome_of(number(one)).await, (one, Hit));
        for _ in 0..3 {
            assert_eq!(outcome_of(number(other)).await, (other, Rejected));
            assert_eq!(outcome_of(number(other)).await, (other, Hit));
            assert_eq!(outcome_of(number(one)).await, (one, Rejected));
            assert_eq!(outcome_of(number(one)).await, (one, Hit));
        }
        assert_eq!(keys(&server, "cache:*").len(), 1, "they do share a key");
    })
    .await;
}

/// The build that this process stands for: 1, or what its environment says.
fn build() -> u64 {
    std::env::var(BUILD).map_or(1, |build| build.parse().expect("a number"))
}

const BUILD: &str = "CACHE_TEST_BUILD";
const SERVER: &str = "CACHE_TEST_SERVER";

/// A struct that has a field more in the second build: as if one of the two programs had been compiled later.
#[derive(Debug, PartialEq)]
struct Invoice {
    total: u64,
    currency: Option<u64>,
}

impl Serialize for Invoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Invoice", 2)?;
        fields.serialize_field("total", &self.total)?;
        if build() > 1 {
            fields.serialize_field("currency", &self.currency)?;
        }
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Invoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Invoice")]
        struct Old {
            total: u64,
        }
        #[derive(Deserialize)]
        #[serde(rename = "Invoice")]
        struct New {
            total: u64,
            #[serde(default)]
            currency: Option<u64>,
        }
        match build() {
            1 => Old::deserialize(deserializer).map(|Old { total }| Self { total, currency: None }),
            2 => New::deserialize(deserializer).map(|New { total, currency }| Self { total, currency }),
            other => Err(de::Error::custom(format_args!("there is no build {other}"))),
        }
    }
}

static LOADS: AtomicU64 = AtomicU64::new(0);

#[cached(resource = "invoices")]
async fn invoice(id: u32) -> Invoice {
    LOADS.fetch_add(1, Ordering::SeqCst);
    Invoice {
        total: u64::from(id),
        currency: (build() > 1).then_some(978),
    }
}

/// One turn of a build: whatever the other one left there, each is given its own, and keeps it.
async fn turn(first: Outcome) {
    let own = |id: u32| Invoice {
        total: u64::from(id),
        currency: (build() > 1).then_some(978),
    };
    for expected in [first, Hit, Hit] {
        assert_eq!(outcome_of(invoice(5)).await, (own(5), expected));
    }
}

#[tokio::test]
async fn two_builds_side_by_side_never_decode_each_other_s_entries() {
    if let Ok(url) = std::env::var(SERVER) {
        // The other build, in a process of its own.
        let cache = Cache::builder().redis(RedisConfig::new(&url).unwrap()).build();
        assert!(cache.ready(PATIENCE).await);
        with_cache(cache, turn(Rejected)).await;
        return;
    }
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        turn(Miss).await;
        for _ in 0..3 {
            let other = process_of("foreign_data::two_builds_side_by_side_never_decode_each_other_s_entries")
                .env(BUILD, "2")
                .env(SERVER, server.url())
                .output()
                .unwrap();
            assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stdout));
            turn(Rejected).await;
        }
    })
    .await;
}
