//! Tenants, scope values and arguments of any characters, on a real server: each call reaches its own keys and no others.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use cache_runtime::{
    __private::canonical_json,
    Cache, Invalidated,
    Outcome::{Hit, Miss},
    cached, invalidates,
    protocol::Envelope,
    store::Address,
    with_cache, with_tenant,
};
use cache_testkit::{RedisServer, expect_outcomes, patient, reaching, until};
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    sample::select,
    test_runner::FileFailurePersistence,
};
use serde_json::Value;

#[cached(resource = "hostile_rows", scope(customer))]
async fn row(tenant_id: &str, customer: &str, search: &str) -> u64 {
    whose(tenant_id, customer, search)
}

#[cached(resource = "rows_of_all")]
async fn row_of_all(search: &str) -> String {
    search.to_owned()
}

#[invalidates("hostile_rows"(customer))]
async fn change(tenant_id: &str, customer: &str) {}

/// A value that only these arguments have.
fn whose(tenant: &str, customer: &str, search: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((tenant, customer, search))
}

/// Texts that would mean something if they reached a key or a pattern as they are.
const NASTY: &[&str] = &[
    "",
    "*",
    "**",
    "?",
    "a",
    "a:b",
    "a:",
    ":",
    "[a-z]",
    "[^a]",
    "\\",
    "\\*",
    "a\nb",
    "\r\n",
    "\0",
    "%",
    "%3A",
    "%2A",
    "{tag}",
    "~",
    "~shared",
    "default",
    "customer-1",
    "1",
    "12",
    "-",
    "Zoë",
    "Zoe\u{308}",
    "🦀",
    "\u{202e}",
    "hostile_rows",
    "cache:*",
    "' \"",
];

fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(NASTY).prop_map(str::to_owned),
        3 => "[*?:\\[\\]{}%~\\\\\n\0 ab-]{1,8}",
        2 => any::<String>(),
        1 => (select(&["x", "*", "é"][..]), 40..300_usize).prop_map(|(text, times)| text.repeat(times)),
        1 => Just("long ".repeat(2_000)),
    ]
}

fn some(what: impl Strategy<Value = String>, at_most: usize) -> impl Strategy<Value = Vec<String>> {
    btree_set(what, 2..=at_most).prop_map(|texts| texts.into_iter().collect())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        // A case is some hundred commands, and a smaller one is rarely clearer.
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    }
}

/// What is invalidated, and how.
#[derive(Debug, Clone, Copy)]
enum What {
    Attribute,
    ByHand,
    Resource,
    Tenant,
}

impl What {
    /// Whether it is about the entries of this customer, if it was made for that one.
    fn includes(self, same_customer: bool) -> bool {
        same_customer || matches!(self, Self::Resource | Self::Tenant)
    }

    async fn invalidate(self, cache: &Cache, tenant: &str, customer: &str) {
        let invalidated = match self {
            Self::Attribute => {
                change(tenant, customer).await;
                return;
            }
            Self::ByHand => {
                cache
                    .invalidate("hostile_rows")
                    .tenant(tenant)
                    .scope("customer", customer)
                    .await
            }
            Self::Resource => cache.invalidate("hostile_rows").tenant(tenant).await,
            Self::Tenant => cache.invalidate_tenant(tenant).await,
        };
        assert_eq!(invalidated, Ok(Invalidated::Acknowledged));
    }
}

fn what() -> impl Strategy<Value = What> {
    select(&[What::Attribute, What::ByHand, What::Resource, What::Tenant][..])
}

/// Entries of every tenant, customer and search; the first tenant and customer are invalidated.
#[derive(Debug, Clone)]
struct Case {
    tenants: Vec<String>,
    customers: Vec<String>,
    searches: Vec<String>,
    what: What,
}

fn case() -> impl Strategy<Value = Case> {
    (some(nasty(), 5), some(nasty(), 4), some(nasty(), 3), what()).prop_map(|(tenants, customers, searches, what)| {
        Case {
            tenants,
            customers,
            searches,
            what,
        }
    })
}

impl Case {
    fn rows(&self) -> Vec<(&str, &str, &str)> {
        let mut rows = Vec::new();
        for tenant in &self.tenants {
            for customer in &self.customers {
                rows.extend(self.searches.iter().map(|search| (&**tenant, &**customer, &**search)));
            }
        }
        rows
    }

    fn is_invalidated(&self, tenant: &str, customer: &str) -> bool {
        tenant == self.tenants[0] && self.what.includes(customer == self.customers[0])
    }

    async fn run(&self, server: &RedisServer, cache: &Cache, swept: bool) {
        let () = server.command(["FLUSHALL"]).expect("FLUSHALL answers");
        let before = cache.stats().swept;
        for (tenant, customer, search) in self.rows() {
            let value = expect_outcomes(&[Miss], row(tenant, customer, search)).await;
            assert_eq!(value, whose(tenant, customer, search));
        }
        for search in &self.searches {
            expect_outcomes(&[Miss], row_of_all(search)).await;
        }
        let entries = entries(server);
        assert_eq!(entries.len(), self.rows().len() + self.searches.len(), "a key for each");

        self.what.invalidate(cache, &self.tenants[0], &self.customers[0]).await;
        if swept {
            let dead = self
                .rows()
                .into_iter()
                .filter(|(tenant, customer, _)| self.is_invalidated(tenant, customer))
                .count();
            until("the dead ones are swept", async || {
                cache.stats().swept >= before + dead as u64
            })
            .await;
            assert_eq!(cache.stats().swept - before, dead as u64);
            assert_eq!(self::entries(server).len(), entries.len() - dead, "nobody else's");
        }
        for (tenant, customer, search) in self.rows() {
            let expected = if self.is_invalidated(tenant, customer) {
                Miss
            } else {
                Hit
            };
            let value = expect_outcomes(&[expected], row(tenant, customer, search)).await;
            assert_eq!(value, whose(tenant, customer, search));
        }
        for search in &self.searches {
            expect_outcomes(&[Hit], row_of_all(search)).await;
        }
        assert_eq!(self::entries(server), entries);
    }
}

/// The entries' keys. Checks on the way that every key of the server reads back, but for the claims of those who sweep.
fn entries(server: &RedisServer) -> BTreeSet<String> {
    let keys: Vec<Vec<u8>> = server.command(["KEYS", "*"]).expect("KEYS answers");
    let keys: BTreeSet<String> = keys
        .into_iter()
        .map(|key| String::from_utf8(key).expect("ASCII"))
        .filter(|key| !key.starts_with("cache:~sweep:"))
        .collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-%~:".contains(&byte);
    assert!(keys.iter().all(|key| key.bytes().all(plain)), "{keys:?}");
    let (entries, stamps): (BTreeSet<_>, BTreeSet<_>) = keys.into_iter().partition(|key| key.starts_with("cache:"));
    assert!(stamps.iter().all(|key| key.starts_with("cachestamp:")), "{stamps:?}");
    let words = ["MGET"].into_iter().chain(entries.iter().map(String::as_str));
    let values: Vec<Vec<u8>> = server.command(words).expect("entries are strings");
    for (key, value) in entries.iter().zip(values) {
        let address = Address::parse(key).expect("the key of an entry reads back");
        let loaded = Envelope::stamps_of_head(&value).expect("an entry is an envelope");
        assert_eq!(loaded.len(), address.stamps().len(), "{key}");
    }
    entries
}

/// Runs cases one after the other in a cache on a server of their own.
fn each_case(cases: u32, sweep: bool) {
    let server = RedisServer::start().expect("a server starts");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime is built");
    proptest!(config(cases), |(case in case())| {
        // Another cache for each: one that has just swept rests.
        let cache = runtime.block_on(reaching(&server, patient().sweep(sweep)));
        runtime.block_on(with_cache(cache.clone(), case.run(&server, &cache, sweep)));
        runtime.block_on(cache.close());
    });
}

#[test]
fn an_invalidation_reaches_what_it_names_and_nobody_else_s() {
    each_case(24, false);
}

#[test]
fn a_sweep_removes_what_was_invalidated_and_nobody_else_s() {
    each_case(6, true);
}

#[test]
fn a_megabyte_is_a_tenant_a_scope_value_and_an_argument_like_any_other() {
    let server = RedisServer::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cache = runtime.block_on(reaching(&server, patient().sweep(false)));
    let long = |last: &str| "long ".repeat(200_000) + last;
    let two = || vec![long("a"), long("b")];
    let case = Case {
        tenants: two(),
        customers: two(),
        searches: vec![long("")],
        what: What::ByHand,
    };
    runtime.block_on(with_cache(cache.clone(), case.run(&server, &cache, false)));
}

#[test]
fn a_value_by_key_is_its_tenant_s_own() {
    let server = RedisServer::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cache = runtime.block_on(reaching(&server, patient()));
    proptest!(config(32), |(tenants in some(nasty(), 4), keys in some(nasty(), 4))| {
        let () = server.command(["FLUSHALL"]).unwrap();
        runtime.block_on(async {
            let pairs = || tenants.iter().flat_map(|tenant| keys.iter().map(move |key| (tenant, key)));
            for (tenant, key) in pairs() {
                let value = whose(tenant, "", key);
                assert!(with_tenant(tenant, cache.set(key, &value, Duration::from_mins(1))).await);
            }
            assert_eq!(with_tenant(&tenants[0], cache.delete(&keys[0])).await, Invalidated::Acknowledged);
            for (tenant, key) in pairs() {
                let deleted = (tenant, key) == (&tenants[0], &keys[0]);
                let expected = (!deleted).then(|| whose(tenant, "", key));
                assert_eq!(with_tenant(tenant, cache.get::<u64>(key)).await, expected);
            }
            assert_eq!(entries(&server).len(), pairs().count());
        });
    });
}

/// Values of JSON, with numbers that every parser reads alike.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        nasty()
            .prop_filter("short", |text| text.len() < 1000)
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same value with the members of every object in another order.
#[derive(Debug)]
struct Reversed<'a>(&'a Value);

impl serde::Serialize for Reversed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Reversed)),
            Value::Object(members) => {
                serializer.collect_map(members.iter().rev().map(|(name, value)| (name, Reversed(value))))
            }
            other => other.serialize(serializer),
        }
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn canonical_json_is_json_of_the_same_value_whatever_the_order_of_its_members(value in json()) {
        let text = canonical_json(&value).unwrap();
        prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
        prop_assert_eq!(canonical_json(&Reversed(&value)).unwrap(), text);
    }

    #[test]
    fn values_that_differ_have_texts_that_differ(one in json(), other in json()) {
        let same = one == other;
        prop_assert_eq!(canonical_json(&one).unwrap() == canonical_json(&other).unwrap(), same);
    }

    #[test]
    fn a_float_prints_as_the_shortest_text_that_reads_back(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = canonical_json(&number).unwrap();
        prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits, "{}", text);
        let digits = |text: &str| {
            let mantissa = text.split('e').next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').to_owned()
        };
        // `{:e}` finds how many digits it takes, but of two texts that are equally near it does not print the even one,
        // as Python does; rounding to that many digits does.
        let places = digits(&format!("{number:e}")).len().saturating_sub(1);
        prop_assert_eq!(digits(&text), digits(&format!("{number:.places$e}")), "{}", text);
    }
}
