//! Types that serialise in every way there is.

use std::{collections::HashMap, fmt};

use serde::{Serialize, Serializer};

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Paid,
    Open,
    #[serde(rename = "past_due")]
    PastDue,
    Partner(i64),
    Between(i64, i64),
    Since {
        year: u16,
        month: u8,
    },
}

#[derive(Serialize)]
#[serde(tag = "kind")]
pub(crate) enum Internally {
    Card { number: &'static str },
}

#[derive(Serialize)]
#[serde(tag = "kind", content = "data")]
pub(crate) enum Adjacently {
    Cash(u32),
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Untagged {
    Text(&'static str),
    Number(i32),
}

#[derive(Serialize)]
pub(crate) struct Nothing;

#[derive(Serialize)]
pub(crate) struct Id(pub(crate) i64);

#[derive(Serialize)]
pub(crate) struct Pair(pub(crate) i64, pub(crate) i64);

#[derive(Serialize)]
pub(crate) struct Query {
    pub(crate) search: &'static str,
    #[serde(flatten)]
    pub(crate) page: Page,
    #[serde(flatten)]
    pub(crate) more: HashMap<&'static str, serde_json::Value>,
}

#[derive(Serialize)]
pub(crate) struct Page {
    pub(crate) page: u32,
    pub(crate) page_size: u32,
}

#[derive(Serialize)]
pub(crate) struct Sparse {
    pub(crate) kept: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<i32>,
}

pub(crate) struct Bytes(pub(crate) &'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Serialised through its `Display`, which arrives in several pieces.
pub(crate) struct Displayed(pub(crate) &'static str);

impl fmt::Display for Displayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split_inclusive(' ').try_for_each(|word| f.write_str(word))
    }
}

impl Serialize for Displayed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
