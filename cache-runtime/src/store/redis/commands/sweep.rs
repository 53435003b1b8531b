//! The pattern delete that gives memory back, in steps so small that others hardly notice.

use std::collections::HashMap;

use bytes::Bytes;
use redis::pipe;

use super::{
    super::{read::bytes, server::Traffic, servers::Servers},
    scan::{in_redis_words, scan, step},
};
use crate::{
    entry::{Envelope, Stamp},
    key::{Address, MOST_KINDS, StampKey},
    store::{StoreError, Swept},
};

/// Keys that one `SCAN` of a sweep looks at. Few: whoever comes while the server is at it waits for all of them, and that
/// decides what others notice. Not the share of its time: between two commands the server has a round trip for others, so a
/// sweep is one client more that has one small command under way.
const SCAN_COUNT: u32 = 4;

pub(in super::super) async fn sweep(servers: &Servers, pattern: &str) -> Result<Swept, StoreError> {
    let pattern = in_redis_words(pattern);
    let mut swept = Swept::default();
    for primary in servers.primaries()? {
        // On one connection, and to the end: a cursor means nothing to another server.
        let lane = primary.server.write_lane();
        let generation = lane.generation();
        let mut cursor = 0_u64;
        loop {
            let (next, keys) = scan(lane, cursor, &pattern, SCAN_COUNT).await?;
            let entries: Vec<Address> = keys.iter().filter_map(|key| Address::parse(key)).collect();
            swept.matched += entries.len() as u64;
            swept.removed += remove_dead(servers, &entries).await?;
            cursor = next;
            if cursor == 0 || lane.generation() != generation {
                break;
            }
        }
    }
    Ok(swept)
}

/// Removes those of the entries whose stamps are not the current ones. A stamp never comes back, so what is dead when it
/// is looked at is dead when it is removed; that it was filled again in between costs a miss.
async fn remove_dead(servers: &Servers, entries: &[Address]) -> Result<u64, StoreError> {
    if entries.is_empty() {
        return Ok(0);
    }
    // In one round trip: the shorter the time between this look and the removal, the fewer entries are filled in between.
    // The stamps after the entries: a stamp that an entry was loaded under and that is another one then is dead.
    let mut look = pipe();
    for entry in entries {
        // Those of kinds of tags and as many soft ones may come after these.
        let last = Envelope::head_len(entry.stamps().len() * 2 + MOST_KINDS) - 1;
        look.cmd("GETRANGE").arg(entry.entry()).arg(0).arg(last);
    }
    let mut keys: Vec<&str> = entries.iter().flat_map(Address::stamps).map(StampKey::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in &keys {
        look.cmd("GET").arg(key);
    }
    let mut values = step(servers.replies(&look, Traffic::Writes))
        .await?
        .into_iter()
        .map(bytes);
    let heads: Vec<_> = values.by_ref().take(entries.len()).collect();
    let stamp = |text: Option<Bytes>| Stamp::from_text(&text?);
    let current: HashMap<&str, Option<Stamp>> = keys.into_iter().zip(values.map(stamp)).collect();

    let mut dead = Vec::new();
    for (entry, head) in entries.iter().zip(heads) {
        // What is no envelope of this version is left alone: another release may be reading it.
        let Some(loaded) = head.as_deref().and_then(Envelope::stamps_of_head) else {
            continue;
        };
        let current = entry
            .stamps()
            .iter()
            .map(|key| current.get(key.as_str()).copied().flatten());
        // What is soft is left alone: the entry may be returned until it is replaced.
        let strict = loaded.into_iter().take(entry.stamps().len());
        if !strict.map(Some).eq(current) {
            dead.push(entry.entry());
        }
    }
    step(servers.unlink(&dead, Traffic::Writes)).await?;
    Ok(dead.len() as u64)
}
