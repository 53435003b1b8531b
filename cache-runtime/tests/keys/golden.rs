//! The twins of the vectors that `tests/golden/make_vectors.py` made.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    f64::consts::PI,
    net::Ipv4Addr,
    time::Duration,
};

use serde::Deserialize;

use crate::{
    args, canonical, golden_file, key_hash, python,
    types::{Adjacently, Bytes, Displayed, Id, Internally, Nothing, Page, Pair, Query, Sparse, Status, Untagged},
};

#[derive(Deserialize)]
struct Vector {
    name: String,
    canonical: String,
    md5_12: String,
}

#[test]
fn rust_values_print_and_hash_as_python_says() {
    let file = std::fs::read_to_string(golden_file("vectors.json")).unwrap();
    let mut vectors: BTreeMap<String, Vector> = serde_json::from_str::<Vec<Vector>>(&file)
        .unwrap()
        .into_iter()
        .map(|v| (v.name.clone(), v))
        .collect();
    let twins = plain()
        .into_iter()
        .chain(numbers())
        .chain(text())
        .chain(keys())
        .chain(types());
    for (name, ours) in twins {
        let Some(vector) = vectors.remove(name) else {
            panic!("`{name}` is not in vectors.json, or twice here")
        };
        assert_eq!(ours, vector.canonical, "{name}");
        assert_eq!(key_hash(ours.as_bytes()), vector.md5_12, "{name}");
    }
    let missing: BTreeSet<_> = vectors.into_keys().collect();
    assert!(missing.is_empty(), "vectors without a Rust twin: {missing:?}");
}

#[test]
fn the_committed_vectors_are_what_python_prints_today() {
    let Some(printed) = python("--print", String::new()) else {
        return;
    };
    let committed = std::fs::read_to_string(golden_file("vectors.json")).unwrap();
    assert!(
        printed == committed,
        "run tests/golden/make_vectors.py and look at what changed"
    );
}

type Twins = Vec<(&'static str, String)>;

fn plain() -> Twins {
    let filter = args! {
        from: "2026-01-01",
        partner: None::<i64>,
        unpaid: true,
        amounts: args! { min: 0.5, max: 1e16 },
    };
    vec![
        ("no_arguments", canonical(&args! {})),
        ("one_integer", canonical(&args! { company: 123_i64 })),
        ("already_sorted", canonical(&args! { a: 1, b: 2, c: 3 })),
        (
            "out_of_order",
            canonical(&BTreeMap::from([
                ("zebra", 1),
                ("apple", 2),
                ("Zulu", 3),
                ("_under", 4),
                ("mango9", 5),
                ("mango10", 6),
            ])),
        ),
        ("a_prefix_comes_first", canonical(&args! { ab: 1, a: 2, abc: 3 })),
        (
            "a_filter",
            canonical(&args! { company: 7, filter: &filter, page: 1_u32 }),
        ),
        (
            "options",
            canonical(&args! { some: Some(1), none: None::<String>, nested: Some(None::<u8>), text: Some("x") }),
        ),
        ("booleans", canonical(&args! { yes: true, no: false })),
        (
            "empty_things",
            canonical(&args! {
                text: "",
                list: Vec::<i32>::new(),
                map: HashMap::<String, i32>::new(),
                nested: (Vec::<i32>::new(), args! {}, [Vec::<i32>::new()], BTreeMap::from([("", args! {})])),
            }),
        ),
        (
            "lists",
            canonical(&args! {
                matrix: vec![vec![1, 2, 3], vec![], vec![4]],
                tuple: (1, "two", 3.0, (), false),
                bytes: Bytes(&[0, 1, 255]),
            }),
        ),
    ]
}

fn numbers() -> Twins {
    let integers = args! {
        as_i8: [i8::MIN, i8::MAX],
        as_i16: [i16::MIN, i16::MAX],
        as_i32: [i32::MIN, i32::MAX],
        as_i64: [i64::MIN, i64::MAX],
        as_i128: [i128::MIN, i128::MAX],
        as_u8: u8::MAX,
        as_u16: u16::MAX,
        as_u32: u32::MAX,
        as_u64: u64::MAX,
        as_u128: u128::MAX,
        zero: 0_usize,
    };
    let floats = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        0.5,
        2.5,
        100.0,
        1.0 / 3.0,
        2.0 / 3.0,
        0.1 + 0.2,
        PI,
        123_456.789,
        0.001,
        0.0001,
        0.000_123_45,
        0.000_099_99,
        0.000_01,
        0.000_012_345,
        1e-6,
        1e-7,
        1.5e-10,
        1e-100,
        1e14,
        1e15,
        1e16,
        1e17,
        123_456_789_012_345_680.0,
        9_999_999_999_999_998.0,
        1.2345e16,
        1e21,
        1e22,
        1e23,
        9_007_199_254_740_993.0,
        1.5e300,
        5e-324,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::MIN,
        // Half-way between two shortest texts: the even digit is printed.
        108_742_521_468_065.62,
        -1_732_092_516_606_605.2,
        633_903_757_380_147.2,
        1_974_455_856_983_833.2,
    ];
    vec![
        ("integer_limits", canonical(&integers)),
        ("floats", canonical(&args! { values: floats.as_slice() })),
        (
            "not_finite",
            canonical(&args! { values: [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] }),
        ),
    ]
}

fn text() -> Twins {
    let ascii = '\0'..'\u{80}';
    vec![
        (
            "every_ascii_character",
            canonical(&args! { text: ascii.clone().collect::<String>() }),
        ),
        (
            "each_ascii_character",
            canonical(&args! { texts: ascii.collect::<Vec<char>>() }),
        ),
        (
            "quotes_and_slashes",
            canonical(&args! { text: r#""'\/\\" \u0041 </script>"# }),
        ),
        (
            "beyond_ascii",
            canonical(
                &args! { text: "\u{80}\u{a0}\u{e9}\u{7ff}\u{800} Αθήνα 日本語 \u{2028}\u{2029}\u{feff}\u{ffff}" },
            ),
        ),
        (
            "astral",
            canonical(&args! { text: "\u{10000} \u{1f600} \u{1d11e} \u{10ffff}", crab: '\u{1f980}' }),
        ),
        (
            "long_text",
            canonical(&args! { text: "invoice ".repeat(500), accented: "é".repeat(100) }),
        ),
        (
            "displayed",
            canonical(&args! { address: Ipv4Addr::new(192, 168, 0, 1), message: Displayed("a \"quoted\" é") }),
        ),
    ]
}

fn keys() -> Twins {
    let by_name: HashMap<_, _> = [
        ("é", 1),
        ("z", 2),
        ("\x7f", 3),
        ("\u{1f600}", 4),
        ("\u{ffff}", 5),
        ("\u{e000}", 6),
        ("e\u{301}", 7),
        ("", 8),
        (" ", 9),
    ]
    .into();
    let escapes: HashMap<_, _> = [
        ("\"", 1),
        ("!", 2),
        ("#", 3),
        ("\\", 4),
        ("[", 5),
        ("]", 6),
        ("\n", 7),
        ("\t", 8),
        ("\0", 9),
        ("a\"b", 10),
        ("a b", 11),
        ("/", 12),
        ("\r", 13),
        ("\u{8}", 14),
        ("\u{c}", 15),
        ("u0041", 16),
    ]
    .into();
    let by_id: HashMap<i64, _> = [
        (10, "ten"),
        (9, "nine"),
        (-1, "minus one"),
        (-10, "minus ten"),
        (0, "zero"),
        (i64::MAX, "max"),
        (i64::MIN, "min"),
        (100, "hundred"),
    ]
    .into();
    vec![
        ("keys_by_code_point", canonical(&args! { by_name: by_name })),
        ("keys_with_escapes", canonical(&args! { by_name: escapes })),
        ("integer_keys", canonical(&args! { by_id: by_id })),
        (
            "boolean_keys",
            canonical(&args! { by_flag: HashMap::from([(true, 1), (false, 0)]) }),
        ),
        (
            "character_keys",
            canonical(&args! { by_letter: HashMap::from([('b', 2), ('a', 1), ('é', 3)]) }),
        ),
        (
            "variant_keys",
            canonical(&args! { by_status: BTreeMap::from([(Status::Open, 2), (Status::Paid, 1)]) }),
        ),
    ]
}

fn types() -> Twins {
    let query = Query {
        search: "x",
        page: Page { page: 1, page_size: 50 },
        more: HashMap::from([("zone", serde_json::json!("eu")), ("extra", serde_json::json!(true))]),
    };
    let node = args! {
        b: [args! { z: args! { y: args! { x: [args! { c: 1, a: 2 }] } }, a: args! {} }],
        a: HashMap::from([("é", [None::<u8>])]),
    };
    vec![
        (
            "enums",
            canonical(&args! {
                unit: Status::Open,
                newtype: Status::Partner(5),
                tuple: Status::Between(1, 2),
                r#struct: Status::Since { year: 2026, month: 7 },
                renamed: Status::PastDue,
            }),
        ),
        (
            "tagged_enums",
            canonical(&args! {
                internally: Internally::Card { number: "4111" },
                adjacently: Adjacently::Cash(12),
                untagged: [Untagged::Text("text"), Untagged::Number(5)],
            }),
        ),
        (
            "units_and_newtypes",
            canonical(&args! { unit: (), unit_struct: Nothing, newtype: Id(5), tuple_struct: Pair(1, 2) }),
        ),
        ("flattened", canonical(&args! { query: query })),
        (
            "left_out",
            canonical(&args! { filter: Sparse { kept: 1, left_out: None } }),
        ),
        ("time", canonical(&args! { duration: Duration::new(90, 5) })),
        ("deeply_nested", canonical(&args! { node: node })),
    ]
}
