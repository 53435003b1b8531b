//! The pattern delete that gives memory back, at a bounded share of the server's time.

use std::sync::Arc;

use redis::{Value, cmd, pipe};
use tokio::time::Instant;

use super::lane::Lane;
use crate::{
    envelope::Envelope,
    key::Address,
    stamp::Stamp,
    store::{StoreError, Swept},
};

/// Keys that one `SCAN` looks at.
const SCAN_COUNT: u32 = 512;

/// The pause after a step, in units of the time that the step took: the sweep leaves three quarters of the time to others.
const PAUSE: u32 = 3;

pub(super) async fn sweep(lane: &Arc<Lane>, pattern: &str) -> Result<Swept, StoreError> {
    let pattern = in_redis_words(pattern);
    let mut swept = Swept::default();
    let mut cursor = 0_u64;
    loop {
        let started = Instant::now();
        let (next, keys) = scan(lane, cursor, &pattern).await?;
        let entries: Vec<Address> = keys.iter().filter_map(|key| Address::parse(key)).collect();
        swept.matched += entries.len() as u64;
        swept.removed += remove_dead(lane, &entries).await?;
        cursor = next;
        if cursor == 0 {
            return Ok(swept);
        }
        tokio::time::sleep(started.elapsed() * PAUSE).await;
    }
}

/// One step of a `SCAN`: the next cursor, and the keys that match. Keys that are not UTF-8 are not this crate's.
pub(super) async fn scan(lane: &Arc<Lane>, cursor: u64, pattern: &str) -> Result<(u64, Vec<String>), StoreError> {
    let mut scan = cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_COUNT);
    let (next, keys): (u64, Vec<Vec<u8>>) = lane
        .run(async |mut connection| scan.query_async(&mut connection).await)
        .await?;
    let keys = keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect();
    Ok((next, keys))
}

/// The pattern as Redis writes it, where `?`, `[` and `\` are special as well.
fn in_redis_words(pattern: &str) -> String {
    let mut words = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        if matches!(character, '?' | '[' | ']' | '\\') {
            words.push('\\');
        }
        words.push(character);
    }
    words
}

/// Removes those of the entries whose stamps are not the current ones. A stamp never comes back, so what is dead when it
/// is looked at is dead when it is removed; that it was filled again in between costs a miss.
async fn remove_dead(lane: &Arc<Lane>, entries: &[Address]) -> Result<u64, StoreError> {
    if entries.is_empty() {
        return Ok(0);
    }
    let mut heads = pipe();
    let mut stamps = cmd("MGET");
    for entry in entries {
        let last = Envelope::head_len(entry.stamps().len()) - 1;
        heads.cmd("GETRANGE").arg(entry.entry()).arg(0).arg(last);
        for key in entry.stamps() {
            stamps.arg(key);
        }
    }
    let heads = lane.replies(&heads).await?;
    let current: Vec<Option<Vec<u8>>> = lane
        .run(async |mut connection| stamps.query_async(&mut connection).await)
        .await?;
    let mut current = current.iter().map(|text| text.as_deref().and_then(Stamp::from_text));

    let mut unlink = cmd("UNLINK");
    let mut dead = 0;
    for (entry, head) in entries.iter().zip(&heads) {
        let current: Vec<Option<Stamp>> = current.by_ref().take(entry.stamps().len()).collect();
        // What is no envelope of this version is left alone: another release may be reading it.
        let Value::BulkString(head) = head else {
            continue;
        };
        let Some(loaded) = Envelope::stamps_of_head(head) else {
            continue;
        };
        if !loaded.into_iter().map(Some).eq(current) {
            unlink.arg(entry.entry());
            dead += 1;
        }
    }
    if dead > 0 {
        lane.run(async |mut connection| unlink.exec_async(&mut connection).await)
            .await?;
    }
    Ok(dead)
}
