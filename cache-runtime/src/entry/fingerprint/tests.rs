use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};

use super::*;

fn shape<R: DeserializeOwned>() -> u64 {
    of::<R>(&[]).fingerprint
}

/// Declares the same name twice over, as two builds of one service would: each in a module of its own.
macro_rules! builds {
    ($($build:ident { $($item:item)* })*) => {$(
        #[expect(dead_code, reason = "only the shape matters")]
        mod $build {
            use super::*;

            $(#[derive(Deserialize)] $item)*
        }
    )*};
}

#[test]
fn the_same_structure_has_the_same_shape() {
    builds! {
        first { pub(super) struct Invoice { id: i64, lines: Vec<Line> } pub(super) struct Line { text: String } }
        second { pub(super) struct Invoice { id: i64, lines: Vec<Line> } pub(super) struct Line { text: String } }
    }
    assert_eq!(shape::<first::Invoice>(), shape::<second::Invoice>());
}

#[test]
fn the_shape_is_the_same_in_every_build() {
    builds! { only { pub(super) struct Invoice { id: i64, paid: Option<bool> } } }
    assert_eq!(
        of::<only::Invoice>(&["invoices"]).fingerprint,
        1_726_452_650_943_225_116
    );
}

#[test]
fn every_change_to_a_field_is_seen() {
    builds! {
        base { pub(super) struct Invoice { id: i64, total: i64 } }
        more { pub(super) struct Invoice { id: i64, total: i64, paid: bool } }
        optional { pub(super) struct Invoice { id: i64, total: i64, note: Option<String> } }
        fewer { pub(super) struct Invoice { id: i64 } }
        renamed { pub(super) struct Invoice { id: i64, amount: i64 } }
        retyped { pub(super) struct Invoice { id: i64, total: u64 } }
        reordered { pub(super) struct Invoice { total: i64, id: i64 } }
        wrapped { pub(super) struct Invoice { id: i64, total: Option<i64> } }
        other_name { pub(super) struct Bill { id: i64, total: i64 } }
    }
    all_differ(&[
        shape::<base::Invoice>(),
        shape::<more::Invoice>(),
        shape::<optional::Invoice>(),
        shape::<fewer::Invoice>(),
        shape::<renamed::Invoice>(),
        shape::<retyped::Invoice>(),
        shape::<reordered::Invoice>(),
        shape::<wrapped::Invoice>(),
        shape::<other_name::Bill>(),
    ]);
}

#[test]
fn containers_and_scalars_differ() {
    all_differ(&[
        shape::<i32>(),
        shape::<u32>(),
        shape::<f64>(),
        shape::<bool>(),
        shape::<char>(),
        shape::<String>(),
        shape::<()>(),
        shape::<Option<i32>>(),
        shape::<Vec<i32>>(),
        shape::<Vec<Vec<i32>>>(),
        shape::<Vec<Option<i32>>>(),
        shape::<Option<Vec<i32>>>(),
        shape::<(i32,)>(),
        shape::<(i32, i32)>(),
        shape::<[i32; 3]>(),
        shape::<HashMap<String, i32>>(),
        shape::<HashMap<i32, i32>>(),
        shape::<HashMap<String, String>>(),
        shape::<Result<i32, String>>(),
        shape::<Result<i32, i32>>(),
        shape::<Duration>(),
    ]);
}

#[test]
fn parts_differ_from_each_other_and_by_where_they_end() {
    all_differ(&[
        of::<i32>(&[]).fingerprint,
        of::<i32>(&[""]).fingerprint,
        of::<i32>(&["ab"]).fingerprint,
        of::<i32>(&["a", "b"]).fingerprint,
        of::<i32>(&["ba"]).fingerprint,
    ]);
}

#[test]
fn a_change_deep_inside_is_seen() {
    builds! {
        before { pub(super) struct Leaf { value: i32 } }
        after { pub(super) struct Leaf { value: i64 } }
    }
    type Deep<T> = Vec<HashMap<String, Option<Result<(bool, [T; 2]), Box<T>>>>>;
    assert_ne!(shape::<Deep<before::Leaf>>(), shape::<Deep<after::Leaf>>());
}

#[test]
fn the_content_of_every_variant_is_seen() {
    builds! {
        base { pub(super) enum Event { Opened, Paid(i64), Moved(i8, i8), Noted { text: String } } }
        newtype { pub(super) enum Event { Opened, Paid(u64), Moved(i8, i8), Noted { text: String } } }
        tuple { pub(super) enum Event { Opened, Paid(i64), Moved(i8, i16), Noted { text: String } } }
        fields { pub(super) enum Event { Opened, Paid(i64), Moved(i8, i8), Noted { text: Option<String> } } }
        renamed { pub(super) enum Event { Opened, Paid(i64), Moved(i8, i8), Remarked { text: String } } }
        unit { pub(super) enum Event { Opened(()), Paid(i64), Moved(i8, i8), Noted { text: String } } }
    }
    all_differ(&[
        shape::<Vec<base::Event>>(),
        shape::<Vec<newtype::Event>>(),
        shape::<Vec<tuple::Event>>(),
        shape::<Vec<fields::Event>>(),
        shape::<Vec<renamed::Event>>(),
        shape::<Vec<unit::Event>>(),
    ]);
}

#[test]
fn an_enum_inside_of_a_variant_shows_all_of_its_own() {
    builds! {
        before { pub(super) enum Outer { A(Inner), B } pub(super) enum Inner { X, Y(i32), Z(i32) } }
        after { pub(super) enum Outer { A(Inner), B } pub(super) enum Inner { X, Y(i32), Z(i64) } }
    }
    assert_ne!(shape::<before::Outer>(), shape::<after::Outer>());
}

#[test]
fn recursive_types_come_to_an_end_and_show_all_their_parts() {
    builds! {
        before {
            pub(super) struct Node { left: Option<Box<Node>>, children: Vec<Node>, named: BTreeMap<String, Node>,
                expression: Expression, last: i32 }
            pub(super) enum Expression { Sum(Box<Expression>, Box<Expression>), In(Box<Node>), Not(Vec<Expression>),
                Literal(i32) }
        }
        after {
            pub(super) struct Node { left: Option<Box<Node>>, children: Vec<Node>, named: BTreeMap<String, Node>,
                expression: Expression, last: i64 }
            pub(super) enum Expression { Sum(Box<Expression>, Box<Expression>), In(Box<Node>), Not(Vec<Expression>),
                Literal(i32) }
        }
        literal {
            pub(super) struct Node { left: Option<Box<Node>>, children: Vec<Node>, named: BTreeMap<String, Node>,
                expression: Expression, last: i32 }
            pub(super) enum Expression { Sum(Box<Expression>, Box<Expression>), In(Box<Node>), Not(Vec<Expression>),
                Literal(f64) }
        }
    }
    all_differ(&[
        shape::<before::Node>(),
        shape::<after::Node>(),
        shape::<literal::Node>(),
    ]);
}

#[test]
fn a_type_without_an_end_has_a_shape_all_the_same() {
    builds! { only { pub(super) struct Endless { again: Box<Endless> } pub(super) enum Never {} } }
    all_differ(&[shape::<only::Endless>(), shape::<only::Never>()]);
}

/// A date such as `2026-07-31`, which no dummy is.
#[derive(Clone, Copy)]
struct Date;

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        (text.len() == 10)
            .then_some(Self)
            .ok_or_else(|| de::Error::custom("not a date"))
    }
}

#[test]
fn what_stands_beside_a_value_that_refuses_dummies_is_seen() {
    builds! {
        base {
            pub(super) struct Page { from: Date, rows: Vec<Row>, by_day: Option<Row>, total: i64 }
            pub(super) struct Row { due: Date, address: Ipv4Addr, paid: bool, tier: NonZeroU32 }
        }
        total {
            pub(super) struct Page { from: Date, rows: Vec<Row>, by_day: Option<Row>, total: u64 }
            pub(super) struct Row { due: Date, address: Ipv4Addr, paid: bool, tier: NonZeroU32 }
        }
        row {
            pub(super) struct Page { from: Date, rows: Vec<Row>, by_day: Option<Row>, total: i64 }
            pub(super) struct Row { due: Date, address: Ipv4Addr, paid: Option<bool>, tier: NonZeroU32 }
        }
        tier {
            pub(super) struct Page { from: Date, rows: Vec<Row>, by_day: Option<Row>, total: i64 }
            pub(super) struct Row { due: Date, address: Ipv4Addr, paid: bool, tier: NonZeroU64 }
        }
    }
    all_differ(&[
        shape::<base::Page>(),
        shape::<total::Page>(),
        shape::<row::Page>(),
        shape::<tier::Page>(),
    ]);
    // The list stays empty once its rows are known, so what follows it in a tuple is seen too.
    assert_ne!(shape::<(Vec<base::Row>, u64)>(), shape::<(Vec<base::Row>, i64)>());
}

#[test]
fn refused_siblings_do_not_hide_each_others_content() {
    builds! {
        base {
            pub(super) struct Pair { left: Left, right: Right }
            pub(super) struct Left { at: Date, a: i32 }
            pub(super) struct Right { at: Date, b: i32 }
        }
        left {
            pub(super) struct Pair { left: Left, right: Right }
            pub(super) struct Left { at: Date, a: i64 }
            pub(super) struct Right { at: Date, b: i32 }
        }
        right {
            pub(super) struct Pair { left: Left, right: Right }
            pub(super) struct Left { at: Date, a: i32 }
            pub(super) struct Right { at: Date, b: i64 }
        }
    }
    all_differ(&[shape::<base::Pair>(), shape::<left::Pair>(), shape::<right::Pair>()]);
}

#[test]
fn an_alias_hides_nothing() {
    builds! {
        before { pub(super) struct Invoice { #[serde(alias = "number", alias = "no")] id: i64, total: i64 } }
        after { pub(super) struct Invoice { #[serde(alias = "number", alias = "no")] id: i64, total: i32 } }
        retyped { pub(super) struct Invoice { #[serde(alias = "number", alias = "no")] id: i32, total: i64 } }
    }
    all_differ(&[
        shape::<before::Invoice>(),
        shape::<after::Invoice>(),
        shape::<retyped::Invoice>(),
    ]);
}

#[test]
fn flattened_structs_show_their_required_fields() {
    builds! {
        base {
            pub(super) struct Page { items: Vec<Date>, #[serde(flatten)] window: Window }
            pub(super) struct Window { search: String, page: u32, size: u32 }
        }
        own {
            pub(super) struct Page { items: Vec<Ipv4Addr>, kind: i8, #[serde(flatten)] window: Window }
            pub(super) struct Window { search: String, page: u32, size: u32 }
        }
        renamed {
            pub(super) struct Page { items: Vec<Date>, #[serde(flatten)] window: Window }
            pub(super) struct Window { search: String, page: u32, page_size: u32 }
        }
        retyped {
            pub(super) struct Page { items: Vec<Date>, #[serde(flatten)] window: Window }
            pub(super) struct Window { search: String, page: u32, size: f64 }
        }
    }
    all_differ(&[
        shape::<Vec<base::Page>>(),
        shape::<Vec<own::Page>>(),
        shape::<Vec<renamed::Page>>(),
        shape::<Vec<retyped::Page>>(),
    ]);
}

#[test]
fn buffered_types_hide_nothing_beside_them() {
    builds! {
        before {
            pub(super) struct All { any: serde_json::Value, either: Either, card: Card, cash: Cash, last: i32 }
            #[serde(untagged)] pub(super) enum Either { Text(String), Many(Vec<i32>) }
            #[serde(tag = "kind")] pub(super) enum Card { Debit { number: String }, Credit { limit: i64 } }
            #[serde(tag = "kind", content = "data")] pub(super) enum Cash { Coins(u32), Notes { count: u32 } }
        }
        last {
            pub(super) struct All { any: serde_json::Value, either: Either, card: Card, cash: Cash, last: i64 }
            #[serde(untagged)] pub(super) enum Either { Text(String), Many(Vec<i32>) }
            #[serde(tag = "kind")] pub(super) enum Card { Debit { number: String }, Credit { limit: i64 } }
            #[serde(tag = "kind", content = "data")] pub(super) enum Cash { Coins(u32), Notes { count: u32 } }
        }
        adjacent {
            pub(super) struct All { any: serde_json::Value, either: Either, card: Card, cash: Cash, last: i32 }
            #[serde(untagged)] pub(super) enum Either { Text(String), Many(Vec<i32>) }
            #[serde(tag = "kind")] pub(super) enum Card { Debit { number: String }, Credit { limit: i64 } }
            #[serde(tag = "kind", content = "data")] pub(super) enum Cash { Coins(u32), Notes { count: u64 } }
        }
        tagged {
            pub(super) struct All { any: serde_json::Value, either: Either, card: Card, cash: Cash, last: i32 }
            #[serde(untagged)] pub(super) enum Either { Text(String), Many(Vec<i32>) }
            #[serde(tag = "kind")] pub(super) enum Card { Debit { number: String }, Prepaid { limit: i64 } }
            #[serde(tag = "kind", content = "data")] pub(super) enum Cash { Coins(u32), Notes { count: u32 } }
        }
    }
    all_differ(&[
        shape::<before::All>(),
        shape::<last::All>(),
        shape::<adjacent::All>(),
        shape::<tagged::All>(),
    ]);
}

#[test]
fn a_type_that_multiplies_is_cut_short() {
    // A hundred million strings, if nobody counted.
    type Ten<T> = [Box<T>; 10];
    type Many = Ten<Ten<Ten<Ten<Ten<Ten<Ten<Ten<String>>>>>>>>;
    assert_eq!(shape::<Many>(), shape::<Many>());
}

fn all_differ(shapes: &[u64]) {
    for (index, shape) in shapes.iter().enumerate() {
        let equal = shapes.iter().rposition(|other| other == shape);
        assert_eq!(
            equal,
            Some(index),
            "the shapes at {index} and {equal:?} are equal: {shapes:x?}"
        );
    }
}

fn fidelity<R: DeserializeOwned>() -> Fidelity {
    of::<R>(&[]).fidelity
}

#[test]
fn only_types_that_a_codec_may_change_have_to_be_looked_at() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    struct Plain {
        id: i64,
        name: String,
        note: Option<String>,
        tags: Vec<Option<u8>>,
        by_key: BTreeMap<String, (bool, char)>,
        kind: Kind,
        inner: Option<Box<Plain>>,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    enum Kind {
        A,
        B(u8),
        C { d: Vec<String> },
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    struct Amounts {
        total: f64,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    struct Wrapped(Option<u8>);
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    struct Flattened {
        id: u8,
        #[serde(flatten)]
        rest: Kindless,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    struct Kindless {
        a: Option<u8>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its shape is of interest")]
    enum Untagged {
        A(u8),
    }
    assert_eq!(fidelity::<Plain>(), Fidelity::Sure);
    assert_eq!(fidelity::<Vec<Plain>>(), Fidelity::Sure);
    assert_eq!(fidelity::<std::net::IpAddr>(), Fidelity::Sure);
    assert_eq!(fidelity::<Amounts>(), Fidelity::Floats);
    assert_eq!(fidelity::<Option<Option<u8>>>(), Fidelity::Json);
    assert_eq!(fidelity::<Option<Wrapped>>(), Fidelity::Json);
    assert_eq!(fidelity::<Option<()>>(), Fidelity::Json);
    assert_eq!(fidelity::<Untagged>(), Fidelity::Unsure);
    assert_eq!(fidelity::<serde_json::Value>(), Fidelity::Unsure);
    assert_eq!(fidelity::<u128>(), Fidelity::Json);
    assert_eq!(fidelity::<Flattened>(), Fidelity::Unsure);
    assert!(of::<Flattened>(&[]).flattens);
    assert!(!of::<Plain>(&[]).flattens);
}
