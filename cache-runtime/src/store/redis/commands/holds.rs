//! Holds: beside each stamp a set of writers, and for each writer a key that lasts as long as its stay.
//!
//! Two kinds of keys, because a set's members cannot expire one by one: who is in the set and has no key any more has died.

use std::time::Duration;

use redis::{Pipeline, Value, pipe};

use super::{
    super::{error::unexpected, server::Traffic, servers::Servers, time::millis},
    leases::token,
};
use crate::{
    key::StampKey,
    store::{StoreError, StoreErrorKind},
};

/// How long a set lasts after somebody has entered: longer than any stay. What is left of the dead goes with it.
const LIFETIME: Duration = Duration::from_hours(24);

pub(in super::super) async fn enter(
    servers: &Servers,
    stamps: &[StampKey],
    writer: u64,
    stay: Duration,
) -> Result<(), StoreError> {
    let Some(first) = stamps.first() else { return Ok(()) };
    let lifetime = millis(LIFETIME.max(stay.saturating_mul(2)));
    let token = token(writer);
    let mut own_key = pipe();
    own_key
        .cmd("SET")
        .arg(first.writer(token.as_bytes()))
        .arg(1)
        .arg("PX")
        .arg(millis(stay));
    let mut sets = pipe();
    for stamp in stamps {
        sets.cmd("SADD").arg(stamp.hold()).arg(&token);
        sets.cmd("PEXPIRE").arg(stamp.hold()).arg(lifetime);
    }
    // In this order: who finds the writer in a set finds its key, too.
    let entered = servers
        .replies_after(&own_key, &sets, Traffic::Writes)
        .await
        .map_err(naming_the_keys)?;
    let foreign = foreign(stamps, entered.iter().step_by(2));
    if foreign.is_empty() {
        return Ok(());
    }
    // If two find it at once, one may remove what the other has put there: until that one's next renewal.
    servers.unlink(&foreign, Traffic::Writes).await?;
    if send(servers, &sets, Traffic::Writes).await?.iter().any(is_foreign) {
        return Err(unexpected("SADD", "the key of a hold is no set, time and again"));
    }
    Ok(())
}

pub(in super::super) async fn leave(
    servers: &Servers,
    stamps: &[StampKey],
    writer: u64,
    settle: Duration,
) -> Result<(), StoreError> {
    if !settle.is_zero() {
        // Enters once more: it may have been taken for dead.
        return enter(servers, stamps, writer, settle).await;
    }
    let Some(first) = stamps.first() else { return Ok(()) };
    let token = token(writer);
    let mut pipeline = pipe();
    for stamp in stamps {
        pipeline.cmd("SREM").arg(stamp.hold()).arg(&token);
    }
    pipeline.cmd("UNLINK").arg(first.writer(token.as_bytes()));
    send(servers, &pipeline, Traffic::Writes).await.map(drop)
}

pub(in super::super) async fn anyone(servers: &Servers, stamps: &[StampKey]) -> Result<bool, StoreError> {
    let mut pipeline = pipe();
    for stamp in stamps {
        pipeline.cmd("SMEMBERS").arg(stamp.hold());
    }
    let replies = send(servers, &pipeline, Traffic::Reads).await?;
    let foreign = foreign(stamps, replies.iter());
    if !foreign.is_empty() {
        // Whose place it has taken is unknown. It goes, so that this is said once.
        servers.unlink(&foreign, Traffic::Writes).await?;
        return Ok(true);
    }
    let mut writers: Vec<(&StampKey, Vec<u8>)> = Vec::new();
    for (stamp, reply) in stamps.iter().zip(replies) {
        let tokens: Vec<Vec<u8>> = redis::from_redis_value(reply).map_err(|error| unexpected("SMEMBERS", error))?;
        writers.extend(tokens.into_iter().map(|token| (stamp, token)));
    }
    if writers.is_empty() {
        return Ok(false);
    }
    let mut stays = pipe();
    for (stamp, token) in &writers {
        stays.cmd("GET").arg(stamp.writer(token));
    }
    let stays = send(servers, &stays, Traffic::Reads).await?;
    let (living, dead): (Vec<_>, Vec<_>) = writers
        .into_iter()
        .zip(stays)
        .partition(|(_, stay)| *stay != Value::Nil);
    if !dead.is_empty() {
        // They have died or have settled. One that only stood still comes back with its next renewal.
        let mut forget = pipe();
        for ((stamp, token), _) in dead {
            forget.cmd("SREM").arg(stamp.hold()).arg(token);
        }
        // What fails here is done by the next one who asks.
        drop(send(servers, &forget, Traffic::Writes).await);
    }
    Ok(!living.is_empty())
}

/// The keys of the holds under which stands what is no set, to judge by one reply for each stamp.
fn foreign<'a>(stamps: &[StampKey], replies: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let stamps = stamps.iter().zip(replies).filter(|(_, reply)| is_foreign(reply));
    stamps.map(|(stamp, _)| stamp.hold()).collect()
}

fn is_foreign(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(_))
}

/// As [`Servers::replies`].
async fn send(servers: &Servers, pipeline: &Pipeline, traffic: Traffic) -> Result<Vec<Value>, StoreError> {
    servers.replies(pipeline, traffic).await.map_err(naming_the_keys)
}

/// That a right is missing names the keys, which the server does not say.
fn naming_the_keys(error: StoreError) -> StoreError {
    match error.kind() {
        StoreErrorKind::Denied => error.with_message(format!(
            "holds need rights on `~cachehold:*` and `~cachewriter:*`, after the namespace if there is one: {error}"
        )),
        _ => error,
    }
}
