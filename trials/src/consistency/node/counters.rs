//! Known to be wrong: as stamps are, but counted instead of drawn.

use std::sync::OnceLock;

use anyhow::Result;
use cache_testkit::{oracle::Reach, redis::cmd};
use serde::{Deserialize, Serialize};

use super::{
    Subject, TTL,
    service::{Found, Hit, How, Service},
    source::{Source, Value},
};
use crate::{consistency::database::Committed, lab::redis::Redis};

/// An entry carries the number that was current before its load, and is valid while it still is. A write increments it.
///
/// The flaw: a number that is evicted begins again, and comes by the ones that old entries carry.
pub(super) struct Counters {
    redis: Redis,
    source: Source,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    number: u64,
    value: Value,
}

impl Counters {
    pub(super) fn new(redis: Redis, source: Source) -> Self {
        Self { redis, source }
    }

    async fn read(&self, subject: Subject, view: u32, load: impl Future<Output = Result<Value>>) -> Result<Found> {
        let key = format!("entry:{subject:?}:{view}");
        let mget = cmd("MGET").arg(number_of(subject)).arg(&key).to_owned();
        let answer: Option<(Option<u64>, Option<String>)> = self.redis.ask(&mget).await;
        let Some((number, entry)) = answer else {
            let value = load.await?;
            return Ok(Found { value, hit: None });
        };
        let number = number.unwrap_or(0);
        if let Some(entry) = entry {
            let entry: Entry = serde_json::from_str(&entry)?;
            if entry.number == number {
                let value = entry.value;
                return Ok(Found {
                    value,
                    hit: Some(Hit::Shared),
                });
            }
        }
        let value = load.await?;
        let entry = serde_json::to_string(&Entry { number, value })?;
        let set = cmd("SET").arg(key).arg(entry).arg("PX").arg(TTL.as_millis()).to_owned();
        let _stored: Option<()> = self.redis.ask(&set).await;
        Ok(Found { value, hit: None })
    }

    async fn increment(&self, subject: Subject) -> Option<u64> {
        self.redis.ask(cmd("INCR").arg(number_of(subject))).await
    }
}

impl Service for Counters {
    async fn item(&self, item: u32, view: u32) -> Result<Found> {
        self.read(Subject::Item(item), view, self.source.item(item, view)).await
    }

    async fn total(&self) -> Result<Found> {
        self.read(Subject::Total, 0, self.source.total()).await
    }

    async fn write(&self, item: u32, _how: How, committed: &OnceLock<Committed>) -> Result<Option<Reach>> {
        let commit = self.source.write(item, false).await?;
        let item = self.increment(Subject::Item(item)).await;
        let total = self.increment(Subject::Total).await;
        committed.get_or_init(|| commit);
        Ok(item.and(total).map(|_| Reach::EveryNode))
    }
}

fn number_of(subject: Subject) -> String {
    format!("number:{subject:?}")
}
