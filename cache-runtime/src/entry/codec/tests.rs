use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Debug,
    net::IpAddr,
    num::NonZeroU8,
    sync::Arc,
    time::Duration,
};

use serde::Serialize;

use super::{sample::*, *};

/// The codec that a value is written in when postcard is asked for. It comes back the same, whichever that is.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "values are written where they are given")]
fn written_in<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) -> Codec {
    let encoded = Codec::Postcard.encode(&value, usize::MAX, Fidelity::Unsure).unwrap();
    assert_eq!(encoded.decode::<T>().as_ref(), Ok(&value));
    if encoded.codec == Codec::Postcard {
        let by_the_crate: T = ::postcard::from_bytes(&encoded.bytes).expect("it is postcard");
        assert_eq!(by_the_crate, value, "as the crate of that name reads it");
        for len in 0..encoded.len() {
            // Fewer bytes are another value of the same type, or none: what they are not is a panic.
            let _ = postcard::decode::<T>(&encoded.bytes[..len]);
        }
        let longer = [&encoded.bytes[..], &[0]].concat();
        assert_eq!(
            postcard::decode::<T>(&longer).unwrap_err(),
            DecodeError,
            "a byte too many"
        );
    }
    encoded.codec
}

#[test]
fn plain_types_are_written_in_postcard_and_come_back() {
    macro_rules! all {
        ($($value:expr),+ $(,)?) => {
            $(assert_eq!(written_in($value), Codec::Postcard, "{}", stringify!($value));)+
        };
    }
    all![
        (false, true),
        (u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX),
        (i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN),
        (i8::MAX, i16::MAX, i32::MAX, i64::MAX, i128::MAX),
        (0_u16, 127_u16, 128_u16, -1_i16, -64_i16, 63_i16),
        (f32::MIN_POSITIVE, f64::INFINITY, -0.0_f64),
        ('a', '\u{10ffff}', String::new(), "äöü\0".to_owned()),
        vec![1_u8, 2, 3],
        [[1_i32; 3]; 2],
        (None::<u8>, Some(None::<u8>), Some(Some(1_u8))),
        ((), Unit, Line(7, 0.1)),
        BTreeMap::from([(1_u32, "one".to_owned()), (2, String::new())]),
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
        vec![Status::Draft, Status::Paid(3), Status::Between(-1, 1)],
    ];
}

#[test]
fn what_would_not_come_back_from_postcard_is_written_in_json() {
    macro_rules! all {
        ($($value:expr),+ $(,)?) => {
            $(assert_eq!(written_in($value), Codec::Json, "{}", stringify!($value));)+
        };
    }
    all![
        Sparse {
            b: Some(5),
            ..Sparse::default()
        },
        Flat {
            id: 1,
            more: BTreeMap::from([("x".to_owned(), 2)])
        },
        Secretive {
            a: 1,
            secret: 0,
            b: vec![0]
        },
        Skipping::First,
        Untagged::Number(1),
        Tagged::Invoice { id: 1 },
        serde_json::json!({ "a": [1, null] }),
        // Elements that take no bytes are more than the reader allows.
        vec![(), (), ()],
    ];
}

#[test]
fn a_type_that_sometimes_skips_fields_is_written_in_postcard_when_it_does_not() {
    let full = Sparse {
        a: Some(1),
        b: Some(2),
        ..Sparse::default()
    };
    assert_eq!(written_in(full), Codec::Postcard);
}

/// Two values whose bytes are the same: the second is what they decode to, and it encodes to them again. Only the names
/// tell the two apart.
#[test]
fn a_value_that_would_come_back_as_another_one_with_the_same_bytes_is_noticed() {
    let value = Sparse {
        b: Some(5),
        c: vec![9],
        d: vec![vec![7], vec![]],
        ..Sparse::default()
    };
    let bytes = postcard::encode(&value, usize::MAX).unwrap();
    let other: Sparse = postcard::decode(&bytes).expect("it looks right");
    assert_ne!(other, value);
    assert_eq!(postcard::encode(&other, usize::MAX).unwrap(), bytes);
    assert_eq!(written_in(value), Codec::Json);
}

#[test]
fn a_value_beyond_the_limit_is_not_encoded() {
    let value = vec![7_u8; 100];
    for codec in [Codec::Json, Codec::Postcard] {
        assert_eq!(
            codec.encode(&value, 50, Fidelity::Unsure),
            Err(EncodeError::TooLarge),
            "{codec:?}"
        );
    }
    assert_eq!(
        Codec::Postcard.encode(&value, 101, Fidelity::Unsure).unwrap().len(),
        101
    );
}

#[test]
fn what_json_cannot_write_is_written_in_postcard_alone() {
    let value = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(
        Codec::Json.encode(&value, usize::MAX, Fidelity::Unsure),
        Err(EncodeError::Unwritable)
    );
    assert_eq!(written_in(value), Codec::Postcard);
}

#[test]
fn what_comes_back_from_neither_codec_is_not_encoded() {
    let value = Secretive {
        a: 1,
        secret: 0,
        b: vec![0],
    };
    let renamed = Renamed { value: 1 };
    assert_eq!(written_in(value), Codec::Json);
    for codec in [Codec::Json, Codec::Postcard] {
        let encoded = codec.encode(&renamed, usize::MAX, Fidelity::Unsure);
        assert!(
            matches!(encoded, Err(EncodeError::Changed)) || codec == Codec::Postcard,
            "{codec:?} {encoded:?}"
        );
    }
}

#[test]
fn bytes_that_are_nested_a_million_levels_deep_are_refused() {
    fn refused<T: DeserializeOwned + Debug>(bytes: &[u8]) {
        assert_eq!(postcard::decode::<T>(bytes).unwrap_err(), DecodeError);
    }
    let ones = vec![1; 1_000_000];
    refused::<Tree>(&ones);
    refused::<Chain>(&ones);
    refused::<Link>(&ones);
    refused::<Map>(&ones);
    refused::<Loop>(&vec![0; 1_000_000]);
}

#[test]
fn values_are_nested_as_deep_as_json_allows_at_most() {
    let deep = |levels| (0..levels).fold(Link::End, |link, _| Link::Next(Box::new(link)));
    assert_eq!(written_in(deep(100)), Codec::Postcard);
    assert_eq!(
        Codec::Postcard
            .encode(&deep(200), usize::MAX, Fidelity::Sure)
            .unwrap()
            .codec,
        Codec::Json
    );
}

#[test]
#[expect(
    clippy::zero_sized_map_values,
    reason = "it takes no bytes, and is what is asked for"
)]
fn a_length_does_not_make_more_elements_than_there_are_bytes() {
    let four_billion = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(postcard::decode::<Vec<Weightless>>(&four_billion).is_err());
    assert!(postcard::decode::<Vec<()>>(&four_billion).is_err());
    assert!(postcard::decode::<HashMap<(), ()>>(&four_billion).is_err());
    assert!(postcard::decode::<Vec<u64>>(&four_billion).is_err());
    assert!(postcard::decode::<String>(&four_billion).is_err());
    // Nor all lengths together.
    let lists = [&[100][..], &[99; 100]].concat();
    assert!(postcard::decode::<Vec<Vec<Weightless>>>(&lists).is_err());
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    assert_eq!(
        postcard::decode::<u64>(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        Ok(u64::MAX)
    );
    assert!(postcard::decode::<u64>(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).is_err());
    assert!(postcard::decode::<u16>(&[0xff, 0xff, 4]).is_err());
    assert!(postcard::decode::<i16>(&[0x80, 0x80, 4]).is_err());
    assert!(postcard::decode::<u128>(&[0xff; 19]).is_err());
    assert!(postcard::decode::<bool>(&[2]).is_err());
    assert!(postcard::decode::<Option<u8>>(&[2, 0]).is_err());
    assert!(postcard::decode::<Status>(&[4]).is_err());
    assert!(postcard::decode::<char>(&[2, b'a', b'b']).is_err());
    assert!(postcard::decode::<String>(&[1, 0xff]).is_err());
}
