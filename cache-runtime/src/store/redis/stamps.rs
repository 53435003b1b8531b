//! Stamps: created once, removed for good.

use std::{sync::Arc, time::Duration};

use redis::{Value, pipe};

use super::{lane::Lane, millis, sweep, unlink};
use crate::{
    stamp::Stamp,
    store::{StoreError, StoreErrorKind},
};

/// How long a stamp is kept after its creation. An entry outlives its stamp as a miss, so this only has to be longer than
/// any sensible time-to-live.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

/// All stamps.
const ALL: &str = "cachestamp:*";

pub(super) async fn create(lane: &Arc<Lane>, fresh: &[(&str, Stamp)]) -> Result<Vec<Option<Stamp>>, StoreError> {
    let mut pipeline = pipe();
    let lifetime = millis(LIFETIME);
    for (key, stamp) in fresh {
        pipeline
            .cmd("SET")
            .arg(key)
            .arg(stamp.to_text())
            .arg("NX")
            .arg("PX")
            .arg(lifetime);
        pipeline.cmd("GET").arg(key);
    }
    let replies = lane.replies(&pipeline).await?;
    let mut stamps = Vec::with_capacity(fresh.len());
    let mut foreign = Vec::new();
    for ((key, _), [_, get]) in fresh.iter().zip(replies.as_chunks().0) {
        let stamp = match get {
            Value::BulkString(text) => Stamp::from_text(text),
            _ => None,
        };
        // Something that is no stamp stands under the key: it goes, so that the next read can create one.
        if stamp.is_none() && *get != Value::Nil {
            foreign.push(*key);
        }
        stamps.push(stamp);
    }
    remove(lane, &foreign).await?;
    Ok(stamps)
}

pub(super) async fn remove(lane: &Arc<Lane>, stamps: &[impl AsRef<str>]) -> Result<(), StoreError> {
    if stamps.is_empty() {
        return Ok(());
    }
    let command = unlink(stamps);
    lane.run(async |mut connection| command.exec_async(&mut connection).await)
        .await
}

pub(super) async fn remove_all(lane: &Arc<Lane>) -> Result<(), StoreError> {
    let generation = lane.generation();
    let mut cursor = 0;
    loop {
        let (next, stamps) = sweep::scan(lane, cursor, ALL).await?;
        remove(lane, &stamps).await?;
        // A cursor means nothing to another server, which may be what a new connection leads to.
        same_connection(lane, generation)?;
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// An error if what belongs together was done over more than one connection.
pub(super) fn same_connection(lane: &Lane, generation: u64) -> Result<(), StoreError> {
    if lane.generation() == generation {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Unavailable,
        "the connection was replaced in the middle of an invalidation",
    ))
}
