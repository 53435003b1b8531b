//! The rights that a probe asks about: is the server there, does it take writes, and may this user do what reads, fills and
//! invalidations need. None of it changes anything.
//!
//! Without the last part a user that may `UNLINK` but not `MGET` would be trusted after each probe and distrusted after the
//! next call, for ever, with a log line each time.

use std::sync::Arc;

use redis::{
    Pipeline, RedisError, RedisResult, ServerError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    pipe,
};

use super::super::{connection::Lane, error, keyspace::Keyspace};
use crate::{
    key::{Kind, Namespace},
    store::{MissingRight, StoreError, StoreErrorKind},
};

/// What is read together goes by this, unless each key is asked for by itself.
const TOGETHER: &str = "MGET";

/// The commands, the kinds of their keys and what follows; those that need to write first.
const ASKED: &[(&str, Kind, &[&str])] = &[
    ("UNLINK", Kind::Stamp, &[]),
    ("UNLINK", Kind::Entry, &[]),
    (TOGETHER, Kind::Stamp, &[]),
    (TOGETHER, Kind::Entry, &[]),
    ("GET", Kind::Stamp, &[]),
    ("GET", Kind::Entry, &[]),
    // Only if it exists, which it does not.
    ("SET", Kind::Stamp, &["0", "XX", "PX", "1"]),
    ("SET", Kind::Entry, &["0", "XX", "PX", "1"]),
];

/// The same for holds. What is put there is taken away at once.
const ASKED_FOR_HOLDS: &[(&str, Kind, &[&str])] = &[
    ("SADD", Kind::Hold, &["0"]),
    ("PEXPIRE", Kind::Hold, &["1"]),
    ("SMEMBERS", Kind::Hold, &[]),
    ("SREM", Kind::Hold, &["0"]),
    ("SET", Kind::Writer, &["0", "XX", "PX", "1"]),
    ("GET", Kind::Writer, &[]),
    ("UNLINK", Kind::Hold, &[]),
];

/// A right that something needs: the command, the kind of its keys, what follows them, and what for. None of these changes anything on
/// keys that do not exist.
type Right = (&'static str, Option<Kind>, &'static [&'static str], &'static str);

/// All that anything here needs.
pub(in super::super) const ALL_RIGHTS: &[Right] = &[
    ("UNLINK", Some(Kind::Stamp), &[], "invalidations"),
    (
        "SET",
        Some(Kind::Stamp),
        &["0", "XX", "PX", "1"],
        "loads and invalidations",
    ),
    ("GET", Some(Kind::Stamp), &[], "loads and sweeps"),
    (TOGETHER, Some(Kind::Stamp), &[], "every call"),
    (
        "SET",
        Some(Kind::Entry),
        &["0", "XX", "PX", "1"],
        "results to be stored",
    ),
    (TOGETHER, Some(Kind::Entry), &[], "every call"),
    ("UNLINK", Some(Kind::Entry), &[], "sweeps"),
    (
        "GETRANGE",
        Some(Kind::Entry),
        &["0", "0"],
        "sweeps and this command line",
    ),
    ("SCAN", None, &["0", "COUNT", "1"], "sweeps and this command line"),
    ("STRLEN", Some(Kind::Entry), &[], "this command line"),
    ("PTTL", Some(Kind::Entry), &[], "this command line"),
    ("TYPE", Some(Kind::Entry), &[], "this command line"),
    ("CLIENT", None, &["TRACKING", "OFF"], "near = \"tracked\""),
    ("SADD", Some(Kind::Hold), &["0"], "crash_safe resources"),
    ("PEXPIRE", Some(Kind::Hold), &["1"], "crash_safe resources"),
    ("SMEMBERS", Some(Kind::Hold), &[], "crash_safe resources"),
    ("SREM", Some(Kind::Hold), &["0"], "crash_safe resources"),
    ("UNLINK", Some(Kind::Hold), &[], "crash_safe resources"),
    (
        "SET",
        Some(Kind::Writer),
        &["0", "XX", "PX", "1"],
        "crash_safe resources",
    ),
];

/// Those of these rights that the user of a connection does not have, asked with keys of this name, which do not exist.
pub(in super::super) async fn missing_rights(
    connection: &mut MultiplexedConnection,
    name: &str,
    namespace: &Namespace,
    rights: &[Right],
) -> RedisResult<Vec<MissingRight>> {
    let mut pipeline = pipe();
    for (command, kind, words, _) in rights {
        let asked = pipeline.cmd(command);
        if let Some(kind) = kind {
            asked.arg(namespace.of_kind(*kind, name));
        }
        asked.arg(words);
    }
    // What was put into a hold is taken away.
    let replies = connection.req_packed_commands(&pipeline, 0, pipeline.len()).await?;
    let missing = rights
        .iter()
        .zip(replies)
        .filter_map(|((command, kind, _, purpose), reply)| {
            let Value::ServerError(failure) = reply else {
                return None;
            };
            let keys = kind.map(|kind| namespace.of_kind(kind, "*")).unwrap_or_default();
            is_denied(&failure).then(|| MissingRight::new(command.to_lowercase(), keys, *purpose))
        });
    Ok(missing.collect())
}

/// Each of the names, at least one, stands at the end of keys that do not exist. The
/// next one is asked about if those of one are elsewhere, or on their way: that says nothing of the server.
pub(super) async fn probe(
    lane: &Arc<Lane>,
    names: &[String],
    namespace: &Namespace,
    keyspace: Keyspace,
    with_holds: bool,
) -> Result<(), StoreError> {
    let holds = if with_holds { ASKED_FOR_HOLDS } else { &[] };
    let mut asked = [ASKED, holds].concat();
    asked.retain(|(command, ..)| keyspace == Keyspace::Whole || *command != TOGETHER);
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
    for ((command, kind, _), reply) in asked.into_iter().zip(replies) {
        match reply {
            Value::ServerError(failure) if is_denied(&failure) => {
                return Err(lane.with_address(&missing(command, &namespace.of_kind(kind, "*"), failure)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn about(namespace: &Namespace, name: &str, asked: &[(&str, Kind, &[&str])]) -> Pipeline {
    let mut pipeline = pipe();
    for (command, kind, words) in asked {
        pipeline.cmd(command).arg(namespace.of_kind(*kind, name)).arg(words);
    }
    pipeline
}

fn is_denied(failure: &ServerError) -> bool {
    failure.code() == "NOPERM"
}

/// The server names the command or says that it is about a key; not which.
fn missing(command: &str, keys: &str, failure: ServerError) -> StoreError {
    let (command, failure) = (command.to_lowercase(), error::from_redis(&RedisError::from(failure)));
    failure
        .with_message(format!(
            "the user needs the right to `+{command}` on `~{keys}`: {failure}"
        ))
        .with_kind(StoreErrorKind::Denied)
}
