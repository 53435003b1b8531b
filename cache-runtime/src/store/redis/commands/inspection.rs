//! Looks at keys and at what stands under them, for people: bounded, and without a trace.

use std::time::Duration;

use redis::{Value, pipe};

use super::{
    super::{error, primary::Primary, read::bytes, server::Traffic, servers::Servers},
    scan::{in_redis_words, scan_bytes, step},
};
use crate::store::{ScanCursor, ScannedKeys, StoreError, StoreErrorKind, StoredValue};

/// Keys that one `SCAN` looks at, at the most: whoever comes meanwhile waits for that long.
const SCAN_COUNT: usize = 512;

/// A page ends with its server: where the next one begins, the cursor says.
pub(in super::super) async fn scan_page(
    servers: &Servers,
    pattern: &str,
    from: Option<&ScanCursor>,
    limit: usize,
) -> Result<ScannedKeys, StoreError> {
    let pattern = in_redis_words(pattern);
    let mut primaries = servers.primaries()?;
    primaries.sort_by(|one, other| node_of(one).cmp(node_of(other)));
    let place = from.map_or(Ok(Place::default()), |cursor| Place::parse(cursor.as_str()))?;
    // The server of the cursor, or, if it is gone, the one after it.
    let mut primaries = primaries.iter().filter(|primary| node_of(primary) >= &*place.node);
    let Some(primary) = primaries.next() else {
        return Ok(ScannedKeys::default());
    };
    let node = node_of(primary).to_owned();
    let mut cursor = if node == place.node { place.cursor } else { 0 };
    let mut page = ScannedKeys::default();
    let mut left = limit.max(1);
    while left > 0 {
        let count = left.min(SCAN_COUNT);
        left -= count;
        let lane = primary.server.write_lane();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let (next, keys) = scan_bytes(lane, cursor, &pattern, count).await?;
        for key in keys {
            match String::from_utf8(key) {
                Ok(key) => page.keys.push(key),
                Err(_) => page.unreadable += 1,
            }
        }
        cursor = next;
        if cursor == 0 {
            page.next = primaries.next().map(|next| Place::beginning_of(next).cursor());
            return Ok(page);
        }
    }
    page.next = Some(Place { cursor, node }.cursor());
    Ok(page)
}

/// The id of a server in its cluster; nothing for one that is in none.
fn node_of(primary: &Primary) -> &str {
    primary.node.as_ref().map_or("", |node| &node.id)
}

/// The place in a scan of all servers: `{cursor}`, in a cluster `{cursor}@{node}`.
#[derive(Debug, Default)]
struct Place {
    cursor: u64,
    node: String,
}

impl Place {
    fn beginning_of(primary: &Primary) -> Self {
        let node = node_of(primary).to_owned();
        Self { cursor: 0, node }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let (cursor, node) = text.split_once('@').unwrap_or((text, ""));
        let cursor = cursor.parse().map_err(|_| {
            let message = format!("{text:?} is not where a scan of this store could go on");
            StoreError::new(StoreErrorKind::Other, message)
        })?;
        let node = node.to_owned();
        Ok(Self { cursor, node })
    }

    fn cursor(&self) -> ScanCursor {
        let Self { cursor, node } = self;
        ScanCursor::new(match node.as_str() {
            "" => cursor.to_string(),
            node => format!("{cursor}@{node}"),
        })
    }
}

pub(in super::super) async fn look_at(
    servers: &Servers,
    keys: &[String],
    most: usize,
) -> Result<Vec<Option<StoredValue>>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // Of no bytes there is no range.
    let last = i64::try_from(most.max(1) - 1).unwrap_or(i64::MAX);
    let mut look = pipe();
    for key in keys {
        look.cmd("GETRANGE").arg(key).arg(0).arg(last);
        look.cmd("STRLEN").arg(key);
        look.cmd("PTTL").arg(key);
    }
    let replies = step(servers.replies(&look, Traffic::Reads)).await?;
    let (looks, _) = replies.as_chunks::<3>();
    let mut values: Vec<Option<StoredValue>> = looks.iter().map(|look| value(look, most)).collect::<Result<_, _>>()?;
    name_types(servers, keys, &mut values).await?;
    Ok(values)
}

fn value([range, len, lasting]: &[Value; 3], most: usize) -> Result<Option<StoredValue>, StoreError> {
    error::check(lasting)?;
    let time_left = match lasting {
        // There is nothing.
        Value::Int(-2) => return Ok(None),
        Value::Int(millis) => u64::try_from(*millis).ok().map(Duration::from_millis),
        _ => None,
    };
    let Value::Int(len) = *len else {
        return Ok(Some(StoredValue::of_type("", time_left)));
    };
    let bytes = bytes(range.clone()).unwrap_or_default();
    let mut value = StoredValue::of_bytes(&bytes, most, time_left);
    value.len = u64::try_from(len).unwrap_or(0);
    Ok(Some(value))
}

/// Says of what is no string what it is.
async fn name_types(servers: &Servers, keys: &[String], values: &mut [Option<StoredValue>]) -> Result<(), StoreError> {
    let unnamed: Vec<usize> = (0..values.len())
        .filter(|&place| values[place].as_ref().is_some_and(|value| value.other_type.is_some()))
        .collect();
    if unnamed.is_empty() {
        return Ok(());
    }
    let mut types = pipe();
    for &place in &unnamed {
        types.cmd("TYPE").arg(&keys[place]);
    }
    let replies = step(servers.replies(&types, Traffic::Reads)).await?;
    for (place, reply) in unnamed.into_iter().zip(replies) {
        let name = bytes(reply).and_then(|name| String::from_utf8(name.to_vec()).ok());
        // It may be gone by now.
        let named = name.filter(|name| name != "none");
        values[place] = values[place].take().zip(named).map(|(value, name)| StoredValue {
            other_type: Some(name),
            ..value
        });
    }
    Ok(())
}
