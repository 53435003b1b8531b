use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Debug,
    net::IpAddr,
    num::NonZeroU8,
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};

use super::{
    super::{Codec, DecodeError, EncodeError, EncodedValue, Fidelity, sample::*},
    *,
};

/// No texts and no names.
const NOTHING_MORE: u8 = 0;

fn encoded<T: Serialize>(value: &T) -> Bytes {
    encode(value, usize::MAX).expect("a value that can be written")
}

/// The value comes back, by place and by name, and no part of its bytes does any harm.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "values are written where they are given")]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let bytes = encoded(&value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(&value));
    let parts = Parts::of(&bytes).unwrap();
    let by_name = Reader::by_name(&parts).read_with(PhantomData::<T>);
    assert_eq!(by_name.as_ref(), Ok(&value), "by name");
    for len in 0..bytes.len() {
        // Fewer bytes are another value of the same type, or none: what they are not is a panic.
        let _ = decode::<T>(&bytes[..len]);
    }
    assert_eq!(decode::<T>(&[&[0], &bytes[..]].concat()).unwrap_err(), DecodeError);
    assert_eq!(decode::<T>(&[&bytes[..], &[9]].concat()).unwrap_err(), DecodeError);
}

#[test]
fn values_of_every_kind_come_back() {
    macro_rules! all {
        ($($value:expr),+ $(,)?) => {
            $(comes_back($value);)+
        };
    }
    all![
        (false, true),
        (u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX),
        (i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN),
        (i8::MAX, i16::MAX, i32::MAX, i64::MAX, i128::MAX),
        (0_u16, 127_u16, 128_u16, -1_i16, -128_i16, -129_i16, -256_i16, -257_i16),
        (
            i64::from(i32::MIN) - 1,
            i128::from(i64::MIN) - 1,
            i128::from(u64::MAX) + 1
        ),
        (f32::MIN_POSITIVE, f64::INFINITY, -0.0_f64),
        ('a', '\u{10ffff}', String::new(), "äöü\0".to_owned()),
        ("x".repeat(47), "x".repeat(48), "x".repeat(256), "x".repeat(70_000)),
        (vec![1_u8, 2, 3], (0..16).collect::<Vec<u8>>(), vec![1_u16; 300]),
        [[1_i32; 3]; 2],
        vec![(), (), ()],
        (None::<u8>, Some(None::<u8>), Some(Some(1_u8)), Some(Some(None::<u8>))),
        (None::<()>, Some(()), Some(Some(())), Some(Unit), None::<Unit>),
        vec![Some(Some(Some(None::<u8>))); 3],
        ((), Unit, Line(7, 0.1)),
        BTreeMap::from([(1_u32, "one".to_owned()), (2, String::new())]),
        BTreeMap::from([((1, 2), 3)]),
        HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)]),
        BTreeSet::from([3, 1, 2]),
        (0..64).collect::<HashSet<u8>>(),
        (
            Duration::from_millis(1500),
            IpAddr::from([127, 0, 0, 1]),
            NonZeroU8::MIN
        ),
        Ok::<_, String>(Box::new(1_usize)),
        Wrapped(Arc::new(Status::Draft)),
        Invoice {
            id: -7,
            number: "INV-7".to_owned(),
            status: Status::Since { year: 2026, late: true },
            lines: vec![Line(1, 2.5), Line(2, -1e300)],
            loaded: false,
            note: Some("a note".into()),
        },
        vec![
            Status::Draft,
            Status::Paid(3),
            Status::Between(-1, 1),
            Status::Since { year: 1, late: false }
        ],
        vec![
            Flat {
                id: 1,
                more: BTreeMap::from([("x".to_owned(), 2)])
            },
            Flat {
                id: 2,
                more: BTreeMap::new()
            },
        ],
        vec![Secretive {
            a: 1,
            secret: 0,
            b: vec![0]
        }],
        vec![Skipping::First, Skipping::Second],
        vec![Untagged::Number(1), Untagged::Text("1".to_owned())],
        vec![Tagged::Invoice { id: 1 }],
        serde_json::json!({ "a": [1, null, -3, 1.5, u64::MAX], "b": { "c": "d" } }),
    ];
}

/// A value with every tag that there is.
#[expect(clippy::option_option, reason = "they are told apart")]
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    unsigned: (u8, u8, u16, u32, u64, u128),
    signed: (i8, i16, i32, i64, i128),
    floats: (f32, f64),
    flags: [bool; 2],
    texts: (char, String, String, String),
    #[serde(with = "octets")]
    bytes: [Vec<u8>; 2],
    nothing: ((), Option<u8>, Option<Option<u8>>),
    lists: (Vec<u8>, Vec<u8>, Vec<u8>),
    #[serde(serialize_with = "unsized_list")]
    unsized_list: Vec<u8>,
    maps: (BTreeMap<u8, u8>, BTreeMap<u16, u8>, Flat),
    sparse: [Sparse; 2],
    statuses: Vec<Status>,
}

/// Lists of bytes as serde's bytes.
mod octets {
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer, de};

    struct Octets<'a>(&'a [u8]);

    impl Serialize for Octets<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[Vec<u8>; 2], serializer: S) -> Result<S::Ok, S::Error> {
        [Octets(&bytes[0]), Octets(&bytes[1])].serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[Vec<u8>; 2], D::Error> {
        let [one, other] = <[&[u8]; 2]>::deserialize(deserializer).map_err(de::Error::custom)?;
        Ok([one.to_vec(), other.to_vec()])
    }
}

/// Does not say how long it is.
fn unsized_list<S: Serializer>(list: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().filter(|&&element| element != 0))
}

fn everything() -> Everything {
    Everything {
        unsigned: (7, 200, 300, 70_000, 1 << 40, 1 << 70),
        signed: (-1, -300, -70_000, -(1 << 40), -(1 << 70)),
        floats: (0.5, -0.25),
        flags: [false, true],
        texts: ('é', "short".to_owned(), "x".repeat(48), "y".repeat(300)),
        bytes: [vec![1, 2], vec![3; 300]],
        nothing: ((), None, Some(None)),
        lists: (vec![1], vec![2; 16], vec![3; 300]),
        unsized_list: vec![4; 2],
        maps: (
            BTreeMap::from([(1, 2)]),
            (0..300).map(|key| (key, 0)).collect(),
            Flat {
                id: 1,
                more: BTreeMap::from([("x".to_owned(), 2)]),
            },
        ),
        sparse: [
            Sparse {
                a: Some(1),
                b: Some(2),
                ..Sparse::default()
            },
            Sparse::default(),
        ],
        statuses: vec![
            Status::Draft,
            Status::Paid(1),
            Status::Between(-1, 1),
            Status::Since {
                year: 2026,
                late: false,
            },
        ],
    }
}

#[test]
fn what_is_written_does_not_change() {
    let released = include_bytes!("../../../../tests/golden/packed-v1.bin");
    assert_eq!(encoded(&everything()), &released[..]);
    comes_back(everything());
}

#[test]
fn a_float_that_is_no_number_keeps_its_bits() {
    let odd = f64::from_bits(0x7ff8_0000_dead_beef);
    let back: f64 = decode(&encoded(&odd)).unwrap();
    assert_eq!(back.to_bits(), odd.to_bits());
}

#[test]
fn fields_that_were_left_out_are_where_they_were() {
    let all = [0b00_u8, 0b01, 0b10, 0b11].map(|bits| Sparse {
        a: (bits & 1 == 1).then_some(7),
        b: (bits & 2 == 2).then_some(8),
        c: vec![bits],
        d: vec![],
    });
    comes_back(all.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_names_of_fields_stand_in_the_bytes_once() {
    let rows = |count| {
        vec![
            Sparse {
                a: Some(1),
                b: Some(2),
                ..Sparse::default()
            };
            count
        ]
    };
    let (one, many) = (encoded(&rows(1)).len(), encoded(&rows(10)).len());
    // A tag and the number of the layout, two numbers, and two empty lists.
    assert_eq!(many - one, 9 * 6);
}

/// Two types of the same name, which layouts are found by first.
mod other {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Line {
        pub(super) id: u8,
        pub(super) text: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "Line")]
    pub(super) struct Longer {
        pub(super) id: u8,
        pub(super) text: String,
        pub(super) more: bool,
    }
}

#[test]
fn types_of_the_same_name_are_told_apart_by_their_fields() {
    let line = other::Line {
        id: 1,
        text: "one".to_owned(),
    };
    let longer = other::Longer {
        id: 2,
        text: "two".to_owned(),
        more: true,
    };
    comes_back(vec![(line.clone(), longer.clone()); 3]);
    comes_back((longer.clone(), line.clone(), longer, line));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Node {
    name: String,
    children: Vec<Node>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<u8>,
    weight: u8,
}

#[test]
fn a_struct_may_contain_itself_before_all_of_its_fields_are_known() {
    let leaf = |weight, parent| Node {
        name: "leaf".to_owned(),
        children: vec![],
        parent,
        weight,
    };
    comes_back(Node {
        name: "root".to_owned(),
        children: vec![leaf(1, None), leaf(2, Some(1))],
        parent: None,
        weight: 3,
    });
}

/// Reads itself from a map, and from nothing else.
#[derive(Debug, PartialEq, Serialize)]
struct FromMap {
    id: u8,
}

impl<'de> Deserialize<'de> for FromMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ids;
        impl<'de> serde::de::Visitor<'de> for Ids {
            type Value = FromMap;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<FromMap, A::Error> {
                let mut id = 0;
                while let Some((_, value)) = map.next_entry::<String, u8>()? {
                    id = value;
                }
                Ok(FromMap { id })
            }
        }
        deserializer.deserialize_struct("FromMap", &["id"], Ids)
    }
}

#[test]
fn a_type_that_reads_maps_alone_is_told_the_names() {
    comes_back(vec![FromMap { id: 7 }, FromMap { id: 8 }]);
}

/// As the other side of a change of the same shape to serde, which is read by its names.
#[derive(Debug, PartialEq, Deserialize)]
struct Reordered {
    b: Option<u8>,
    #[serde(alias = "a")]
    first: Option<u8>,
    #[serde(default)]
    new: u8,
}

#[test]
fn a_type_whose_fields_are_others_takes_them_by_their_names() {
    let sparse = Sparse {
        a: Some(1),
        b: Some(2),
        ..Sparse::default()
    };
    let expected = Reordered {
        b: Some(2),
        first: Some(1),
        new: 0,
    };
    assert_eq!(decode::<Reordered>(&encoded(&sparse)), Ok(expected));
}

/// A flattened map with keys that are no texts: the fields of the struct are found among them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FlatKeys<K: Ord> {
    id: u8,
    #[serde(flatten, bound(deserialize = "K: Deserialize<'de>"))]
    more: BTreeMap<K, u8>,
}

#[test]
fn a_flattened_map_comes_back_whatever_its_keys_are() {
    fn flat<K: Ord>(keys: impl IntoIterator<Item = K>) -> FlatKeys<K> {
        FlatKeys {
            id: 7,
            more: keys.into_iter().map(|key| (key, 1)).collect(),
        }
    }
    comes_back(flat([1_u8, 200]));
    comes_back(flat([300_u32, 1 << 20]));
    comes_back(flat([u64::MAX]));
    comes_back(flat([-1_i8, -100]));
    comes_back(flat([i64::MIN]));
    comes_back(flat([false, true]));
    comes_back(flat(['x', 'y']));
    comes_back(flat([()]));
    comes_back(flat(["x".repeat(48), "y".repeat(300)]));
}

/// What a type reads of another one's JSON, it reads of what is packed.
#[track_caller]
fn is_read_as_its_json<T: DeserializeOwned + PartialEq + Debug>(value: impl Serialize) {
    let json = serde_json::to_string(&value).unwrap();
    let expected: T = serde_json::from_str(&json).unwrap_or_else(|cause| panic!("{json}: {cause}"));
    assert_eq!(decode::<T>(&encoded(&value)), Ok(expected), "{json}");
}

#[test]
fn a_type_reads_of_another_one_what_it_would_read_of_its_json() {
    type Values = BTreeMap<String, serde_json::Value>;
    is_read_as_its_json::<(i64, u128, f32, f64)>((7_u8, 300_u16, 70_000_u32, 1_u64 << 40));
    is_read_as_its_json::<(i128, i64, f32, f64)>((-1_i8, -300_i16, -70_000_i32, -(1_i64 << 40)));
    is_read_as_its_json::<(f64, f32)>((0.5_f32, 0.25_f64));
    is_read_as_its_json::<(String, char)>(('x', "x"));
    is_read_as_its_json::<(String, String)>((Status::Draft, "y".repeat(300)));
    is_read_as_its_json::<Status>("Draft");
    is_read_as_its_json::<((), Option<u8>, Option<()>)>((None::<u8>, (), Unit));
    is_read_as_its_json::<Option<Option<u8>>>(7);
    is_read_as_its_json::<Vec<u8>>((1, 2, [3; 1].len()));
    is_read_as_its_json::<(u8, u8, u8)>(vec![1, 2, 3]);
    is_read_as_its_json::<Line>((7, 0.5));
    is_read_as_its_json::<(u16, f64)>(Line(7, 0.5));
    is_read_as_its_json::<Wrapped>(Status::Paid(3));
    is_read_as_its_json::<Reordered>((Some(1), Some(2), 3));
    is_read_as_its_json::<Reordered>(BTreeMap::from([("new", 3), ("b", 2)]));
    is_read_as_its_json::<Flat>(BTreeMap::from([("id", 1), ("x", 2)]));
    is_read_as_its_json::<BTreeMap<String, u8>>(Flat {
        id: 1,
        more: BTreeMap::from([("x".to_owned(), 2)]),
    });
    is_read_as_its_json::<BTreeMap<String, u8>>(Status::Paid(3));
    is_read_as_its_json::<Values>(Status::Since { year: 2026, late: true });
    is_read_as_its_json::<Values>(Sparse {
        b: Some(2),
        ..Sparse::default()
    });
    is_read_as_its_json::<Vec<serde_json::Value>>((Status::Between(-1, 1), 'x', true, 1_u64 << 40));
}

#[test]
fn a_variant_with_a_name_of_any_length_is_read_from_a_text() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Wordy {
        ThereIsNoShorterWayToSayWhatThisOneOfTheVariantsStandsFor,
    }
    is_read_as_its_json::<Wordy>("ThereIsNoShorterWayToSayWhatThisOneOfTheVariantsStandsFor");
}

#[test]
fn what_is_of_another_kind_is_refused() {
    fn refused<T: DeserializeOwned + Debug>(value: &impl Serialize) {
        assert_eq!(decode::<T>(&encoded(value)).unwrap_err(), DecodeError);
    }
    refused::<u8>(&"1");
    refused::<u8>(&true);
    refused::<u8>(&-1);
    refused::<f64>(&"1.5");
    refused::<bool>(&1);
    refused::<String>(&1);
    refused::<char>(&"xy");
    refused::<Vec<u8>>(&1);
    refused::<Vec<u8>>(&BTreeMap::from([(1, 2)]));
    refused::<BTreeMap<u8, u8>>(&[1, 2]);
    refused::<Flat>(&1);
    refused::<Status>(&1);
    refused::<()>(&1);
}

/// Writes another number of elements than it says.
struct Liar(usize);

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut list = serializer.serialize_seq(Some(2))?;
        for _ in 0..self.0 {
            list.serialize_element(&7)?;
        }
        list.end()
    }
}

#[test]
fn a_list_that_is_not_as_long_as_it_says_is_not_written() {
    for len in [0, 1, 3] {
        assert_eq!(encode(&Liar(len), usize::MAX), Err(EncodeError::Unwritable), "{len}");
    }
    assert_eq!(decode::<Vec<u8>>(&encoded(&Liar(2))), Ok(vec![7, 7]));
}

#[test]
fn a_value_beyond_the_limit_is_not_written() {
    let rows = vec![Sparse::default(); 20];
    let len = encoded(&rows).len();
    assert!(encode(&rows, len).is_ok());
    for limit in 0..len {
        assert_eq!(encode(&rows, limit), Err(EncodeError::TooLarge), "{limit}");
    }
}

#[test]
fn a_value_is_nested_as_deep_as_it_can_be_read_and_else_stored_as_json() {
    let deep = |levels| (0..levels).fold(Link::End, |link, _| Link::Next(Box::new(link)));
    comes_back(deep(100));
    let codec = |levels| {
        Codec::Packed
            .encode(&deep(levels), usize::MAX, Fidelity::Sure)
            .unwrap()
            .codec
    };
    assert_eq!((codec(126), codec(200)), (Codec::Packed, Codec::Json));
}

/// Contains itself in a tuple variant, a struct variant, a newtype and an option.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Nested {
    End,
    Tuple(u8, Box<Nested>),
    Fields { inner: Box<Nested> },
    Maybe(Option<Box<Nested>>),
    List(Vec<Nested>),
    Map(BTreeMap<u8, Nested>),
}

#[test]
fn whatever_is_written_can_be_read_however_deep_it_is_nested() {
    let ways: [fn(Nested) -> Nested; 5] = [
        |inner| Nested::Tuple(1, Box::new(inner)),
        |inner| Nested::Fields { inner: Box::new(inner) },
        |inner| Nested::Maybe(Some(Box::new(inner))),
        |inner| Nested::List(vec![inner]),
        |inner| Nested::Map(BTreeMap::from([(1, inner)])),
    ];
    for way in ways {
        let written = (0..=DEPTH).filter(|&levels| {
            let value = (0..levels).fold(Nested::End, |inner, _| way(inner));
            let Ok(bytes) = encode(&value, usize::MAX) else {
                return false;
            };
            assert_eq!(decode(&bytes), Ok(value), "{levels} levels");
            assert!(
                decode::<serde::de::IgnoredAny>(&bytes).is_ok(),
                "{levels} levels, of whatever type"
            );
            true
        });
        assert!((40..=usize::from(DEPTH)).contains(&written.count()));
    }
}

#[test]
fn bytes_that_are_nested_a_million_levels_deep_are_refused() {
    fn refused<T: DeserializeOwned + Debug>(tag: &[u8]) {
        let bytes = [&tag.repeat(1_000_000)[..], &[NOTHING_MORE]].concat();
        assert_eq!(decode::<T>(&bytes).unwrap_err(), DecodeError);
        assert_eq!(to_json(&bytes), None);
    }
    refused::<Tree>(&[tag::SEQ + 1]);
    refused::<Tree>(&[tag::OPEN_SEQ]);
    refused::<Chain>(&[tag::SOME]);
    refused::<Map>(&[tag::MAP_8, 1]);
    refused::<serde_json::Value>(&[tag::OPEN_MAP]);
    refused::<serde::de::IgnoredAny>(&[tag::SEQ + 1]);
}

/// An option in a newtype in an option takes no byte.
#[derive(Debug, Deserialize)]
struct Endless(#[expect(dead_code, reason = "only decoded")] Option<Box<Endless>>);

#[test]
fn a_type_that_contains_itself_without_a_byte_is_refused() {
    assert_eq!(decode::<Endless>(&encoded(&7)).unwrap_err(), DecodeError);
}

#[test]
fn a_length_does_not_make_more_elements_than_there_are_bytes() {
    for tag in [tag::SEQ_32, tag::MAP_32, tag::STR_32, tag::BYTES_32] {
        let bytes = [tag, 0xff, 0xff, 0xff, 0xff, 7, 7, NOTHING_MORE];
        assert!(decode::<Vec<()>>(&bytes).is_err());
        assert!(decode::<HashMap<u8, u8>>(&bytes).is_err());
        assert!(decode::<String>(&bytes).is_err());
        assert!(decode::<serde_json::Value>(&bytes).is_err());
    }
}

/// Structs of two bytes, each with a long name.
fn structs_with_a_name_of(len: u16, count: usize) -> Vec<u8> {
    let mut bytes = vec![tag::SEQ_32];
    bytes.extend_from_slice(&u32::try_from(count).unwrap().to_le_bytes());
    bytes.extend_from_slice(&[tag::STRUCT, 0, 7].repeat(count));
    let names_at = bytes.len();
    bytes.extend_from_slice(&[1, 1]);
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&vec![b'x'; len.into()]);
    bytes.extend_from_slice(&[0, 0]);
    let names_len = u32::try_from(bytes.len() - names_at).unwrap();
    bytes.extend_from_slice(&names_len.to_le_bytes());
    bytes.push(part::NAMES);
    bytes
}

#[test]
fn names_are_told_as_often_as_their_length_allows() {
    let few = decode::<serde_json::Value>(&structs_with_a_name_of(100, 100)).expect("a short name");
    assert_eq!(few.as_array().unwrap().len(), 100);
    let many = structs_with_a_name_of(60_000, 60_000);
    assert_eq!(decode::<serde_json::Value>(&many), Err(DecodeError));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct LongNames {
    #[serde(
        rename = "a_name_that_is_so_long_that_the_value_is_nothing_beside_it_in_any_format_that_writes_names_each_time_but_this_one_which_does_not_and_so_would_have_to_tell_it_more_often_than_it_may_and_some_more_words_for_it"
    )]
    a: (),
}

#[test]
fn what_would_have_to_tell_too_many_names_is_stored_as_json() {
    let rows: Vec<LongNames> = (0..2000).map(|_| LongNames { a: () }).collect();
    let stored = Codec::Packed.encode(&rows, usize::MAX, Fidelity::Sure).unwrap();
    assert_eq!(stored.codec, Codec::Json);
    assert_eq!(stored.decode::<Vec<LongNames>>(), Ok(rows));
}

#[test]
fn damaged_bytes_are_refused() {
    let refused = |bytes: &[u8]| decode::<serde_json::Value>(bytes).is_err();
    assert!(refused(&[]));
    assert!(refused(&[NOTHING_MORE]), "no value");
    assert!(refused(&[7, 9]), "no end");
    assert!(refused(&[7, 255, 0, 0, 0, part::NAMES]), "names longer than all");
    assert!(refused(&[tag::STRUCT, 0, 7, NOTHING_MORE]), "no such layout");
    assert!(refused(&[tag::UNIT_VARIANT, 0, 0, NOTHING_MORE]), "no such name");
    assert!(refused(&[tag::GAP, NOTHING_MORE]), "a gap outside of a struct");
    assert!(refused(&[tag::END, NOTHING_MORE]), "an end of nothing");
    assert!(refused(&[tag::STR + 1, 0xff, NOTHING_MORE]), "no UTF-8");
    assert!(
        refused(&[tag::CHAR, tag::STR + 2, b'a', b'b', NOTHING_MORE]),
        "two characters"
    );
    assert!(refused(&[0xff, NOTHING_MORE]), "no such tag");
    assert!(refused(&[tag::SEQ + 2, 7, NOTHING_MORE]), "an element too few");
    assert!(refused(&[tag::SEQ + 1, 7, 7, NOTHING_MORE]), "a value too many");
}

#[test]
fn people_are_shown_the_json_that_the_value_would_be() {
    let invoice = Invoice {
        id: -7,
        number: "INV \"7\"".to_owned(),
        status: Status::Since { year: 2026, late: true },
        lines: vec![Line(1, 2.5)],
        loaded: false,
        note: None,
    };
    assert_eq!(to_json(&encoded(&invoice)), serde_json::to_string(&invoice).ok());
    let value = (
        Status::Draft,
        [Some(1), None],
        BTreeMap::from([(1, "one")]),
        ((), f64::NAN, 'x'),
    );
    assert_eq!(to_json(&encoded(&value)), serde_json::to_string(&value).ok());
    let empty = (Vec::<u8>::new(), BTreeMap::<u8, u8>::new());
    assert_eq!(to_json(&encoded(&empty)).as_deref(), Some("[[],{}]"));
}

#[test]
fn what_json_cannot_tell_apart_comes_back_and_needs_no_look() {
    let value = (Some(None::<u8>), f64::INFINITY, u128::MAX);
    let stored = Codec::Packed.encode(&value, usize::MAX, Fidelity::Json).unwrap();
    assert_eq!(stored.codec, Codec::Packed);
    assert_eq!(stored.decode(), Ok(value));
}

#[test]
fn what_comes_back_from_no_codec_is_not_stored() {
    let renamed = Renamed { value: 1 };
    let stored = Codec::Packed.encode(&renamed, usize::MAX, Fidelity::Unsure);
    assert_eq!(stored, Err(EncodeError::Changed));
}

fn json_values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,60}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            prop::collection::btree_map(".{0,5}", inner, 0..20)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_comes_back_and_is_shown_as_it_is(value in json_values()) {
        let bytes = encoded(&value);
        let back: serde_json::Value = decode(&bytes).unwrap();
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(to_json(&bytes), Some(value.to_string()));
    }

    #[test]
    fn any_bytes_are_refused_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let without_names = [&bytes[..], &[NOTHING_MORE]].concat();
        // All but its values: a tag, the number of the layout, and four fields.
        let sparse = encoded(&Sparse::default());
        let with_names = [&bytes[..], &sparse[6..]].concat();
        for bytes in [without_names, with_names] {
            let _ = (decode::<Vec<Sparse>>(&bytes), decode::<Status>(&bytes), decode::<serde_json::Value>(&bytes));
            let _ = to_json(&bytes);
        }
    }
}

#[test]
fn a_value_says_which_codec_it_is_in() {
    let stored: EncodedValue = Codec::Packed.encode(&7_u8, usize::MAX, Fidelity::Sure).unwrap();
    assert_eq!(
        (stored.codec, &stored.bytes[..]),
        (Codec::Packed, &[7, NOTHING_MORE][..])
    );
}
