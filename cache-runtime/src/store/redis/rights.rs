//! What a probe asks: is the server there, does it take writes, and may this user do what reads, fills and invalidations
//! need. None of it changes anything.
//!
//! Without the last part a user that may `UNLINK` but not `MGET` would be trusted after each probe and distrusted after the
//! next call, for ever, with a log line each time.

use std::sync::Arc;

use redis::{RedisError, ServerError, Value, aio::ConnectionLike, pipe};

use super::{PROBE, error, lane::Lane};
use crate::store::{StoreError, StoreErrorKind};

/// Keys that no entry, hold or writer has.
const ENTRY: &str = "cache:~probe";
const HOLD: &str = "cachehold:~probe";
const WRITER: &str = "cachewriter:~probe";

/// The commands, those that need to write first.
const ASKED: &[(&str, &str, &[&str])] = &[
    ("UNLINK", PROBE, &[]),
    ("UNLINK", ENTRY, &[]),
    ("MGET", PROBE, &[]),
    ("MGET", ENTRY, &[]),
    ("GET", PROBE, &[]),
    // Only if it exists, which it does not.
    ("SET", PROBE, &["0", "XX", "PX", "1"]),
    ("SET", ENTRY, &["0", "XX", "PX", "1"]),
];

/// The same for holds. What is put there is taken away at once.
const ASKED_FOR_HOLDS: &[(&str, &str, &[&str])] = &[
    ("SADD", HOLD, &["0"]),
    ("PEXPIRE", HOLD, &["1"]),
    ("SMEMBERS", HOLD, &[]),
    ("SREM", HOLD, &["0"]),
    ("SET", WRITER, &["0", "XX", "PX", "1"]),
    ("MGET", WRITER, &[]),
    ("UNLINK", HOLD, &[]),
];

pub(super) async fn probe(lane: &Arc<Lane>, with_holds: bool) -> Result<(), StoreError> {
    let holds = if with_holds { ASKED_FOR_HOLDS } else { &[] };
    let asked = [ASKED, holds].concat();
    let mut pipeline = pipe();
    for (command, key, words) in &asked {
        pipeline.cmd(command).arg(key).arg(words);
    }
    let replies = lane
        .run(async |mut connection| {
            let replies = connection.req_packed_commands(&pipeline, 0, pipeline.len()).await?;
            // Inside the operation: the lane learns from it, too.
            match replies.first() {
                Some(Value::ServerError(failure)) if !is_denied(failure) => Err(failure.clone().into()),
                _ => Ok(replies),
            }
        })
        .await?;
    for ((command, key, _), reply) in asked.into_iter().zip(replies) {
        match reply {
            Value::ServerError(failure) if is_denied(&failure) => return Err(missing(command, key, failure)),
            _ => {}
        }
    }
    Ok(())
}

fn is_denied(failure: &ServerError) -> bool {
    failure.code() == "NOPERM"
}

/// The server names the command or says that it is about a key; not which.
fn missing(command: &str, key: &str, failure: ServerError) -> StoreError {
    let prefix = key.split_once(':').map_or(key, |(prefix, _)| prefix);
    let (command, failure) = (command.to_lowercase(), error::from_redis(&RedisError::from(failure)));
    StoreError::new(
        StoreErrorKind::Denied,
        format!("the user needs the right to `+{command}` on `~{prefix}:*`: {failure}"),
    )
}
