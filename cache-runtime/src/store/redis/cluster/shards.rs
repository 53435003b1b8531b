//! What a server of the cluster says of the others: which primary has which slots.

use std::collections::BTreeMap;

use redis::{Cmd, Value, cmd};

use super::{
    super::error::{self, unexpected},
    slots::SLOTS,
};
use crate::store::{StoreError, StoreErrorKind};

/// What `CLUSTER SLOTS` has answered.
pub(super) struct Shards {
    /// With the first and the last slot of each range.
    pub(super) primaries: BTreeMap<Endpoint, Vec<(u16, u16)>>,
    pub(super) replicas: Vec<(String, u16)>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) port: u16,
}

/// The question that a server answers with its [`Shards`].
pub(in super::super) fn question() -> Cmd {
    let mut question = cmd("CLUSTER");
    question.arg("SLOTS");
    question
}

impl Shards {
    /// `asked` is the host that answered: a server that does not know its own address leaves it out.
    pub(super) fn parse(answer: &Value, asked: &str) -> Result<Self, StoreError> {
        let mut shards = Self {
            primaries: BTreeMap::new(),
            replicas: Vec::new(),
        };
        let Value::Array(ranges) = answer else {
            return Err(unexpected("CLUSTER SLOTS", "no array"));
        };
        for range in ranges {
            let Some((first, last, primary, replicas)) = parse_range(range, asked) else {
                return Err(unexpected("CLUSTER SLOTS", "something that is no range of slots"));
            };
            shards.primaries.entry(primary).or_default().push((first, last));
            shards.replicas.extend(replicas);
        }
        if shards.primaries.is_empty() {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the server knows of no server that has keys: it has not joined a cluster",
            ));
        }
        shards.replicas.sort();
        shards.replicas.dedup();
        Ok(shards)
    }
}

/// The slots of each primary, by its id: what all servers say alike once they agree, whatever they call one another's hosts.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Ownership(BTreeMap<String, Vec<(u16, u16)>>);

impl Ownership {
    /// Who has which keys, as the server at this host has answered the [`question`].
    pub(in super::super) fn parse(answer: &Value, host: &str) -> Result<Self, StoreError> {
        match answer {
            Value::ServerError(refused) => Err(error::from_redis(&refused.clone().into())),
            answer => Shards::parse(answer, host).map(Self::from),
        }
    }

    /// Whether nobody has keys but these.
    pub(in super::super) fn is_among(&self, ids: &[&str]) -> bool {
        self.0.keys().all(|id| ids.contains(&id.as_str()))
    }
}

/// From ids with the first and the last slot of a range.
impl FromIterator<(String, (u16, u16))> for Ownership {
    fn from_iter<I: IntoIterator<Item = (String, (u16, u16))>>(ranges: I) -> Self {
        let mut ranges_by_id = BTreeMap::<_, Vec<_>>::new();
        for (id, range) in ranges {
            ranges_by_id.entry(id).or_default().push(range);
        }
        for ranges in ranges_by_id.values_mut() {
            ranges.sort_unstable();
        }
        Self(ranges_by_id)
    }
}

impl From<Shards> for Ownership {
    fn from(shards: Shards) -> Self {
        let ranges_of = |(Endpoint { id, .. }, ranges): (Endpoint, Vec<(u16, u16)>)| {
            ranges.into_iter().map(move |range| (id.clone(), range))
        };
        shards.primaries.into_iter().flat_map(ranges_of).collect()
    }
}

type Range = (u16, u16, Endpoint, Vec<(String, u16)>);

fn parse_range(range: &Value, asked: &str) -> Option<Range> {
    let Value::Array(range) = range else { return None };
    let [Value::Int(first), Value::Int(last), primary, replicas @ ..] = &range[..] else {
        return None;
    };
    let slot = |slot: i64| u16::try_from(slot).ok().filter(|&slot| slot < SLOTS);
    let (first, last) = (slot(*first)?, slot(*last)?);
    let replicas = replicas.iter().filter_map(|replica| parse_endpoint(replica, asked));
    let replicas = replicas.map(|Endpoint { host, port, .. }| (host, port)).collect();
    (first <= last).then_some(())?;
    Some((first, last, parse_endpoint(primary, asked)?, replicas))
}

fn parse_endpoint(endpoint: &Value, asked: &str) -> Option<Endpoint> {
    let Value::Array(endpoint) = endpoint else { return None };
    let [host, Value::Int(port), rest @ ..] = &endpoint[..] else {
        return None;
    };
    let host = text(host)
        .filter(|host| !matches!(*host, "" | "?"))
        .unwrap_or(asked)
        .to_owned();
    let port = u16::try_from(*port).ok()?;
    let id = rest
        .first()
        .and_then(text)
        .map_or_else(|| format!("{host}:{port}"), str::to_owned);
    Some(Endpoint { id, host, port })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
