//! One step of a `SCAN`, which looks at some of the keys of one server.

use std::{sync::Arc, time::Duration};

use redis::cmd;
use tokio::time::timeout;

use super::super::connection::Lane;
use crate::store::StoreError;

/// How long one step may take. Nobody waits for a sweep, so nobody else would give up one that is never answered.
const STEP_DEADLINE: Duration = Duration::from_secs(2);

/// Looks at `count` keys: the next cursor, and the keys that match. Keys that are not UTF-8 are not this crate's.
pub(in super::super) async fn scan(
    lane: &Arc<Lane>,
    cursor: u64,
    pattern: &str,
    count: u32,
) -> Result<(u64, Vec<String>), StoreError> {
    let (next, keys) = scan_bytes(lane, cursor, pattern, count).await?;
    let keys = keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect();
    Ok((next, keys))
}

/// As [`scan`], also keys that are not UTF-8.
pub(in super::super) async fn scan_bytes(
    lane: &Arc<Lane>,
    cursor: u64,
    pattern: &str,
    count: u32,
) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
    let mut scan = cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(count);
    step(lane.run(async |mut connection| scan.query_async(&mut connection).await)).await
}

/// The pattern as Redis writes it, where `?`, `[` and `\` are special as well.
pub(in super::super) fn in_redis_words(pattern: &str) -> String {
    let mut words = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        if matches!(character, '?' | '[' | ']' | '\\') {
            words.push('\\');
        }
        words.push(character);
    }
    words
}

/// Bounds a step of what goes through all keys.
pub(in super::super) async fn step<T>(operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(STEP_DEADLINE, operation).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::timeout("a step of a sweep", STEP_DEADLINE)),
    }
}
