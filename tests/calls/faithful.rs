//! A hit equals its load, or nothing was stored; and no two arguments that serde tells apart are given one another's result.
#![expect(clippy::option_option, reason = "that these are told apart is what it is about")]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Debug,
    sync::atomic::{AtomicU32, Ordering},
};

use cache_runtime::{
    Cache, Codec,
    Outcome::{Bypass, Hit, Miss},
    cached,
    store::StoreErrorKind,
    with_cache,
};
use cache_testkit::{expect_outcomes, isolated, isolated_in};
use proptest::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use support::spy;
use tokio::sync::Barrier;

/// What a call returns twice, and how often its body ran.
#[cached(resource = "values", independent(value, loads))]
async fn stored<T: Serialize + DeserializeOwned + Clone>(id: u32, value: &T, loads: &AtomicU32) -> T {
    loads.fetch_add(1, Ordering::Relaxed);
    value.clone()
}

async fn twice<T: Serialize + DeserializeOwned + Clone>(codec: Codec, value: &T) -> (T, T, u32) {
    let loads = AtomicU32::new(0);
    let cache = Cache::builder().codec(codec).build();
    with_cache(cache, async {
        let first = stored(1, value, &loads).await;
        let second = stored(1, value, &loads).await;
        (first, second, loads.load(Ordering::Relaxed))
    })
    .await
}

const CODECS: [Codec; 2] = [Codec::Packed, Codec::Json];

/// How often the body of a function runs that is called twice and returns this value: the same both times.
async fn loads_of<T: Serialize + DeserializeOwned + Clone + Debug>(codec: Codec, value: &T) -> u32 {
    let (first, second, loads) = twice(codec, value).await;
    let shown = format!("{value:?}");
    assert_eq!(
        (format!("{first:?}"), format!("{second:?}")),
        (shown.clone(), shown),
        "{codec}"
    );
    loads
}

/// A hit, and the same, whatever the codec.
async fn comes_back<T: Serialize + DeserializeOwned + Clone + PartialEq + Debug>(value: T) {
    for codec in CODECS {
        let (first, second, loads) = twice(codec, &value).await;
        assert_eq!((&first, &second, loads), (&value, &value, 1), "{codec}");
    }
}

/// The same, and no hit, whatever the codec.
async fn is_not_stored<T: Serialize + DeserializeOwned + Clone + Debug>(value: T) {
    for codec in CODECS {
        assert_eq!(loads_of(codec, &value).await, 2, "{value:?} was stored as {codec}");
    }
}

/// A hit where it is packed, and none where it is JSON.
async fn is_not_stored_as_json<T: Serialize + DeserializeOwned + Clone + Debug>(value: T) {
    let loads = (
        loads_of(Codec::Packed, &value).await,
        loads_of(Codec::Json, &value).await,
    );
    assert_eq!(loads, (1, 2), "{value:?}");
}

#[tokio::test]
async fn amounts_that_were_computed_come_back_to_the_last_bit() {
    let amounts: Vec<f64> = (0..1_000).map(|n| f64::from(n) * 0.001 + f64::from(n) * 0.01).collect();
    comes_back(amounts).await;
    comes_back(0.011_000_000_000_000_001_f64).await;
    comes_back((f64::MIN_POSITIVE, f64::MAX, 5e-324_f64, -0.0_f64)).await;
    comes_back((0.1_f32, f32::MAX, 1e-45_f32)).await;
}

#[tokio::test]
async fn floats_that_json_cannot_write_are_not_stored_as_such() {
    is_not_stored_as_json(f64::NAN).await;
    is_not_stored_as_json(Some(f64::INFINITY)).await;
    is_not_stored_as_json(vec![1.0, f64::NEG_INFINITY]).await;
    is_not_stored_as_json(BTreeMap::from([("a".to_owned(), f32::NAN)])).await;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(Option<u8>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Patch {
    #[serde(default)]
    name: Option<Option<String>>,
}

#[tokio::test]
async fn an_option_whose_nothing_json_cannot_tell_is_not_stored_as_such() {
    is_not_stored_as_json(vec![Some(None::<u8>)]).await;
    is_not_stored_as_json(vec![None, Some(())]).await;
    is_not_stored_as_json(Patch { name: Some(None) }).await;
    is_not_stored_as_json(vec![Some(Wrapped(None))]).await;
    is_not_stored_as_json(vec![Some(serde_json::Value::Null)]).await;
    comes_back(vec![None::<Option<u8>>, Some(Some(1))]).await;
    comes_back(Patch { name: None }).await;
    comes_back(Patch {
        name: Some(Some("x".to_owned())),
    })
    .await;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    ByNumber { names: BTreeMap<u32, String> },
    ByName { names: HashMap<String, u32> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Small(u8),
    Large(i64),
    Text(String),
    Letter(char),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Renamed {
    #[serde(rename(serialize = "out", deserialize = "in"))]
    value: u8,
}

/// Reads only half of what it writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
struct Rounded(u32);

impl From<u32> for Rounded {
    fn from(number: u32) -> Self {
        Self(number / 2)
    }
}

impl From<Rounded> for u32 {
    fn from(rounded: Rounded) -> Self {
        rounded.0
    }
}

#[tokio::test]
async fn what_is_written_and_can_never_be_read_again_is_not_stored() {
    is_not_stored_as_json(Tagged::ByNumber {
        names: BTreeMap::from([(1, "one".to_owned())]),
    })
    .await;
    comes_back(Tagged::ByName {
        names: HashMap::from([("one".to_owned(), 1)]),
    })
    .await;
    is_not_stored(Renamed { value: 1 }).await;
    is_not_stored(Rounded(3)).await;
    comes_back(Rounded(0)).await;
    is_not_stored_as_json(Untagged::Letter('x')).await;
    is_not_stored(vec![Untagged::Large(1)]).await;
    comes_back(vec![
        Untagged::Small(1),
        Untagged::Large(-1),
        Untagged::Text("xy".into()),
    ])
    .await;
}

#[cached(resource = "others", independent(loads))]
async fn never_readable(id: u32, loads: &AtomicU32) -> Renamed {
    loads.fetch_add(1, Ordering::Relaxed);
    Renamed { value: 1 }
}

#[tokio::test]
async fn a_function_whose_results_never_come_back_is_given_up() {
    isolated(async |cache| {
        let loads = AtomicU32::new(0);
        for id in 0..20 {
            never_readable(id, &loads).await;
        }
        assert_eq!(loads.load(Ordering::Relaxed), 20);
        // Eight are enough to know.
        assert_eq!((cache.stats().failed_fills, cache.stats().fills), (8, 0));
        expect_outcomes(&[Bypass], never_readable(1, &loads)).await;
    })
    .await;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    id: u32,
    #[serde(flatten)]
    extra: Option<Extra>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Extra {
    note: Option<String>,
}

#[tokio::test]
async fn a_flattened_nothing_that_prints_otherwise_when_it_comes_back_is_not_stored() {
    is_not_stored(Page { id: 1, extra: None }).await;
    comes_back(Page {
        id: 1,
        extra: Some(Extra {
            note: Some("x".to_owned()),
        }),
    })
    .await;
}

macro_rules! argument {
    ($name:ident: $ty:ty) => {
        #[cached(resource = $name)]
        async fn $name(value: $ty) -> String {
            format!("{value:?}")
        }
    };
}

argument!(of_nested: Option<Option<u8>>);
argument!(of_unit: Option<()>);
argument!(of_json: Option<serde_json::Value>);
argument!(of_wrapped: Vec<Option<Wrapped>>);
argument!(of_untagged: Untagged);
argument!(of_floats: (f32, f64));

#[tokio::test]
async fn arguments_that_serde_tells_apart_have_results_of_their_own() {
    isolated(async |cache| {
        for _ in 0..2 {
            for value in [None, Some(None), Some(Some(1))] {
                assert_eq!(of_nested(value).await, format!("{value:?}"));
            }
            for value in [None, Some(())] {
                assert_eq!(of_unit(value).await, format!("{value:?}"));
            }
            for value in [None, Some(serde_json::Value::Null), Some(1.into())] {
                assert_eq!(of_json(value.clone()).await, format!("{value:?}"));
            }
            for value in [vec![None], vec![Some(Wrapped(None))], vec![]] {
                assert_eq!(of_wrapped(value.clone()).await, format!("{value:?}"));
            }
        }
        // Each is there the second time: none takes the place of another.
        assert_eq!((cache.stats().loads, cache.stats().hits), (11, 11));
    })
    .await;
    isolated(async |_| {
        for _ in 0..2 {
            for value in [
                Untagged::Small(1),
                Untagged::Large(1),
                Untagged::Text("x".into()),
                Untagged::Letter('x'),
            ] {
                assert_eq!(of_untagged(value.clone()).await, format!("{value:?}"));
            }
            for value in [(0.0, 0.0), (-0.0, 0.0), (0.0, -0.0)] {
                assert_eq!(of_floats(value).await, format!("{value:?}"));
            }
        }
    })
    .await;
}

argument!(of_map: BTreeMap<String, Option<Option<u32>>>);
argument!(of_long: (String, Option<Option<u32>>));

#[cached(resource = "of_nested_set")]
async fn of_nested_set(value: HashSet<Option<Option<u32>>>) -> String {
    format!("{value:?}")
}

#[tokio::test]
async fn arguments_that_are_told_apart_at_length_have_results_of_their_own() {
    isolated(async |cache| {
        let options = [None, Some(None), Some(Some(1))];
        for _ in 0..2 {
            for option in options {
                let map = BTreeMap::from([("a".to_owned(), option)]);
                assert_eq!(of_map(map.clone()).await, format!("{map:?}"));
                let set = HashSet::from([option]);
                assert_eq!(of_nested_set(set.clone()).await, format!("{set:?}"));
                // Longer than what is looked up by its quick form.
                let long = ("x".repeat(20_000), option);
                assert_eq!(of_long(long.clone()).await, format!("{long:?}"));
            }
        }
        assert_eq!((cache.stats().loads, cache.stats().hits), (9, 9));
    })
    .await;
}

#[cached(resource = "of_nested", independent(all))]
async fn slowly(value: Option<Option<u8>>, all: &Barrier) -> String {
    all.wait().await;
    format!("{value:?}")
}

#[tokio::test]
async fn arguments_that_serde_tells_apart_share_no_load_without_a_store() {
    let spy = spy();
    spy.fail_all(StoreErrorKind::Connecting);
    isolated_in(Cache::builder().store(spy).build(), async |cache| {
        // Each waits until all three are loaded.
        let all = Barrier::new(3);
        let results = tokio::join!(
            slowly(None, &all),
            slowly(Some(None), &all),
            slowly(Some(Some(1)), &all)
        );
        assert_eq!(
            results,
            ("None".to_owned(), "Some(None)".to_owned(), "Some(Some(1))".to_owned())
        );
        assert_eq!(cache.stats().taken_over_loads, 0);
    })
    .await;
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct One {
    a: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Other {
    a: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Meter(u8);

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Gram(u8);

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Nowhere;

#[derive(Debug, Clone, PartialEq, Serialize)]
enum First {
    Same,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
enum Second {
    Same,
}

/// Of every kind that serde has, without a word of which one it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Kind {
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(&'static str),
    Meter(Meter),
    Gram(Gram),
    One(One),
    Other(Other),
    List(Vec<u8>),
    Tuple(u8, u8),
    Unit(()),
    Nothing(Option<()>),
    Nowhere(Nowhere),
    First(First),
    Second(Second),
}

#[cached(resource = "of_any_kind")]
async fn of_any_kind(value: &Kind) -> String {
    format!("{value:?}")
}

#[cached(resource = "of_any_kind", near = "tracked")]
async fn near_of_any_kind(value: &Kind) -> String {
    format!("{value:?}")
}

#[tokio::test]
async fn arguments_of_every_kind_have_results_of_their_own() {
    let kinds = [
        Kind::I8(1),
        Kind::I16(1),
        Kind::I32(1),
        Kind::I64(1),
        Kind::I128(1),
        Kind::U8(1),
        Kind::U16(1),
        Kind::U32(1),
        Kind::U64(1),
        Kind::U128(1),
        Kind::U32(97),
        Kind::F32(1.0),
        Kind::F64(1.0),
        Kind::Char('a'),
        Kind::Text("a"),
        Kind::Meter(Meter(1)),
        Kind::Gram(Gram(1)),
        Kind::One(One { a: 1 }),
        Kind::Other(Other { a: 1 }),
        Kind::List(vec![1, 1]),
        Kind::Tuple(1, 1),
        Kind::Unit(()),
        Kind::Nothing(None),
        Kind::Nowhere(Nowhere),
        Kind::First(First::Same),
        Kind::Second(Second::Same),
    ];
    isolated(async |_| {
        for _ in 0..3 {
            for kind in &kinds {
                assert_eq!(of_any_kind(kind).await, format!("{kind:?}"));
                assert_eq!(near_of_any_kind(kind).await, format!("{kind:?}"));
            }
        }
    })
    .await;
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    #[serde(default = "yes", skip_serializing_if = "std::ops::Not::not")]
    active: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Named {
    #[serde(deserialize_with = "trimmed")]
    name: String,
}

fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| text.trim().to_owned())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
struct Slug(String);

impl From<String> for Slug {
    fn from(text: String) -> Self {
        Self(text.to_lowercase())
    }
}

impl From<Slug> for String {
    fn from(slug: Slug) -> Self {
        slug.0
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Article {
    slugs: Vec<Option<Box<Slug>>>,
}

/// Of one function, results that come back, more than are looked at one by one, and then one that does not.
async fn is_not_stored_after_many_that_came_back<T>(faithful: T, changed: T)
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + Debug,
{
    let loads = AtomicU32::new(0);
    with_cache(Cache::builder().build(), async {
        for id in 0..100 {
            stored(id, &faithful, &loads).await;
        }
        assert_eq!(stored(0, &faithful, &loads).await, faithful);
        assert_eq!(loads.load(Ordering::Relaxed), 100);
        for _ in 0..2 {
            assert_eq!(stored(100, &changed, &loads).await, changed);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 102, "{changed:?} was stored");
    })
    .await;
}

#[tokio::test]
async fn a_result_that_does_not_come_back_is_not_stored_after_many_that_did() {
    is_not_stored_after_many_that_came_back(User { active: true }, User { active: false }).await;
    is_not_stored_after_many_that_came_back(vec![User { active: true }], vec![User { active: false }]).await;
    let named = |name: &str| Named { name: name.to_owned() };
    is_not_stored_after_many_that_came_back(named("x"), named(" x")).await;
    let slug = |slug: &str| Slug(slug.to_owned());
    is_not_stored_after_many_that_came_back(slug("x"), slug("X")).await;
    is_not_stored_after_many_that_came_back(Some(slug("x")), Some(slug("X"))).await;
    let article = |text: &str| Article {
        slugs: vec![Some(Box::new(slug(text)))],
    };
    is_not_stored_after_many_that_came_back(article("x"), article("X")).await;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Secret {
    #[serde(skip_serializing)]
    salt: u8,
}

#[tokio::test]
async fn what_turns_out_to_be_unreadable_after_many_results_is_given_up() {
    isolated(async |cache| {
        let loads = AtomicU32::new(0);
        for id in 0..100 {
            stored(id, &Vec::<Secret>::new(), &loads).await;
        }
        let secrets = vec![Secret { salt: 1 }];
        for _ in 0..20 {
            assert_eq!(stored(100, &secrets, &loads).await, secrets);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 120);
        // The first was stored, and refused when it was read; nothing was stored after it, and in the end nothing is tried.
        assert_eq!((cache.stats().fills, cache.stats().rejected), (101, 4));
        expect_outcomes(&[Bypass], stored(0, &secrets, &loads)).await;
    })
    .await;
}

#[cached(resource = "others")]
async fn of_set(ids: HashSet<u32>) -> usize {
    ids.len()
}

#[cached(resource = "others")]
async fn of_borrowed_set(ids: &HashSet<String>, page: u32) -> usize {
    ids.len()
}

#[tokio::test]
async fn a_set_is_the_same_argument_in_whatever_order_it_comes() {
    isolated(async |_| {
        let set = || (0..50).collect::<HashSet<u32>>();
        expect_outcomes(&[Miss, Hit], async {
            of_set(set()).await;
            of_set(set()).await;
        })
        .await;
        expect_outcomes(&[Miss], of_set((0..49).collect())).await;
        let texts = || (0..50).map(|n| n.to_string()).collect::<HashSet<String>>();
        expect_outcomes(&[Miss, Hit, Miss], async {
            of_borrowed_set(&texts(), 1).await;
            of_borrowed_set(&texts(), 1).await;
            of_borrowed_set(&texts(), 2).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn sets_come_back_in_whatever_order() {
    comes_back((0..100).collect::<HashSet<u32>>()).await;
    comes_back(
        (0..100)
            .map(|n| (n, HashSet::from([n])))
            .collect::<HashMap<u32, HashSet<u32>>>(),
    )
    .await;
    comes_back(vec![3, 1, 2]).await;
}

/// A type of nearly every kind that serde has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Any {
    Unit,
    Bool(bool),
    Small(i8),
    Large(u64),
    Wide(i128),
    Float(f64),
    Short(f32),
    Letter(char),
    Text(String),
    Nested(Option<Option<Box<Any>>>),
    MaybeUnit(Option<()>),
    List(Vec<Any>),
    Pair(Box<Any>, u8),
    Fields {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<Box<Any>>,
        #[serde(default)]
        b: Vec<u8>,
    },
    ByName(BTreeMap<String, Any>),
    ByNumber(BTreeMap<i32, Any>),
    Tagged(Tagged),
    Untagged(Untagged),
    Flattened(Page),
    Wrapped(Wrapped),
    Patch(Patch),
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::Unit),
        any::<bool>().prop_map(Any::Bool),
        any::<i8>().prop_map(Any::Small),
        any::<u64>().prop_map(Any::Large),
        any::<i128>().prop_map(Any::Wide),
        any::<f64>().prop_map(Any::Float),
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(1e300)].prop_map(Any::Float),
        any::<f32>().prop_map(Any::Short),
        any::<char>().prop_map(Any::Letter),
        ".{0,4}".prop_map(Any::Text),
        any::<Option<()>>().prop_map(Any::MaybeUnit),
        any::<Option<u8>>().prop_map(|inner| Any::Wrapped(Wrapped(inner))),
        any::<Option<Option<String>>>().prop_map(|name| Any::Patch(Patch { name })),
        any::<u8>().prop_map(|n| Any::Untagged(Untagged::Small(n))),
        any::<i64>().prop_map(|n| Any::Untagged(Untagged::Large(n))),
        any::<char>().prop_map(|letter| Any::Untagged(Untagged::Letter(letter))),
        prop::collection::btree_map(any::<u32>(), "[a-z]{0,2}", 0..3)
            .prop_map(|names| Any::Tagged(Tagged::ByNumber { names })),
        any::<Option<Option<String>>>().prop_map(|note| {
            Any::Flattened(Page {
                id: 1,
                extra: note.map(|note| Extra { note }),
            })
        }),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::option::of(prop::option::of(inner.clone().prop_map(Box::new))).prop_map(Any::Nested),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Any::List),
            (inner.clone(), any::<u8>()).prop_map(|(any, byte)| Any::Pair(Box::new(any), byte)),
            (prop::option::of(inner.clone().prop_map(Box::new)), any::<Vec<u8>>())
                .prop_map(|(a, b)| Any::Fields { a, b }),
            prop::collection::btree_map("[a-z]{0,2}", inner.clone(), 0..3).prop_map(Any::ByName),
            prop::collection::btree_map(any::<i32>(), inner, 0..3).prop_map(Any::ByNumber),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_is_returned_a_hit_returns_the_same(value in any_value()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for codec in CODECS {
            runtime.block_on(loads_of(codec, &value));
            // Or the function is given up in the middle, if eight in a row cannot be stored.
            prop_assert_eq!(runtime.block_on(loads_of(codec, &Any::Unit)), 1);
        }
    }
}
