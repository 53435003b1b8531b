//! Leases: one key each, whose value says who has it.

use std::time::Duration;

use redis::{Value, pipe};

use super::super::{
    error::{self, unexpected},
    server::Traffic,
    servers::Servers,
    time::millis,
};
use crate::store::StoreError;

pub(in super::super) async fn acquire(
    servers: &Servers,
    key: &str,
    holder: u64,
    lasting: Duration,
) -> Result<bool, StoreError> {
    let holder = token(holder);
    let mut pipeline = pipe();
    pipeline
        .cmd("SET")
        .arg(key)
        .arg(&holder)
        .arg("NX")
        .arg("PX")
        .arg(millis(lasting));
    pipeline.cmd("GET").arg(key);
    let replies = servers.replies(&pipeline, Traffic::Writes).await?;
    match &replies[..] {
        [_, Value::BulkString(current)] if is_token(current) => Ok(*current == holder.as_bytes()),
        // Something that is no lease stands under the key: it goes, and the next attempt finds the lease free.
        [Value::Nil, Value::BulkString(_) | Value::ServerError(_)] => {
            end(servers, key).await?;
            Ok(false)
        }
        // It ended between the two commands.
        [_, Value::Nil] => Ok(false),
        _ => Err(unexpected("SET NX and GET", format_args!("{} replies", replies.len()))),
    }
}

/// Takes the lease back from somebody who has got it after it had run out: that costs a load. Whose it is could only be
/// checked in the same step by a script.
pub(in super::super) async fn extend(
    servers: &Servers,
    key: &str,
    holder: u64,
    lasting: Duration,
) -> Result<(), StoreError> {
    let mut pipeline = pipe();
    pipeline
        .cmd("SET")
        .arg(key)
        .arg(token(holder))
        .arg("XX")
        .arg("PX")
        .arg(millis(lasting));
    let replies = servers.replies(&pipeline, Traffic::Writes).await?;
    replies.iter().try_for_each(error::check)
}

pub(in super::super) async fn end(servers: &Servers, key: &str) -> Result<(), StoreError> {
    servers.unlink(&[key], Traffic::Writes).await
}

/// The text that stands for a holder or a writer.
pub(in super::super) fn token(id: u64) -> String {
    format!("{id:016x}")
}

fn is_token(text: &[u8]) -> bool {
    text.len() == 16 && text.iter().all(u8::is_ascii_hexdigit)
}
