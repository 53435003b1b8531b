//! A few thousand random values, printed by Python at the time of the test.

use std::{collections::HashMap, fmt};

use fastrand::Rng;
use serde::Serialize;

use crate::{canonical, key_hash, python};

const VALUES: usize = 4_000;

#[test]
fn random_values_print_and_hash_as_python_says() {
    let mut rng = Rng::with_seed(0x00C0_FFEE);
    let values: Vec<Value> = (0..VALUES).map(|_| Value::random(&mut rng, 4)).collect();
    let input = values
        .iter()
        .flat_map(|value| [value.to_string(), "\n".to_owned()])
        .collect();
    let Some(answers) = python("--eval", input) else { return };
    assert_eq!(answers.lines().count(), VALUES);
    for (value, answer) in values.iter().zip(answers.lines()) {
        let ours = canonical(value);
        assert_eq!(format!("{} {ours}", key_hash(ours.as_bytes())), answer, "{value}");
    }
}

/// A value that Rust serialises and Python can read: it displays as a Python expression.
#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Nothing(Option<()>),
    Flag(bool),
    Signed(i64),
    Wide(i128),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Names(HashMap<String, Value>),
    Ids(HashMap<i64, Value>),
}

impl Value {
    fn random(rng: &mut Rng, depth: usize) -> Self {
        let kinds = if depth == 0 { 6 } else { 9 };
        let length = rng.usize(0..6);
        match rng.u8(0..kinds) {
            0 => Self::Nothing(None),
            1 => Self::Flag(rng.bool()),
            2 => Self::Signed(rng.i64(..) >> rng.u32(0..64)),
            3 => Self::Wide(rng.i128(..) >> rng.u32(0..128)),
            4 => Self::Float(float(rng)),
            5 => Self::Text(text(rng)),
            6 => Self::List((0..length).map(|_| Self::random(rng, depth - 1)).collect()),
            7 => Self::Names((0..length).map(|_| (text(rng), Self::random(rng, depth - 1))).collect()),
            _ => Self::Ids(
                (0..length)
                    .map(|_| (rng.i64(..) >> rng.u32(0..64), Self::random(rng, depth - 1)))
                    .collect(),
            ),
        }
    }
}

/// Every bit pattern, and often the decimal numbers that people write.
fn float(rng: &mut Rng) -> f64 {
    if rng.bool() {
        f64::from_bits(rng.u64(..))
    } else {
        let digits = rng.i64(-99_999..=99_999);
        format!("{digits}e{}", rng.i8(-24..=24))
            .parse()
            .expect("a decimal number")
    }
}

fn text(rng: &mut Rng) -> String {
    let length = rng.usize(0..8);
    (0..length)
        .map(|_| match rng.u8(0..10) {
            0 => rng.char('\0'..' '),
            1 => *rng.choice(&['"', '\\', '/', '\'', '\x7f']).expect("not empty"),
            2 => rng.char('\u{80}'..='\u{7ff}'),
            3 => rng.char('\u{800}'..='\u{ffff}'),
            4 => rng.char('\u{10000}'..=char::MAX),
            _ => rng.alphanumeric(),
        })
        .collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(_) => f.write_str("None"),
            Self::Flag(true) => f.write_str("True"),
            Self::Flag(false) => f.write_str("False"),
            Self::Signed(value) => value.fmt(f),
            Self::Wide(value) => value.fmt(f),
            Self::Float(value) if value.is_nan() => f.write_str("nan"),
            Self::Float(value) if value.is_infinite() => f.write_str(if *value > 0.0 { "inf" } else { "-inf" }),
            Self::Float(value) => write!(f, "{value:e}"),
            Self::Text(value) => quoted(f, value),
            Self::List(items) => {
                f.write_str("[")?;
                items.iter().try_for_each(|item| write!(f, "{item}, "))?;
                f.write_str("]")
            }
            Self::Names(members) => {
                f.write_str("{")?;
                for (name, value) in members {
                    quoted(f, name)?;
                    write!(f, ": {value}, ")?;
                }
                f.write_str("}")
            }
            Self::Ids(members) => {
                f.write_str("{")?;
                members
                    .iter()
                    .try_for_each(|(id, value)| write!(f, "{id}: {value}, "))?;
                f.write_str("}")
            }
        }
    }
}

/// Every character by its number, so that no rule about escapes is shared with the code under test.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    text.chars()
        .try_for_each(|character| write!(f, "\\U{:08x}", u32::from(character)))?;
    f.write_str("'")
}
