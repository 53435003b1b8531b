//! What a variable can be, beside the types that have a text of their own.

use std::{fs, str::FromStr, time::Duration};

use crate::store::RedisConfig;

/// What is accepted.
type Accepted = &'static str;

/// A whole number above 0.
pub(super) struct Positive<T>(pub(super) T);

impl<T: TryFrom<u64>> FromStr for Positive<T> {
    type Err = Accepted;

    fn from_str(text: &str) -> Result<Self, Accepted> {
        let number = text.parse().ok().filter(|&number: &u64| number > 0);
        number
            .and_then(|number| number.try_into().ok())
            .map(Self)
            .ok_or("write a whole number above 0, such as 64")
    }
}

/// A whole number, 0 among them.
pub(super) struct Count(pub(super) u32);

impl FromStr for Count {
    type Err = Accepted;

    fn from_str(text: &str) -> Result<Self, Accepted> {
        let number = text.parse().map(Self);
        number.map_err(|_| "write a whole number, such as 1, or 0 for none")
    }
}

/// A part of a whole, in per cent: from 0 to 1.
pub(super) struct Share(pub(super) f64);

impl FromStr for Share {
    type Err = Accepted;

    fn from_str(text: &str) -> Result<Self, Accepted> {
        let number = match text.strip_suffix('%') {
            Some(number) => number
                .trim_end()
                .parse()
                .ok()
                .filter(|number| (0.0..=100.0).contains(number)),
            None => (text == "off").then_some(0.0),
        };
        number
            .map(|number: f64| Self(number / 100.0))
            .ok_or("write a part of 100 %, such as 5%, or off")
    }
}

/// A number of connections that somebody can mean.
pub(super) struct Connections(pub(super) usize);

impl FromStr for Connections {
    type Err = Accepted;

    fn from_str(text: &str) -> Result<Self, Accepted> {
        let range = 1..=RedisConfig::MOST_CONNECTIONS;
        let number = text.parse().ok().filter(|connections| range.contains(connections));
        number.map(Self).ok_or("write a whole number from 1 to 1024")
    }
}

/// Seconds, or a number with a unit; above 0.
pub(super) struct Time(pub(super) Duration);

impl FromStr for Time {
    type Err = Accepted;

    fn from_str(text: &str) -> Result<Self, Accepted> {
        let time = match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            // Of different lengths, and `M` is easily written for `m`.
            Err(_) if has_months_or_years(text) => None,
            Err(_) => humantime::parse_duration(text).ok(),
        };
        time.filter(|time| !time.is_zero()).map(Self).ok_or(
            "write seconds, such as 300, or a time with its unit, such as 5m or 50ms; not 0, and no months or years",
        )
    }
}

/// Whether a unit of a time is one that has no fixed length.
fn has_months_or_years(text: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphabetic())
        .any(|unit| unit == "M" || unit.starts_with("month") || unit.starts_with('y'))
}

/// On or off.
pub(super) struct Flag(pub(super) bool);

impl FromStr for Flag {
    type Err = Accepted;

    fn from_str(text: &str) -> Result<Self, Accepted> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Ok(Self(true)),
            "false" | "0" | "off" | "no" => Ok(Self(false)),
            _ => Err("write true or false (or 1, 0, on, off, yes, no)"),
        }
    }
}

/// A file of certificates or of a key.
pub(super) struct Pem {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
}

impl Pem {
    pub(super) fn read(path: &str) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|cause| format!("it must be the path of a PEM file: {cause}"))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }
}
