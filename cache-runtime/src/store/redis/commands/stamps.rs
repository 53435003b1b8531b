//! Stamps: created once, removed for good.

use std::time::Duration;

use redis::{Value, pipe};

use super::{
    super::{error, primary::Primary, server::Traffic, servers::Servers, time::millis},
    scan::scan,
};
use crate::{
    entry::Stamp,
    key::StampKey,
    store::{StoreError, StoreErrorKind},
};

/// How long a stamp is kept after its creation. An entry outlives its stamp as a miss, so this only has to be longer than
/// any sensible time-to-live.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Keys that one `SCAN` for them looks at: many, as somebody waits until all of them are gone.
const SCAN_COUNT: u32 = 512;

pub(in super::super) async fn create(
    servers: &Servers,
    fresh: &[(&StampKey, Stamp)],
) -> Result<Vec<Option<Stamp>>, StoreError> {
    let mut pipeline = pipe();
    let lifetime = millis(LIFETIME);
    for (key, stamp) in fresh {
        pipeline
            .cmd("SET")
            .arg(key.as_str())
            .arg(stamp.to_string())
            .arg("NX")
            .arg("PX")
            .arg(lifetime);
        pipeline.cmd("GET").arg(key.as_str());
    }
    let replies = servers.replies(&pipeline, Traffic::Writes).await?;
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
    servers.unlink(&foreign, Traffic::Writes).await?;
    Ok(stamps)
}

/// What a removal writes in passing: no stamp.
const REMOVED: &str = "removed";

/// How long that stays if the rest of the removal gets lost on its way.
const REMOVED_FOR: Duration = Duration::from_secs(1);

/// Removes stamps, and whoever keeps values under these stamps hears of it, also where the server has none: it reports changes, and
/// to remove what is not there changes nothing. The stamp may be missing although its values are kept, because it went in a
/// way that is not reported (see [`watch`](super::super::watch)).
///
/// So each stamp is replaced, and the replacement is removed in the same turn. What stands there in between, or for a second if the
/// second half is lost, reads as no stamp: no entry is valid under it, and no load is given it and may store. Nor does it
/// restore anything: whatever stamp it replaces is gone as if it had been removed. If other commands come in between, or
/// the two come to two servers of a cluster in either order, a load that begins then does so after the invalidation was
/// sent, and the worst is that it does not store.
pub(in super::super) async fn remove_audibly(
    servers: &Servers,
    traffic: Traffic,
    keys: &[impl AsRef<str>],
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut pipeline = pipe();
    let moment = millis(REMOVED_FOR);
    for key in keys {
        let key = key.as_ref();
        pipeline.cmd("SET").arg(key).arg(REMOVED).arg("PX").arg(moment);
        pipeline.cmd("UNLINK").arg(key);
    }
    match servers.replies(&pipeline, traffic).await {
        Ok(replies) => replies.iter().try_for_each(error::check),
        // To remove takes no memory. What is kept in a process under a stamp that is not there is found out by its watch.
        Err(error) if error.kind() == StoreErrorKind::OutOfMemory => servers.unlink(keys, traffic).await,
        Err(error) => Err(error),
    }
}

pub(in super::super) async fn remove_all(servers: &Servers) -> Result<(), StoreError> {
    let generation = servers.generation();
    // A stamp that moves to a server that has been looked at already is found there the next time.
    let rounds = if servers.keys_may_move() { 2 } else { 1 };
    for _ in 0..rounds {
        for primary in servers.primaries()? {
            remove_all_of(servers, &primary, generation).await?;
        }
    }
    Ok(())
}

async fn remove_all_of(servers: &Servers, primary: &Primary, generation: u64) -> Result<(), StoreError> {
    let all = format!("{}*", servers.config().key_namespace().stamps());
    let mut cursor = 0;
    loop {
        let (next, stamps) = scan(primary.server.write_lane(), cursor, &all, SCAN_COUNT).await?;
        servers.unlink(&stamps, Traffic::Removals).await?;
        // A cursor means nothing to another server, which may be what a new connection leads to.
        if servers.generation() != generation {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "a connection was replaced in the middle of the removal of all stamps",
            ));
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}
