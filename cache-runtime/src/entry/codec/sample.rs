//! Types of nearly every kind that serde has.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Invoice {
    pub(super) id: i64,
    #[serde(rename = "no", alias = "number")]
    pub(super) number: String,
    pub(super) status: Status,
    pub(super) lines: Vec<Line>,
    #[serde(skip)]
    pub(super) loaded: bool,
    pub(super) note: Option<Box<str>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line(pub(super) u16, pub(super) f64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Wrapped(pub(super) Arc<Status>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Status {
    Draft,
    Paid(u8),
    Between(i8, i8),
    Since { year: u16, late: bool },
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) a: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) b: Option<u8>,
    pub(super) c: Vec<u8>,
    pub(super) d: Vec<Vec<u8>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Flat {
    pub(super) id: u8,
    #[serde(flatten)]
    pub(super) more: BTreeMap<String, u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Secretive {
    pub(super) a: u8,
    #[serde(skip_serializing, default)]
    pub(super) secret: u8,
    pub(super) b: Vec<u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Skipping {
    #[serde(skip)]
    #[expect(dead_code, reason = "it is there for its index")]
    Never,
    First,
    Second,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Untagged {
    Number(u8),
    Text(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub(super) enum Tagged {
    Invoice { id: u8 },
}

/// Never read again by its name, and always by its place.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Renamed {
    #[serde(rename(serialize = "out", deserialize = "in"))]
    pub(super) value: u8,
}

/// Types that contain themselves, in each way that there is.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree(pub(super) Vec<Tree>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chain {
    pub(super) next: Option<Box<Chain>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Link {
    End,
    Next(Box<Link>),
}

#[cfg(feature = "postcard")]
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Loop {
    Inside { itself: Box<Loop> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Map(pub(super) BTreeMap<u8, Map>);

/// Takes memory and no bytes.
#[cfg(feature = "postcard")]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Weightless {
    #[serde(skip)]
    pub(super) _memory: [u64; 4],
}
