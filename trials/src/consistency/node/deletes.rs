//! Known to be wrong: entries are deleted by writers.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::Result;
use cache_testkit::{oracle::Reach, redis::cmd};

use super::{
    Subject, TTL,
    service::{Found, Hit, How, Service},
    source::{Source, Value},
    workload::VIEWS,
};
use crate::{consistency::database::Committed, lab::redis::Redis};

/// When a doubled delete comes again.
const AGAIN: Duration = Duration::from_millis(500);

/// SET after a load, DEL after a write.
///
/// The flaw: who has loaded before the write and stores after the delete brings the old value back.
pub(super) struct Deletes {
    redis: Arc<Redis>,
    source: Source,
    doubled: bool,
}

impl Deletes {
    pub(super) fn new(redis: Redis, source: Source) -> Self {
        Self {
            redis: Arc::new(redis),
            source,
            doubled: false,
        }
    }

    /// DEL before the write too, and once more a while after it.
    ///
    /// The flaw: until then the old value is served, and for longer if the load takes longer.
    pub(super) fn doubled(redis: Redis, source: Source) -> Self {
        Self {
            doubled: true,
            ..Self::new(redis, source)
        }
    }

    async fn read(&self, key: String, load: impl Future<Output = Result<Value>>) -> Result<Found> {
        let entry: Option<Option<String>> = self.redis.ask(cmd("GET").arg(&key)).await;
        if let Some(Some(entry)) = &entry {
            let value = serde_json::from_str(entry)?;
            return Ok(Found {
                value,
                hit: Some(Hit::Shared),
            });
        }
        let value = load.await?;
        if entry.is_some() {
            let entry = serde_json::to_string(&value)?;
            let set = cmd("SET").arg(key).arg(entry).arg("PX").arg(TTL.as_millis()).to_owned();
            let _stored: Option<()> = self.redis.ask(&set).await;
        }
        Ok(Found { value, hit: None })
    }
}

impl Service for Deletes {
    async fn item(&self, item: u32, view: u32) -> Result<Found> {
        self.read(key(Subject::Item(item), view), self.source.item(item, view))
            .await
    }

    async fn total(&self) -> Result<Found> {
        self.read(key(Subject::Total, 0), self.source.total()).await
    }

    async fn write(&self, item: u32, _how: How, committed: &OnceLock<Committed>) -> Result<Option<Reach>> {
        if self.doubled {
            delete(&self.redis, item).await;
        }
        let commit = self.source.write(item, false).await?;
        let deleted = delete(&self.redis, item).await;
        committed.get_or_init(|| commit);
        if self.doubled {
            let redis = Arc::clone(&self.redis);
            tokio::spawn(async move {
                tokio::time::sleep(AGAIN).await;
                delete(&redis, item).await;
            });
        }
        Ok(deleted.map(|()| Reach::EveryNode))
    }
}

async fn delete(redis: &Redis, item: u32) -> Option<()> {
    let mut command = cmd("DEL");
    command.arg(key(Subject::Total, 0));
    for view in 0..VIEWS {
        command.arg(key(Subject::Item(item), view));
    }
    redis.ask(&command).await
}

fn key(subject: Subject, view: u32) -> String {
    match subject {
        Subject::Item(item) => format!("item:{item}:{view}"),
        Subject::Events(item) => format!("events:{item}"),
        Subject::Total => "total".to_owned(),
    }
}
