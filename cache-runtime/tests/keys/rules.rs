//! What the vectors cannot say: what Python has no word for, and what has no canonical form.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use cache_runtime::__private::canonical_json;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{args, canonical};

/// Members as they come, equal keys and keys of different kinds included.
struct Pairs<K>(Vec<(K, u8)>);

impl<K: Serialize> Serialize for Pairs<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0
            .iter()
            .try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Key {
    Id(i32),
    Name(&'static str),
}

#[derive(Serialize)]
struct Node {
    next: Option<Box<Node>>,
}

fn nested(levels: usize) -> Option<Box<Node>> {
    (0..levels).fold(None, |next, _| Some(Box::new(Node { next })))
}

fn refusal<T: Serialize>(value: &T) -> String {
    canonical_json(value).expect_err("has no canonical form").to_string()
}

#[test]
fn an_f32_has_its_own_shortest_digits() {
    let floats = [
        0.1_f32,
        1e-4,
        1e-5,
        16_777_216.0,
        1e16,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::NAN,
    ];
    assert_eq!(
        canonical(&floats),
        "[0.1, 0.0001, 1e-05, 16777216.0, 1e+16, 3.4028235e+38, 1.1754944e-38, NaN]"
    );
}

#[test]
fn equal_keys_stay_in_the_order_they_came() {
    let pairs = Pairs(vec![("b", 1), ("a", 2), ("b", 3), ("a", 4)]);
    assert_eq!(canonical(&pairs), r#"{"a": 2, "a": 4, "b": 1, "b": 3}"#);
}

#[test]
fn integer_keys_come_before_names() {
    let pairs = Pairs(vec![
        (Key::Name("1a"), 1),
        (Key::Id(20), 2),
        (Key::Name(""), 3),
        (Key::Id(-3), 4),
    ]);
    assert_eq!(canonical(&pairs), r#"{"-3": 4, "20": 2, "": 3, "1a": 1}"#);
}

#[test]
fn every_width_of_integer_key_is_ordered_by_value() {
    let wide = HashMap::from([(i128::MAX, 1), (i128::MIN, 2), (5, 3), (-7, 4)]);
    let expected = format!(r#"{{"{}": 2, "-7": 4, "5": 3, "{}": 1}}"#, i128::MIN, i128::MAX);
    assert_eq!(canonical(&wide), expected);
    assert_eq!(
        canonical(&HashMap::from([(200_u8, 1), (30, 2)])),
        r#"{"30": 2, "200": 1}"#
    );
}

#[test]
fn wrapped_keys_are_what_they_wrap() {
    #[derive(Serialize, PartialEq, Eq, Hash)]
    struct Name(String);

    let by_name = HashMap::from([(Some(Name("b".to_owned())), 1), (Some(Name("a".to_owned())), 2)]);
    assert_eq!(canonical(&by_name), r#"{"a": 2, "b": 1}"#);
}

#[test]
fn references_and_shared_pointers_are_what_they_point_at() {
    assert_eq!(
        canonical(&Arc::new(args! { b: &&1, a: Box::new("x") })),
        r#"{"a": "x", "b": 1}"#
    );
}

#[test]
fn many_members_are_sorted() {
    let pairs = Pairs((0..=255).rev().map(|key| (format!("{key:03}"), key)).collect());
    let sorted: BTreeMap<_, _> = (0..=255_u8).map(|key| (format!("{key:03}"), key)).collect();
    assert_eq!(canonical(&pairs), canonical(&sorted));
}

#[test]
fn a_key_that_json_cannot_have_is_refused_by_its_kind() {
    assert!(refusal(&Pairs(vec![(1.5, 0)])).contains("a floating-point number"));
    assert!(refusal(&Pairs(vec![((1, 2), 0)])).contains("a tuple"));
    assert!(refusal(&Pairs(vec![(vec![1], 0)])).contains("a list"));
    assert!(refusal(&Pairs(vec![((), 0)])).contains("a unit"));
    assert!(refusal(&Pairs(vec![(None::<String>, 0)])).contains("`None`"));
    assert!(refusal(&Pairs(vec![(args! { a: 1 }, 0)])).contains("a struct"));
    assert!(refusal(&Pairs(vec![(Ok::<_, ()>(1), 0)])).contains("an enum variant with data"));
}

#[test]
fn nesting_ends_in_an_error_and_not_in_an_overflow() {
    assert!(canonical_json(&nested(64)).is_ok());
    assert!(refusal(&nested(65)).contains("128"));
    assert!(refusal(&nested(1_000)).contains("128"));
}

#[test]
fn depth_is_counted_down_again_after_every_value() {
    let wide: Vec<_> = (0..1_000).map(|_| args! { a: Some([Status::Partner(1)]) }).collect();
    assert!(canonical_json(&wide).is_ok());
}

#[derive(Serialize)]
enum Status {
    Partner(i64),
}

#[test]
fn the_message_of_a_serialize_that_fails_is_kept() {
    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the lock is poisoned"))
        }
    }

    assert!(refusal(&[Broken]).contains("the lock is poisoned"));
}

#[test]
fn a_display_that_fails_is_an_error() {
    struct Broken;

    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    impl Serialize for Broken {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    assert!(refusal(&Broken).contains("`Display`"));
}
