//! What a probe asks: is the server there, does it take writes, and may this user do what reads, fills and invalidations
//! need. None of it changes anything.
//!
//! Without the last part a user that may `UNLINK` but not `MGET` would be trusted after each probe and distrusted after the
//! next call, for ever, with a log line each time.

use std::sync::Arc;

use redis::{Pipeline, RedisError, ServerError, Value, aio::ConnectionLike, pipe};

use super::{error, lane::Lane, reads::Fetch};
use crate::store::{StoreError, StoreErrorKind};

/// What keys begin with.
const STAMP: &str = "cachestamp";
const ENTRY: &str = "cache";
const HOLD: &str = "cachehold";
const WRITER: &str = "cachewriter";

/// What is read together goes by this, unless each key is asked for by itself.
const TOGETHER: &str = "MGET";

/// The commands, the prefixes of their keys and what follows; those that need to write first.
const ASKED: &[(&str, &str, &[&str])] = &[
    ("UNLINK", STAMP, &[]),
    ("UNLINK", ENTRY, &[]),
    (TOGETHER, STAMP, &[]),
    (TOGETHER, ENTRY, &[]),
    ("GET", STAMP, &[]),
    ("GET", ENTRY, &[]),
    // Only if it exists, which it does not.
    ("SET", STAMP, &["0", "XX", "PX", "1"]),
    ("SET", ENTRY, &["0", "XX", "PX", "1"]),
];

/// The same for holds. What is put there is taken away at once.
const ASKED_FOR_HOLDS: &[(&str, &str, &[&str])] = &[
    ("SADD", HOLD, &["0"]),
    ("PEXPIRE", HOLD, &["1"]),
    ("SMEMBERS", HOLD, &[]),
    ("SREM", HOLD, &["0"]),
    ("SET", WRITER, &["0", "XX", "PX", "1"]),
    ("GET", WRITER, &[]),
    ("UNLINK", HOLD, &[]),
];

/// `namespace` is what keys begin with. Each of the names, at least one, stands after the prefix in keys that do not exist. The next one is asked about if those
/// of one are elsewhere, or on their way: that says nothing of the server.
pub(super) async fn probe(
    lane: &Arc<Lane>,
    names: &[String],
    namespace: &str,
    fetch: Fetch,
    with_holds: bool,
) -> Result<(), StoreError> {
    let holds = if with_holds { ASKED_FOR_HOLDS } else { &[] };
    let mut asked = [ASKED, holds].concat();
    asked.retain(|(command, ..)| fetch == Fetch::Together || *command != TOGETHER);
    let replies = lane
        .run(async |mut connection| {
            let mut replies = Vec::new();
            for name in names {
                let pipeline = about(namespace, name, &asked);
                replies = connection.req_packed_commands(&pipeline, 0, pipeline.len()).await?;
                if !replies.iter().any(error::is_redirection) {
                    break;
                }
            }
            // Inside the operation: the lane learns from it, too.
            match replies.first() {
                Some(Value::ServerError(failure)) if !is_denied(failure) => Err(failure.clone().into()),
                _ => Ok(replies),
            }
        })
        .await?;
    for ((command, prefix, _), reply) in asked.into_iter().zip(replies) {
        match reply {
            Value::ServerError(failure) if is_denied(&failure) => {
                return Err(lane.located(&missing(command, &[namespace, prefix].concat(), failure)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn about(namespace: &str, name: &str, asked: &[(&str, &str, &[&str])]) -> Pipeline {
    let mut pipeline = pipe();
    for (command, prefix, words) in asked {
        pipeline
            .cmd(command)
            .arg(format!("{namespace}{prefix}:{name}"))
            .arg(words);
    }
    pipeline
}

fn is_denied(failure: &ServerError) -> bool {
    failure.code() == "NOPERM"
}

/// The server names the command or says that it is about a key; not which.
fn missing(command: &str, prefix: &str, failure: ServerError) -> StoreError {
    let (command, failure) = (command.to_lowercase(), error::from_redis(&RedisError::from(failure)));
    failure
        .with_message(format!(
            "the user needs the right to `+{command}` on `~{prefix}:*`: {failure}"
        ))
        .with_kind(StoreErrorKind::Denied)
}
